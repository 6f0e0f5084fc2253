"""Labels by brute force: every small world is built, and the hypothesis is looked up in those that fit the premise.

Independent of `trainables.miniature.logic`: it knows no facts and no closure, only whether a statement is true in a
fully known world. Attributes and places do not constrain each other, so each of them is enumerated on its own.
"""

from collections.abc import Iterable, Iterator
from itertools import product

from trainables.miniature.world import COLOURS, SIZES, Statement, Thing, shapes_of

Value = str | int
World = dict[str, Value]
COORDINATES = (-3, -2, -1, 0, 1, 2, 3)
DOMAINS: dict[str, tuple[Value, ...]] = {
    "count": (0, 1, 2, 3, 4),
    "colour": COLOURS,
    "size": SIZES,
    "x": COORDINATES,
    "y": COORDINATES,
}


def _thing_holds(thing: Thing, *, aspect: str, world: World) -> bool:
    asserted: dict[str, Value] = {"count": thing.count, "colour": thing.colour, "size": thing.size}
    value = asserted.get(aspect)
    return not value or world[thing.shape] == value


def _holds(statement: Statement, *, aspect: str, world: World) -> bool:
    things = filter(None, (statement.subject, statement.other))
    if not all(_thing_holds(thing, aspect=aspect, world=world) for thing in things):
        return False
    if statement.kind == aspect:
        return world[statement.subject.shape] == statement.value
    here = world[statement.subject.shape]
    there = 0 if statement.other is None else world[statement.other.shape]
    assert isinstance(here, int) or aspect not in ("x", "y")
    match aspect, statement.value:
        case ("x", "left" | "left_of") | ("y", "top" | "above"):
            return here < there  # type: ignore[operator]
        case ("x", "right" | "right_of") | ("y", "bottom" | "below"):
            return here > there  # type: ignore[operator]
        case _:
            return True


def _worlds(shapes: list[str], *, aspect: str) -> Iterator[World]:
    for values in product(DOMAINS[aspect], repeat=len(shapes)):
        yield dict(zip(shapes, values, strict=True))


def label_by_enumeration(premise: Iterable[Statement], *, hypothesis: Statement) -> int:
    """0 if the hypothesis holds in every world of the premise, 2 if it holds in none, else 1."""
    statements = list(premise)
    shapes = sorted({shape for statement in [*statements, hypothesis] for shape in shapes_of(statement)})
    always, sometimes = True, True
    for aspect in DOMAINS:
        possible = [
            world
            for world in _worlds(shapes, aspect=aspect)
            if all(_holds(statement, aspect=aspect, world=world) for statement in statements)
        ]
        outcomes = {_holds(hypothesis, aspect=aspect, world=world) for world in possible}
        always = always and outcomes == {True}
        sometimes = sometimes and True in outcomes
    return 0 if always else 1 if sometimes else 2
