"""Plots of parameters: the importance of each, and all trials in parallel coordinates."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.report.contents import FinishedTrial
from search.report.svg import NARROW, WIDE, Canvas, Plot, Scale, number, spread, spread_log
from trainables.number_words import number_of

MIN_TRIALS = 8
"""With fewer trials, the share of a parameter cannot be distinguished from chance."""

MAX_AXES = 7
"""The most parameters in the plot of parallel coordinates; the most important ones are chosen."""

_LEFT, _ROW = 8, 38
_TOP, _BOTTOM = 68, 330
_NAME_ROWS = 3
"""The names of neighbouring axes are in different rows, so that they do not overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The share of the scores' variance that one parameter explains."""

    parameter: str
    num_trials: int
    """Trials that have the parameter."""
    kind: str
    """`number`, compared by ranks, or `choice`, compared by the means of its values."""
    share: float
    """Adjusted share of the variance, 0..1; about 0 for a parameter without influence."""


def importances(trials: Sequence[FinishedTrial]) -> list[Importance]:
    """Return the importance of each searched parameter, the highest first, without parameters that do not vary.

    For numbers it is the squared Spearman correlation, for choices the correlation ratio (Fisher 1925). Both are
    adjusted for the number of fitted values (epsilon squared, Kelley 1935), so that a choice with many values has no
    advantage. Interactions of parameters are not measured.
    """
    found: list[Importance] = []
    for name in dict.fromkeys(name for trial in trials for name in trial.assignment):
        with_parameter = [trial for trial in trials if name in trial.assignment]
        values = [trial.assignment[name] for trial in with_parameter]
        distinct = {str(value) for value in values}
        if len(with_parameter) < MIN_TRIALS or len(distinct) < 2:  # noqa: PLR2004  it does not vary
            continue
        scores = [trial.score for trial in with_parameter]
        if all(_is_number(value) for value in values):
            explained, num_fitted, kind = (
                _rank_correlation([float(str(value)) for value in values], scores) ** 2,
                2,
                "number",
            )
        else:
            explained, num_fitted, kind = _correlation_ratio(list(map(str, values)), scores), len(distinct), "choice"
        num_trials = len(with_parameter)
        free = num_trials - num_fitted
        share = max(0.0, 1 - (1 - explained) * (num_trials - 1) / free) if free > 0 else 0.0
        found.append(Importance(parameter=name, num_trials=num_trials, kind=kind, share=share))
    return sorted(found, key=lambda importance: (-importance.share, importance.parameter))


def plot_importance(trials: Sequence[FinishedTrial]) -> Plot | None:
    """Plot the parameters' importance as bars; return None if there are too few trials."""
    found = importances(trials)
    if not found:
        return None
    title = "Parameter importance"
    caption = (
        "Share of the scores' variance that each searched parameter explains alone, in %, adjusted for chance. It is "
        "computed from the finished trials that have the parameter."
    )
    bottom = 14.0 + _ROW * len(found)
    canvas = Canvas(height=bottom + 46)
    scale = Scale(low=0.0, high=100.0, start=_LEFT, end=NARROW - 30)
    canvas.axis_x(scale, y=bottom, top=8, title="variance explained, %")
    for index, importance in enumerate(found):
        y = 10.0 + _ROW * index
        percent = 100 * importance.share
        canvas.bar(scale, y=y, label=_short(importance.parameter, most=55), ends=[percent], kinds=["bar"])
        canvas.text(scale(percent) + 6, y + 29, f"{percent:.0f}", kind="value")
        words = f"{importance.parameter}: {percent:.1f} % of the variance, {number_of(importance.num_trials, 'trial')}"
        canvas.area(0, y, size=(NARROW, _ROW), text=words)
    return Plot(
        name="importance",
        title=title,
        caption=caption,
        svg=canvas.svg(title=title, description=caption),
        headings=("parameter", "kind", "trials", "variance explained %"),
        rows=tuple((row.parameter, row.kind, str(row.num_trials), f"{100 * row.share:.1f}") for row in found),
    )


def plot_parallel(trials: Sequence[FinishedTrial]) -> Plot | None:
    """Plot each trial as a line over its parameters and its score; return None if no parameter varies."""
    shown = importances(trials)[:MAX_AXES]
    names = [importance.parameter for importance in sorted(shown, key=lambda importance: -importance.num_trials)]
    if not names:
        return None
    title = "Parallel coordinates"
    caption = (
        "Each line is a finished trial. It connects the values of its parameters and its score in %, and skips "
        "parameters that the trial does not have. Heavy lines are the best tenth of the trials."
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
        values = [
            (axis, trial.assignment[name]) for axis, name in zip(axes, names, strict=True) if name in trial.assignment
        ]
        kind = "thread-best" if trial.score >= least else "thread"
        points = [axis.point(value) for axis, value in [*values, (score, 100 * trial.score)]]
        canvas.line(points, kind=f"{kind} f-{trial.family}", trial=trial.number)
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
    """A vertical axis: with a scale for numbers, or with a position for each value of a choice."""

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
    """Return Spearman's correlation, or 0 if one side does not vary."""
    if len(set(left)) < 2 or len(set(right)) < 2:  # noqa: PLR2004  no variance
        return 0.0
    from scipy import stats

    return float(stats.spearmanr(left, right).statistic)


def _correlation_ratio(groups: Sequence[str], scores: Sequence[float]) -> float:
    """Return the share of the scores' variance that is between groups."""
    mean = statistics.fmean(scores)
    total = sum((score - mean) ** 2 for score in scores)
    of_group: dict[str, list[float]] = {}
    for group, score in zip(groups, scores, strict=True):
        of_group.setdefault(group, []).append(score)
    between = sum(len(found) * (statistics.fmean(found) - mean) ** 2 for found in of_group.values())
    return between / total if total else 0.0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(text: str, *, most: int) -> str:
    return text if len(text) <= most else f"…{text[1 - most :]}"
