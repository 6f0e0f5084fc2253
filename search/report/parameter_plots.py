"""Plots of parameters: what each explains of the scores, and all trials over all of them at once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.report.contents import Scored
from search.report.drawing import NARROW, WIDE, Canvas, Plot, Scale, number, spread, spread_log

MIN_TRIALS = 8
"""With fewer trials no parameter's share can be told from luck."""

MOST_AXES = 7
"""Parameters that are drawn side by side, those that explain most first."""

_LEFT, _ROW = 8, 38
_TOP, _BOTTOM = 68, 330
_NAME_ROWS = 3
"""Names of axes stand in rows by turns, so that they do not run into each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much of the scores' variance a parameter explains alone."""

    parameter: str
    num_trials: int
    """Trials that have it."""
    kind: str
    """`number`, judged by ranks, or `choice`, judged by the means of its values."""
    share: float
    """Adjusted share of variance, 0..1: about 0 where only luck is at work."""


def importances(trials: Sequence[Scored]) -> list[Importance]:
    """Return each searched parameter's importance, the highest first; parameters that do not vary are left out.

    Numbers: squared Spearman correlation. Choices: correlation ratio (Fisher 1925). Both are adjusted for the
    parameters fitted (epsilon squared, Kelley 1935), so that a choice of many values is not favoured. Interactions are
    not seen.
    """
    found: list[Importance] = []
    for name in dict.fromkeys(name for trial in trials for name in trial.assignment):
        having = [trial for trial in trials if name in trial.assignment]
        values = [trial.assignment[name] for trial in having]
        distinct = {str(value) for value in values}
        if len(having) < MIN_TRIALS or len(distinct) < 2:  # noqa: PLR2004  what does not vary explains nothing
            continue
        scores = [trial.score for trial in having]
        if all(_is_number(value) for value in values):
            explained, num_fitted, kind = (
                _rank_correlation([float(str(one)) for one in values], scores) ** 2,
                2,
                "number",
            )
        else:
            explained, num_fitted, kind = _between(list(map(str, values)), scores), len(distinct), "choice"
        free = len(having) - num_fitted
        share = max(0.0, 1 - (1 - explained) * (len(having) - 1) / free) if free > 0 else 0.0
        found.append(Importance(parameter=name, num_trials=len(having), kind=kind, share=share))
    return sorted(found, key=lambda one: (-one.share, one.parameter))


def plot_importance(trials: Sequence[Scored]) -> Plot | None:
    """Return the parameters' importance as bars; None where there is too little to tell."""
    found = importances(trials)
    if not found:
        return None
    title = "Parameter importance"
    caption = (
        "Share of the scores' variance that each searched parameter explains alone, in %, adjusted for chance; among "
        "the finished trials that have it."
    )
    bottom = 14.0 + _ROW * len(found)
    canvas = Canvas(height=bottom + 46)
    scale = Scale(low=0.0, high=100.0, start=_LEFT, end=NARROW - 30)
    canvas.axis_x(scale, y=bottom, top=8, title="variance explained, %")
    for place, one in enumerate(found):
        y = 10.0 + _ROW * place
        canvas.bar(scale, y=y, label=_short(one.parameter, most=55), ends=[100 * one.share], kinds=["bar"])
        canvas.text(scale(100 * one.share) + 6, y + 29, f"{100 * one.share:.0f}", kind="value")
    return Plot(
        name="importance",
        title=title,
        caption=caption,
        svg=canvas.svg(title=title, description=caption),
        headings=("parameter", "kind", "trials", "variance explained %"),
        rows=tuple((one.parameter, one.kind, str(one.num_trials), f"{100 * one.share:.1f}") for one in found),
    )


