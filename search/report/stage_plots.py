"""The plot of the stage tree: the stages that trials share, their cost, and the time that sharing saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from search.record import StageRow
from search.report.svg import NARROW, Canvas, Plot, Scale
from trainables.number_words import number_of

MAX_SHOWN = 14
"""The most stages in the plot; the table below it has all of them."""

_LEFT, _ROW = 8, 38


@dataclass(slots=True, kw_only=True)
class Node:
    """A training stage, and the stages that started from it."""

    made: StageRow
    """The row of the trial that made it."""
    trials: set[int] = field(default_factory=set[int])
    children: dict[str, Node] = field(default_factory=dict[str, "Node"])

    @property
    def steps(self) -> int:
        """Optimiser steps, including those of the trunk that it continues."""
        return self.made.steps + self.made.steps_before

    @property
    def seconds(self) -> float:
        """Seconds that it took to make, including the trunk that it continues."""
        return self.made.seconds + self.made.seconds_before

    @property
    def saved(self) -> float:
        """Seconds saved by the trials that found it in the store."""
        return (len(self.trials) - 1) * self.seconds


def stage_tree(stages: Sequence[StageRow]) -> dict[str, Node]:
    """Return the first training stages of trials, by key; each has the stages that started from it as children.

    Args:
        stages: Lineages of all trials. Only the highest rung of each trial is used, without trunks and further targets.
    """
    made: dict[str, StageRow] = {}
    lines: dict[int, list[StageRow]] = defaultdict(list)
    for stage in sorted(stages, key=lambda row: (row.trial, row.rung, row.position)):
        if stage.phase == "evaluation" or stage.is_trunk or stage.further:
            continue
        if not stage.reused or stage.key not in made:
            made[stage.key] = stage
        line = lines[stage.trial]
        if line and line[-1].rung != stage.rung:
            line.clear()
        line.append(stage)
    roots: dict[str, Node] = {}
    for trial, line in lines.items():
        level = roots
        for stage in line:
            node = level.setdefault(stage.key, Node(made=made[stage.key]))
            node.trials.add(trial)
            level = node.children
    return roots


def plot_stages(stages: Sequence[StageRow], *, families: dict[int, str]) -> Plot | None:
    """Plot the tree of the stages that trials start from or share; return None if there is no such stage.

    Args:
        stages: Lineages of all trials.
        families: Number of a trial -> its family.
    """
    nodes = [(node, depth) for node, depth in _walk(stage_tree(stages), depth=0) if _is_shown(node)]
    if not nodes:
        return None
    saved = sum(max(0.0, node.saved) for node, _ in nodes)
    paid = sum(stage.seconds for stage in {stage.key: stage for stage in stages if not stage.reused}.values())
    num_unshared = len({node.made.key for node, _ in _walk(stage_tree(stages), depth=0)}) - len(nodes)
    title = "Stage tree"
    caption = (
        "The dark part of a bar is the time that a stage took, the light part is the time that other trials saved by "
        f"using it. Stages that started from a stage are below it. Not shown: {number_of(num_unshared, 'stage')} of a "
        f"single trial. All stages took {paid:.0f} s of training and scoring; sharing saved {saved:.0f} s of training."
    )
    drawn = nodes[:MAX_SHOWN]
    if len(drawn) < len(nodes):
        caption += f" The plot shows {len(drawn)} of {len(nodes)} stages, those with the most trials first."
    return Plot(
        name="stages",
        title=title,
        caption=caption,
        svg=_draw(drawn, families=families).svg(title=title, description=caption),
        headings=("stage", "phase", "family", "steps", "seconds", "trials", "seconds saved"),
        rows=tuple(
            (
                "- " * depth + node.made.key[:12],
                node.made.phase,
                families.get(node.made.trial, "-"),
                str(node.steps),
                f"{node.seconds:.1f}",
                str(len(node.trials)),
                f"{node.saved:.1f}",
            )
            for node, depth in nodes
        ),
    )


def _walk(level: dict[str, Node], *, depth: int) -> Iterator[tuple[Node, int]]:
    """Yield each node and its depth, depth first, the nodes with the most trials first."""
    for node in sorted(level.values(), key=lambda node: (-len(node.trials), node.made.trial)):
        yield node, depth
        yield from _walk(node.children, depth=depth + 1)


def _is_shown(node: Node) -> bool:
    return node.made.phase != "target" or len(node.trials) > 1


def _draw(nodes: Sequence[tuple[Node, int]], *, families: dict[int, str]) -> Canvas:
    bottom = 8.0 + _ROW * len(nodes)
    canvas = Canvas(height=bottom + 46)
    most = max(node.seconds + node.saved for node, _ in nodes) or 1.0
    scale = Scale(low=0.0, high=most, start=_LEFT, end=NARROW - 12)
    canvas.axis_x(scale, y=bottom, top=4, title="seconds")
    for index, (node, depth) in enumerate(nodes):
        trials = f"{len(node.trials)} trial{'s' if len(node.trials) != 1 else ''}"
        label = "- " * depth + f"{node.made.phase} {node.made.key[:6]}, {families.get(node.made.trial, '-')}, {trials}"
        ends = [node.seconds, node.seconds + max(0.0, node.saved)]
        canvas.bar(scale, y=4.0 + _ROW * index, label=label, ends=ends, kinds=["bar", "saved"])
        words = f"{label}: {number_of(node.steps, 'step')} in {node.seconds:.1f} s, made by trial {node.made.trial}"
        if node.saved:
            words += f"; sharing saved {node.saved:.1f} s"
        canvas.area(0, 4.0 + _ROW * index, size=(NARROW, _ROW), text=words, only=f"trial={node.made.trial}")
    return canvas
