"""The content of the miniature: things, and statements about them.

Two rules hold in every scene and are part of the meaning of each sentence:

* one object per shape: a scene has at most one star, or one group of stars; so "the star is white" contradicts "there
  is a black star", and "there are three stars" contradicts "the star is red";
* a description is partial: what it does not mention may or may not be there.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, TypeVar

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = ("red", "green", "blue", "yellow", "black", "white")
SIZES = ("big", "small")
COUNTS = (2, 3, 4)
SIDES = ("left", "right", "top", "bottom")
RELATIONS = ("left_of", "right_of", "above", "below")
KINDS = ("exists", "colour", "size", "side", "relation")
OPPOSITE = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "left_of": "right_of",
    "right_of": "left_of",
    "above": "below",
    "below": "above",
}

_Value = TypeVar("_Value")


class Thing(NamedTuple):
    """One object, or one group of equal objects, with the properties that a noun phrase names."""

    shape: str
    """One of `SHAPES`."""
    count: int = 1  # pyright: ignore[reportIncompatibleMethodOverride]  (the tuple's `count` is not used)
    """1 for a single object, or one of `COUNTS`; a group carries no size."""
    size: str = ""
    """One of `SIZES`, or empty if it is not named."""
    colour: str = ""
    """One of `COLOURS`, or empty if it is not named."""


class Statement(NamedTuple):
    """One sentence, independent of language; equal statements have equal texts in every language."""

    kind: str
    """One of `KINDS`."""
    subject: Thing
    """What the sentence is about."""
    value: str = ""
    """The colour, size, side or relation that the sentence gives; empty for `exists`."""
    other: Thing | None = None
    """The second thing of a relation."""


def exists(thing: Thing) -> Statement:
    """The statement "there is a red star" or "there are three stars"."""
    return Statement("exists", thing)


def coloured(thing: Thing, *, colour: str) -> Statement:
    """The statement "the star is red"."""
    return Statement("colour", thing, colour)


def sized(thing: Thing, *, size: str) -> Statement:
    """The statement "the star is big"."""
    return Statement("size", thing, size)


def placed(thing: Thing, *, side: str) -> Statement:
    """The statement "the star is on the left", which is seen from the middle of the scene."""
    return Statement("side", thing, side)


def related(thing: Thing, *, relation: str, other: Thing) -> Statement:
    """The statement "the star is to the left of the circle"."""
    return Statement("relation", thing, relation, other)


def another(values: Sequence[_Value], *, than: _Value, rng: Random) -> _Value:
    """Draw one of `values` that differs from `than`, with equal probabilities."""
    return rng.choice([value for value in values if value != than])


def shapes_of(statement: Statement) -> tuple[str, ...]:
    """Return the shapes in the statement, in order."""
    first = statement.subject.shape
    return (first,) if statement.other is None else (first, statement.other.shape)