def plot_parallel(trials: Sequence[Scored]) -> Plot | None:
    """Return every trial as a line over the parameters and its score; None where nothing varies."""
    shown = importances(trials)[:MOST_AXES]
    names = [one.parameter for one in sorted(shown, key=lambda one: -one.num_trials)]
    if not names:
        return None
    title = "Parallel coordinates"
    caption = (
        "Each line is a finished trial, from parameter to parameter to its score in %; it passes "
        "by those that the trial does not have. Heavy lines are the best tenth."
    )
    canvas = Canvas(height=_BOTTOM + 30, width=WIDE)
    places = [60 + (WIDE - 130) * place / len(names) for place in range(len(names) + 1)]
    axes = [
        _Axis.over([trial.assignment.get(name) for trial in trials], place=x)
        for name, x in zip(names, places, strict=False)
    ]
    score = _Axis.over([100 * trial.score for trial in trials], place=places[-1])
    least = sorted((trial.score for trial in trials), reverse=True)[max(0, math.ceil(len(trials) / 10) - 1)]
    for trial in sorted(trials, key=lambda trial: trial.score):
        having = [
            (axis, trial.assignment[name]) for axis, name in zip(axes, names, strict=True) if name in trial.assignment
        ]
        kind = "thread-best" if trial.score >= least else "thread"
        points = [axis.point(value) for axis, value in [*having, (score, 100 * trial.score)]]
        canvas.line(points, kind=f"{kind} f-{trial.family}")
    for row, (axis, name) in enumerate(zip([*axes, score], [*names, "score, %"], strict=True)):
        axis.draw(canvas, name=name, y=16.0 + 17 * (row % _NAME_ROWS))
    return Plot(
        name="parallel",
        title=title,
        caption=caption,
        svg=canvas.svg(title=title, description=caption),
        headings=("trial", "family", *names, "score %"),
        rows=tuple(
            (
                str(trial.number),
                trial.family,
                *(str(trial.assignment.get(name, "-")) for name in names),
                f"{100 * trial.score:.2f}",
            )
            for trial in trials
        ),
        width=WIDE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """A vertical axis: a scale for numbers, places for a choice's values."""

    x: float
    scale: Scale | None
    labels: tuple[str, ...]

    @classmethod
    def over(cls, values: Sequence[object], *, place: float) -> _Axis:
        known = [value for value in values if value is not None]
        if known and all(_is_number(value) for value in known):
            numbers = [float(str(value)) for value in known]
            is_wide = min(numbers) > 0 and max(numbers) / min(numbers) > 10  # noqa: PLR2004  more than a decade
            scale = (spread_log if is_wide else spread)(numbers, start=_BOTTOM, end=_TOP)
            return cls(x=place, scale=scale, labels=())
        return cls(x=place, scale=None, labels=tuple(sorted({str(value) for value in known})))

    def point(self, value: object) -> tuple[float, float]:
        if self.scale is not None:
            return self.x, self.scale(float(str(value)))
        return self.x, _TOP + (self.labels.index(str(value)) + 0.5) / len(self.labels) * (_BOTTOM - _TOP)

    def draw(self, canvas: Canvas, *, name: str, y: float) -> None:
        canvas.line([(self.x, _TOP), (self.x, _BOTTOM)], kind="zero")
        anchor = "start" if self.x < WIDE / 4 else "end" if self.x > 3 * WIDE / 4 else "middle"
        canvas.text(self.x, y, _short(name, most=30), anchor=anchor, kind="tick")
        ticks = self.scale.ticks(about=4) if self.scale is not None else []
        for value in ticks:
            canvas.text(self.x + 5, self.scale(value) + 4 if self.scale else 0.0, number(value), kind="tick over")
        for label in self.labels:
            canvas.text(self.x + 5, self.point(label)[1] + 4, _short(label, most=14), kind="tick over")


def _rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Return Spearman's correlation; 0 where one side does not vary."""
    if len(set(left)) < 2 or len(set(right)) < 2:  # noqa: PLR2004  no variance
        return 0.0
    from scipy import stats

    return float(stats.spearmanr(left, right).statistic)


def _between(groups: Sequence[str], scores: Sequence[float]) -> float:
    """Return the share of the scores' variance that lies between groups."""
    mean = statistics.fmean(scores)
    whole = sum((score - mean) ** 2 for score in scores)
    of_group: dict[str, list[float]] = {}
    for group, score in zip(groups, scores, strict=True):
        of_group.setdefault(group, []).append(score)
    between = sum(len(found) * (statistics.fmean(found) - mean) ** 2 for found in of_group.values())
    return between / whole if whole else 0.0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(words: str, *, most: int) -> str:
    return words if len(words) <= most else f"…{words[1 - most :]}"
