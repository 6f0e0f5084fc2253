"""Scenes that can be drawn: up to three things, each in its own quarter of the picture.

A picture shows everything about the things in it, and nothing about other things. So a statement about a visible shape
is true or false, and a statement about a shape that is not in the picture is neutral.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from trainables.miniature.inference import draw_hypothesis, topic_of
from trainables.miniature.logic import ENTAILMENT, LABELS, NEUTRAL, Knowledge
from trainables.miniature.world import COLOURS, COUNTS, SHAPES, SIZES, Statement, Thing, exists, placed, shapes_of

QUARTERS = (("left", "top"), ("right", "top"), ("left", "bottom"), ("right", "bottom"))
"""The four places, by column and row."""
GROUP_PROBABILITY = 0.25
"""Probability that a thing is a group of two to four."""
_LURE_PROBABILITY = 0.5


class Visible(NamedTuple):
    """A thing in the picture."""

    thing: Thing
    """Fully described: a single object has a size and a colour, a group has a colour."""
    quarter: tuple[str, str]
    """One of `QUARTERS`."""


Scene = tuple[Visible, ...]
"""Everything that the picture shows; shapes and quarters are distinct."""


def draw_thing(shape: str, *, rng: Random) -> Thing:
    """Draw a fully described thing of this shape."""
    colour = rng.choice(COLOURS)
    if rng.random() < GROUP_PROBABILITY:
        return Thing(shape, rng.choice(COUNTS), colour=colour)
    return Thing(shape, size=rng.choice(SIZES), colour=colour)


def draw_scene(shapes: list[str], *, rng: Random) -> Scene:
    """Draw a scene that shows exactly these shapes."""
    quarters = rng.sample(QUARTERS, len(shapes))
    return tuple(Visible(draw_thing(shape, rng=rng), quarter) for shape, quarter in zip(shapes, quarters, strict=True))


def describe(scene: Scene) -> list[Statement]:
    """Return statements about every thing in the picture and its sides; relations of things follow from them."""
    statements = [exists(visible.thing) for visible in scene]
    for visible in scene:
        if visible.thing.count == 1:
            statements += [placed(Thing(visible.thing.shape), side=side) for side in visible.quarter]
    return statements


def judge(scene: Scene, *, hypothesis: Statement) -> int | None:
    """Return the label of the hypothesis under the picture; None if it compares two things on one level."""
    visible = {seen.thing.shape for seen in scene}
    label = Knowledge(describe(scene)).judge(hypothesis)
    return None if label == NEUTRAL and visible.issuperset(shapes_of(hypothesis)) else label


def _scene_for(hypothesis: Statement, *, label: int, rng: Random) -> Scene:
    asked = list(shapes_of(hypothesis))
    others = [shape for shape in SHAPES if shape not in asked]
    rng.shuffle(others)
    shown = asked if label != NEUTRAL else asked[1:]
    shapes = (shown + others)[: rng.randint(max(2, len(shown)), 3)]
    rng.shuffle(shapes)
    scene = draw_scene(shapes, rng=rng)
    topic, value = topic_of(hypothesis)
    if topic != "colour" or (label != ENTAILMENT and rng.random() >= _LURE_PROBABILITY):
        return scene
    # The colour of the hypothesis is in the picture: on its own thing or, as a lure, on another one.
    lured = asked[0] if label == ENTAILMENT else next(shape for shape in shapes if shape != asked[0])
    return tuple(
        seen._replace(thing=seen.thing._replace(colour=str(value))) if seen.thing.shape == lured else seen
        for seen in scene
    )


def draw_items(rng: Random) -> Iterator[tuple[Scene, Statement, int]]:
    """Yield scenes with a hypothesis and its label; the hypothesis is drawn first, then, independently, the label."""
    while True:
        hypothesis, label = draw_hypothesis(rng), rng.randrange(len(LABELS))
        scene = _scene_for(hypothesis, label=label, rng=rng)
        while judge(scene, hypothesis=hypothesis) != label:
            scene = _scene_for(hypothesis, label=label, rng=rng)
        yield scene, hypothesis, label
