"""The stage tree: what trials start from, what it cost, and what was saved because they found it made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from search.record import StageRow
from search.report.drawing import NARROW, Canvas, Plot, Scale

MOST_SHOWN = 14
"""Stages that are drawn; the numbers below have all."""

_LEFT, _ROW = 8, 38


@dataclass(slots=True, kw_only=True)
class Node:
    """A training stage, and what was trained from it."""

    made: StageRow
    """As its maker recorded it."""
    trials: set[int] = field(default_factory=set[int])
    children: dict[str, Node] = field(default_factory=dict[str, "Node"])

    @property
    def steps(self) -> int:
        """Optimiser steps, with those of the trunk that it continues."""
        return self.made.steps + self.made.steps_before

    @property
    def seconds(self) -> float:
        """Time that making it took, with the trunk that it continues."""
        return self.made.seconds + self.made.seconds_before

    @property
    def saved(self) -> float:
        """Seconds that the trials which found it did not spend."""
        return (len(self.trials) - 1) * self.seconds


def stage_tree(stages: Sequence[StageRow]) -> dict[str, Node]:
    """Return the training stages that begin trials, by key, each with those that were trained from it.

    Args:
        stages: Lineages of all trials; of each its highest rung is taken, without trunks and further targets.
    """
    made: dict[str, StageRow] = {}
    lines: dict[int, list[StageRow]] = defaultdict(list)
    for stage in sorted(stages, key=lambda one: (one.trial, one.rung, one.position)):
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
    """Return the tree of the stages that trials start from, and of all that they share; None where there is none.

    Args:
        stages: Lineages of all trials.
        families: Number of a trial -> its family.
    """
    nodes = [(node, depth) for node, depth in _walk(stage_tree(stages), depth=0) if _is_shown(node)]
    if not nodes:
        return None
    saved = sum(max(0.0, node.saved) for node, _ in nodes)
    paid = sum(stage.seconds for stage in {stage.key: stage for stage in stages if not stage.reused}.values())
    alone = len({node.made.key for node, _ in _walk(stage_tree(stages), depth=0)}) - len(nodes)
    title = "Stage tree"
    caption = (
        "Dark is the time that making a stage took, light what the trials that found it saved; what was "
        f"trained from it stands below it. {alone} more belong to one trial each. All stages took "
        f"{paid:.0f} s of training and scoring; sharing saved {saved:.0f} s of training."
    )
    drawn = nodes[:MOST_SHOWN]
    if len(drawn) < len(nodes):
        caption += f" Drawn are {len(drawn)} of {len(nodes)}, those with the most trials first."
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
    """Yield nodes depth first, those with the most trials first, with their depth."""
    for node in sorted(level.values(), key=lambda one: (-len(one.trials), one.made.trial)):
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
    for place, (node, depth) in enumerate(nodes):
        trials = f"{len(node.trials)} trial{'s' if len(node.trials) != 1 else ''}"
        label = "- " * depth + f"{node.made.phase} {node.made.key[:6]}, {families.get(node.made.trial, '-')}, {trials}"
        ends = [node.seconds, node.seconds + max(0.0, node.saved)]
        canvas.bar(scale, y=4.0 + _ROW * place, label=label, ends=ends, kinds=["bar", "saved"])
    return canvas
