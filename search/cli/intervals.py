"""Draws confidence intervals as bars of text, at most 80 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from search.compare.comparison_result import GroupComparison

BAR_WIDTH = 38
"""Width of a bar, in columns."""


def interval_lines(groups: Sequence[GroupComparison], *, margin: float) -> list[str]:
    """Return the groups' effects as bars on one axis, and a last line with the axis' ends; empty without any effect.

    In a bar, `=` marks the interval, `o` the effect, `|` zero, and `:` the margin on both sides.

    Args:
        groups: Groups of a comparison. A group without an effect, such as the baseline, gets no bar.
        margin: Margin of equivalence, in points.
    """
    arms = [group for group in groups if group.effect is not None]
    if not arms:
        return []
    ends = [value for arm in arms for value in (arm.effect, arm.low, arm.high) if value is not None]
    low, high = min(*ends, -margin) * 1.05, max(*ends, margin) * 1.05
    lines = [f"{_label(arm)}  {_bar(arm, low=low, high=high, margin=margin)}  {_numbers(arm)}" for arm in arms]
    scale = f"{low:+.1f}".ljust(BAR_WIDTH - 5) + f"{high:+.1f}".rjust(5)
    return [*lines, f"{'points':<14}  {scale}"]


def _label(arm: GroupComparison) -> str:
    name = f" {arm.group}" if arm.control_of else arm.group
    return name.ljust(14) if len(name) <= 14 else f"{name[:13]}…"  # noqa: PLR2004  leaves room for the numbers


def _bar(arm: GroupComparison, *, low: float, high: float, margin: float) -> str:
    cells = [" "] * BAR_WIDTH

    def column(value: float) -> int:
        return min(BAR_WIDTH - 1, max(0, round((value - low) / (high - low) * (BAR_WIDTH - 1))))

    if arm.low is not None and arm.high is not None:
        for index in range(column(arm.low), column(arm.high) + 1):
            cells[index] = "="
    for value, mark in ((-margin, ":"), (margin, ":"), (0.0, "|"), (arm.effect or 0.0, "o")):
        cells[column(value)] = mark
    return "".join(cells)


def _numbers(arm: GroupComparison) -> str:
    if arm.low is None or arm.high is None:
        return f"{arm.effect:+.1f}"
    return f"{arm.effect:+.2f} [{arm.low:+.2f}, {arm.high:+.2f}]"
