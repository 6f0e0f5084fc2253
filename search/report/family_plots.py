"""Plots of groups: their effects with intervals, and the scores of tasks by language."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from search.compare.comparison_result import MEAN, Comparison, GroupComparison
from search.report.contents import FinishedTrial
from search.report.svg import NARROW, WIDE, Canvas, Plot, Scale, spread
from trainables.number_words import number_of

_LEFT, _ROW = 8, 38
_HEADINGS = ("group", "trials", "seeds", "mean %", "effect", "low", "high", "adjusted p", "verdict")
_MEAN = f"Means are {MEAN}."


def plot_intervals(found: Comparison, *, name: str, title: str) -> Plot | None:
    """Plot the groups' effects with intervals, or their means if there is no effect; return None without groups.

    Args:
        found: The comparison.
        name: Name of the plot's file, without its suffix.
        title: Title of the plot.
    """
    arms = [group for group in found.groups if group.effect is not None]
    if not arms:
        return _plot_means(found, name=name, title=title)
    margin = found.protocol.margin
    ends = [value for arm in arms for value in (arm.effect, arm.low, arm.high) if value is not None]
    scale = spread([*ends, -margin, margin], start=_LEFT, end=NARROW - 12)
    bottom = 12.0 + _ROW * len(arms)
    canvas = Canvas(height=bottom + 46)
    canvas.box(scale(-margin), 12, size=(scale(margin) - scale(-margin), bottom - 12), kind="margin")
    canvas.axis_x(scale, y=bottom, top=12, title=f"effect against {found.protocol.baseline}, points")
    canvas.line([(scale(0), 12), (scale(0), bottom)], kind="zero")
    for place, arm in enumerate(arms):
        _interval(canvas, arm, scale=scale, y=12.0 + _ROW * place)
        canvas.area(0, 12.0 + _ROW * place, size=(NARROW, _ROW), text=_words(arm), only=_only(found, arm))
    level = f"{100 * (1 - found.protocol.alpha):.3g} %"
    caption = (
        f"Effect of each group in points of {found.protocol.metric} dev score with its {level} interval. "
        f"The band is the margin of equivalence: {margin:g} points. {_MEAN}"
    )
    return Plot(
        name=name,
        title=title,
        caption=caption,
        svg=canvas.svg(title=title, description=caption),
        headings=_HEADINGS,
        rows=tuple(_row(group) for group in found.groups),
    )


def _plot_means(found: Comparison, *, name: str, title: str) -> Plot | None:
    if not found.groups:
        return None
    scale = spread([100 * group.mean for group in found.groups], start=_LEFT, end=NARROW - 12)
    bottom = 12.0 + _ROW * len(found.groups)
    canvas = Canvas(height=bottom + 46)
    canvas.axis_x(scale, y=bottom, top=12, title=f"mean {found.protocol.metric} dev score, %")
    for place, group in enumerate(found.groups):
        y = 12.0 + _ROW * place
        canvas.text(_LEFT, y + 14, _short(group.group, most=48))
        canvas.dots([(scale(100 * group.mean), y + 27)], kind="effect")
        canvas.area(0, y, size=(NARROW, _ROW), text=_words(group), only=_only(found, group))
    caption = f"Mean dev score of each group in %. There is no effect against the baseline yet. {_MEAN}"
    svg = canvas.svg(title=title, description=caption)
    rows = tuple(_row(group) for group in found.groups)
    return Plot(name=name, title=title, caption=caption, svg=svg, headings=_HEADINGS, rows=rows)


def _interval(canvas: Canvas, arm: GroupComparison, *, scale: Scale, y: float) -> None:
    indent = 14 if arm.control_of else 0
    canvas.text(_LEFT + indent, y + 14, _short(arm.group, most=30), kind="label over")
    numbers = f"{arm.effect or 0.0:+.2f}"
    if arm.low is not None and arm.high is not None:
        canvas.line([(scale(arm.low), y + 27), (scale(arm.high), y + 27)], kind="interval")
        numbers += f" [{arm.low:+.2f}, {arm.high:+.2f}]"
    canvas.text(NARROW - 12, y + 14, numbers, anchor="end", kind="value")
    canvas.dots([(scale(arm.effect or 0.0), y + 27)], kind="effect")


def _words(group: GroupComparison) -> str:
    """Return what a group's row shows, in words."""
    effect = "" if group.effect is None else f", effect {group.effect:+.2f} points"
    if group.low is not None and group.high is not None:
        effect += f" [{group.low:+.2f}, {group.high:+.2f}]"
    seeds = f"{number_of(group.num_trials, 'trial')} of {number_of(group.num_intermediate_seeds, 'seed')}"
    return f"{group.group}: {group.verdict}{effect}; mean {100 * group.mean:.2f} %, {seeds}"


