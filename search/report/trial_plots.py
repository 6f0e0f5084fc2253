"""Plots of trials: the history of the search, and score against cost."""

from __future__ import annotations

from collections.abc import Sequence

from search.report.contents import FinishedTrial
from search.report.svg import FAMILIES, NARROW, Canvas, Plot, Scale, spread, spread_log

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, NARROW - 8, 52, 270


def plot_history(trials: Sequence[FinishedTrial]) -> Plot | None:
    """Plot each trial's score and the best score so far, by number; return None without a trial."""
    if not trials:
        return None
    scale_x = spread([float(trial.number) for trial in trials], start=_LEFT, end=_RIGHT)
    scale_y = spread([100 * trial.score for trial in trials], start=_BOTTOM, end=_TOP)
    canvas = _scatter(trials, x=[float(trial.number) for trial in trials], scales=(scale_x, scale_y), title_x="trial")
    best = best_so_far([trial.score for trial in trials])
    steps: list[tuple[float, float]] = []
    for trial, score in zip(trials, best, strict=True):
        x, y = scale_x(trial.number), scale_y(100 * score)
        if not steps or y != steps[-1][1]:
            steps += [(x, steps[-1][1] if steps else y), (x, y)]
    canvas.line([*steps, (scale_x(trials[-1].number), steps[-1][1])], kind="best")
    title = "Optimisation history"
    caption = "Score in % of each finished trial by number. The line is the best score so far."
    rows = tuple(
        (str(trial.number), trial.family, f"{100 * trial.score:.2f}", f"{100 * score:.2f}")
        for trial, score in zip(trials, best, strict=True)
    )
    svg = canvas.svg(title=title, description=caption)
    headings = ("trial", "family", "score %", "best so far %")
    return Plot(name="history", title=title, caption=caption, svg=svg, headings=headings, rows=rows)


def plot_cost(trials: Sequence[FinishedTrial]) -> Plot | None:
    """Plot score against cost, with the Pareto front; return None if no trial has a cost."""
    timed = [trial for trial in trials if trial.alone_seconds > 0]
    if not timed:
        return None
    seconds = [trial.alone_seconds for trial in timed]
    scale_x = spread_log(seconds, start=_LEFT, end=_RIGHT)
    scale_y = spread([100 * trial.score for trial in timed], start=_BOTTOM, end=_TOP)
    title_x = "seconds without shared stages (log)"
    canvas = _scatter(timed, x=seconds, scales=(scale_x, scale_y), title_x=title_x)
    front = pareto(timed)
    points = [(scale_x(trial.alone_seconds), scale_y(100 * trial.score)) for trial in front]
    canvas.line(points, kind="best")
    canvas.dots(points, kind="front")
    on_front = {trial.number for trial in front}
    title = "Score against cost"
    caption = (
        "Score in % of each finished trial by its cost in seconds without shared stages. The line is the Pareto "
        f"front: {len(front)} trial{'s' if len(front) != 1 else ''} that no other trial beats in both."
    )
    rows = tuple(
        (
            str(trial.number),
            trial.family,
            f"{trial.alone_seconds:.1f}",
            f"{100 * trial.score:.2f}",
            "yes" if trial.number in on_front else "",
        )
        for trial in sorted(timed, key=lambda trial: trial.alone_seconds)
    )
    svg = canvas.svg(title=title, description=caption)
    headings = ("trial", "family", "seconds", "score %", "on the Pareto front")
    return Plot(name="cost", title=title, caption=caption, svg=svg, headings=headings, rows=rows)


def pareto(trials: Sequence[FinishedTrial]) -> list[FinishedTrial]:
    """Return the Pareto front, the cheapest trial first."""
    front: list[FinishedTrial] = []
    for trial in sorted(trials, key=lambda trial: (trial.alone_seconds, -trial.score, trial.number)):
        if not front or trial.score > front[-1].score:
            front.append(trial)
    return front


def best_so_far(scores: Sequence[float]) -> list[float]:
    """Return the maximum of the scores up to each trial."""
    best: list[float] = []
    for score in scores:
        best.append(max(score, best[-1]) if best else score)
    return best


def _scatter(
    trials: Sequence[FinishedTrial], *, x: Sequence[float], scales: tuple[Scale, Scale], title_x: str
) -> Canvas:
    scale_x, scale_y = scales
    canvas = Canvas(height=_BOTTOM + 46)
    canvas.axis_x(scale_x, y=_BOTTOM, top=_TOP, title=title_x)
    canvas.axis_y(scale_y, x=_LEFT, right=_RIGHT, title="score, %")
    present = [family for family in FAMILIES if any(trial.family == family for trial in trials)]
    canvas.legend(present, y=18)
    for family in present:
        drawn = [(trial, value) for trial, value in zip(trials, x, strict=True) if trial.family == family]
        points = [(scale_x(value), scale_y(100 * trial.score)) for trial, value in drawn]
        canvas.dots(points, kind=f"f-{family}", trials=[trial.number for trial, _ in drawn])
    return canvas
