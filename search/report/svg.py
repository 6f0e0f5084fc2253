"""Writes SVG: a canvas for marks, scales, and a plot with its numbers.

Marks have CSS classes and no colours. The page sets the colours for its light and dark style, and `plot_files` for
paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

NARROW, WIDE = 400, 720
"""Width of a plot in units: a phone shows a narrow plot as a whole and scrolls a wide one. Text is 13 units high."""

_TICK_CHARACTER = 6.8
"""Width of a character of a tick, in units."""

FAMILIES = ("none", "text", "multimodal", "multitask", "control", "merged")
"""Families; each has its own colour and mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot with its numbers."""

    name: str
    """Name of its file, without the suffix."""
    title: str
    caption: str
    """What it shows, in one or more sentences."""
    svg: str
    """The <svg> element."""
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The numbers in the plot, as text."""
    width: int = NARROW

    @property
    def is_broad(self) -> bool:
        """Whether it needs the width of two narrow plots."""
        return self.width > NARROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values to units, on a linear or logarithmic scale."""

    low: float
    high: float
    start: float
    """Unit of `low`."""
    end: float
    """Unit of `high`."""
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the unit of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, *, about: int = 5) -> list[float]:
        """Return round values in the scale's range."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            every = [10.0**power for power in range(first, last + 1)]
            for factors in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)):
                found = [value * factor for value in every for factor in factors]
                found = [value for value in found if self.low <= value <= self.high]
                if len(found) > 2:  # noqa: PLR2004  as few as show a logarithm
                    return found
            return [self.low, self.high]
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        return [step * place for place in range(first, math.floor(self.high / step + 1e-9) + 1)]


def spread(values: Sequence[float], *, start: float, end: float) -> Scale:
    """Return a linear scale over values, with room at both ends, also if all values are equal."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
    return Scale(low=low - room, high=high + room, start=start, end=end)


def spread_log(values: Sequence[float], *, start: float, end: float) -> Scale:
    """Return a logarithmic scale over positive values, with room at both ends."""
    low, high = min(values), max(values)
    room = (high / low) ** 0.06 if high > low else 1.5
    return Scale(low=low / room, high=high * room, start=start, end=end, log=True)


@dataclass(slots=True, kw_only=True)
class Canvas:
    """A canvas: it collects the marks of an SVG image."""

    height: float
    width: int = NARROW
    marks: list[str] = field(default_factory=list[str])

    def line(self, points: Sequence[tuple[float, float]], *, kind: str, trial: int | None = None) -> None:
        """Draw a line through points; the page's script finds the trial that it stands for."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        of = "" if trial is None else f' data-trial="{trial}"'
        self.marks.append(f'<polyline class="{kind}" points="{path}"{of}/>')

    def dots(self, points: Sequence[tuple[float, float]], *, kind: str, trials: Sequence[int] = ()) -> None:
        """Draw dots as one path, which a browser draws as fast as a single dot, also for 2,000 dots.

        Args:
            points: Their places.
            kind: Their CSS class.
            trials: The trial of each dot; the page's script finds it. Empty for dots that stand for none.
        """
        if points:
            path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
            of = f' data-trials="{" ".join(map(str, trials))}"' if trials else ""
            self.marks.append(f'<path class="dots {kind}" d="{path}"{of}/>')

    def area(self, x: float, y: float, *, size: tuple[float, float], text: str, only: str = "") -> None:
        """Add an area without colour that describes what is drawn there: the browser shows the text on hover.

        Args:
            x: Left edge.
            y: Upper edge.
            size: Width and height.
            text: What the area shows, in words and numbers.
            only: `family=NAME`, `task=NAME` or `trial=NUMBER`: what the page's table shows on a click.
        """
        of = f' data-only="{escape(only, quote=True)}"' if only else ""
        self.marks.append(
            f'<rect class="area" x="{x:.1f}" y="{y:.1f}" width="{max(size[0], 0.5):.1f}" height="{size[1]:.1f}"{of}>'
            f"<title>{escape(text)}</title></rect>"
        )

    def box(self, x: float, y: float, *, size: tuple[float, float], kind: str, opacity: float = 1.0) -> None:
        """Draw a filled rectangle."""
        width, height = size
        shade = "" if opacity == 1 else f' fill-opacity="{opacity:.2f}"'
        self.marks.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}"{shade}/>'
        )

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "label") -> None:
        """Draw a line of text."""
        self.marks.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def axis_x(self, scale: Scale, *, y: float, top: float, title: str) -> None:
        """Draw a horizontal axis with its grid."""
        for value in scale.ticks():
            x = scale(value)
            self.line([(x, top), (x, y)], kind="grid")
            half = _TICK_CHARACTER * len(number(value)) / 2
            self.text(min(max(x, half), self.width - half), y + 17, number(value), anchor="middle", kind="tick")
        self.text((scale.start + scale.end) / 2, y + 36, title, anchor="middle", kind="tick")

    def bar(self, scale: Scale, *, y: float, label: str, ends: Sequence[float], kinds: Sequence[str]) -> None:
        """Draw a row: a label, and below it a bar of several parts; `ends` has the end of each part."""
        self.text(scale.start, y + 13, label)
        start = scale.low
        for end, kind in zip(ends, kinds, strict=True):
            self.box(scale(start), y + 19, size=(scale(end) - scale(start), 12), kind=kind)
            start = end

    def axis_y(self, scale: Scale, *, x: float, right: float, title: str) -> None:
        """Draw a vertical axis with its grid, and its title above it."""
        for value in scale.ticks():
            y = scale(value)
            self.line([(x, y), (right, y)], kind="grid")
            self.text(x - 6, y + 4, number(value), anchor="end", kind="tick")
        self.text(4, min(scale.start, scale.end) - 10, title, kind="tick")

    def legend(self, families: Sequence[str], *, y: float) -> None:
        """Draw the legend: the families with their colours, in a row."""
        x = 8.0
        for family in families:
            self.dots([(x, y - 4)], kind=f"f-{family}")
            self.text(x + 8, y, family, kind="tick")
            x += 26 + _TICK_CHARACTER * len(family)

    def svg(self, *, title: str, description: str) -> str:
        """Return the <svg> element, with a label for screen readers."""
        marks = "".join(self.marks)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{"narrow" if self.width == NARROW else "broad"}" '
            f'viewBox="0 0 {self.width} {self.height:.0f}" role="img" '
            f'aria-label="{escape(f"{title}. {description}", quote=True)}">{marks}</svg>'
        )


def number(value: float) -> str:
    """Return a number as the text of a tick."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):  # noqa: PLR2004  where digits get long
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)