def _only(found: Comparison, group: GroupComparison) -> str:
    """Return what the table of trials shows of a group; a confirmation is another sweep."""
    if found.protocol.by != "family" or found.protocol.selection != "all":
        return ""
    return "family=control" if group.control_of else f"family={group.group}"


def _row(group: GroupComparison) -> tuple[str, ...]:
    def signed(value: float | None) -> str:
        return "-" if value is None else f"{value:+.2f}"

    p = "-" if group.adjusted_p is None else f"{group.adjusted_p:.3f}"
    counts = (str(group.num_trials), str(group.num_intermediate_seeds), f"{100 * group.mean:.2f}")
    return (group.group, *counts, signed(group.effect), signed(group.low), signed(group.high), p, group.verdict)


def plot_heatmap(trials: Sequence[FinishedTrial]) -> Plot | None:
    """Plot the mean score of each intermediate task in each language; return None without a finished trial."""
    rows: dict[str, list[FinishedTrial]] = {}
    for trial in trials:
        for task in trial.tasks or ("none",):
            rows.setdefault(task, []).append(trial)
    languages = sorted({code for trial in trials for code in trial.languages})
    if not rows or not languages:
        return None
    means = {task: [_mean(found, code) for code in languages] for task, found in rows.items()}
    order = sorted(means, key=lambda task: (task != "none", -statistics.fmean(_known(means[task]) or [0.0])))
    title = "Tasks by language"
    caption = (
        "Mean dev score in % of the finished trials that train on each intermediate task. A trial on a mixture counts "
        "for each of its tasks. A stronger colour is a higher score in its column."
    )
    return Plot(
        name="heatmap",
        title=title,
        caption=caption,
        svg=_draw_heatmap(order, means=means, languages=languages).svg(title=title, description=caption),
        headings=("task", "trials", *languages),
        rows=tuple((task, str(len(rows[task])), *map(_percent, means[task])) for task in order),
        width=WIDE,
    )


def _draw_heatmap(order: Sequence[str], *, means: dict[str, list[float | None]], languages: Sequence[str]) -> Canvas:
    left, row = 150, 26
    column = (WIDE - left) / len(languages)
    canvas = Canvas(height=30 + row * len(order), width=WIDE)
    columns = [_known([means[task][place] for task in order]) for place in range(len(languages))]
    for place, code in enumerate(languages):
        canvas.text(left + column * (place + 0.5), 18, code, anchor="middle")
    for line, task in enumerate(order):
        y = 26.0 + row * line
        canvas.text(4, y + 17, _short(task, most=21))
        for place, value in enumerate(means[task]):
            x = left + column * place
            if value is not None:
                low, high = min(columns[place]), max(columns[place])
                share = (value - low) / (high - low) if high > low else 0.5
                canvas.box(x, y, size=(column - 1, row - 1), kind="cell", opacity=0.04 + 0.5 * share)
            words = _percent(value) if column > 34 else _percent(value).split(".")[0]  # noqa: PLR2004  fits one decimal
            canvas.text(x + column / 2, y + 17, words, anchor="middle", kind="value")
            shown = f"{task}, {languages[place]}: mean {_percent(value)} %"
            only = "family=none" if task == "none" else f"task={task}"
            canvas.area(x, y, size=(column - 1, row - 1), text=shown, only=only)
    return canvas


def _mean(trials: Sequence[FinishedTrial], code: str) -> float | None:
    found = [trial.languages[code] for trial in trials if code in trial.languages]
    return statistics.fmean(found) if found else None


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _short(name: str, *, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
