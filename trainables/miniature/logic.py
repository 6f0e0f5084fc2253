"""Computes the label of a hypothesis under a premise, by exact rules.

A statement is a set of facts. Attribute facts give (attribute, shape) one value. Place facts are a strict partial order
on each axis over the shapes and the scene's middle: "on the left" is "before the middle" on the horizontal axis. A
place fact is entailed when the transitive closure holds it, and contradicted when the closure holds its reverse.
"""

from collections.abc import Iterable
from typing import NamedTuple

from trainables.miniature.world import Statement, Thing

ENTAILMENT, NEUTRAL, CONTRADICTION = 0, 1, 2
LABELS = ("entailment", "neutral", "contradiction")

_MIDDLE = "middle"
_AXIS = {
    "left": "x",
    "right": "x",
    "top": "y",
    "bottom": "y",
    "left_of": "x",
    "right_of": "x",
    "above": "y",
    "below": "y",
}
_COMES_FIRST = frozenset(("left", "top", "left_of", "above"))


class Attribute(NamedTuple):
    """The fact that a shape's attribute has a value."""

    name: str
    """`count`, `size` or `colour`."""
    shape: str
    """The shape with the attribute."""
    value: str
    """The value; a count is written in digits."""


class Before(NamedTuple):
    """The fact that one point comes before another on an axis, from the left or from the top."""

    axis: str
    """`x` or `y`."""
    first: str
    """A shape, or the middle of the scene."""
    second: str
    """A shape, or the middle of the scene."""


Fact = Attribute | Before


def _thing_facts(thing: Thing) -> list[Fact]:
    facts: list[Fact] = [Attribute("count", thing.shape, str(thing.count))]
    if thing.size:
        facts.append(Attribute("size", thing.shape, thing.size))
    if thing.colour:
        facts.append(Attribute("colour", thing.shape, thing.colour))
    return facts


def facts_of(statement: Statement) -> list[Fact]:
    """Return every fact of a statement, in a fixed order."""
    facts = _thing_facts(statement.subject)
    shape, value = statement.subject.shape, statement.value
    if statement.other is not None:
        facts += _thing_facts(statement.other)
    if statement.kind in ("colour", "size"):
        facts.append(Attribute(statement.kind, shape, value))
    if statement.kind in ("side", "relation"):
        second = _MIDDLE if statement.other is None else statement.other.shape
        pair = (shape, second) if value in _COMES_FIRST else (second, shape)
        facts.append(Before(_AXIS[value], *pair))
    return facts


def _close(orders: set[Before]) -> set[Before]:
    closed = set(orders)
    while True:
        new = {
            Before(a.axis, a.first, b.second)
            for a in closed
            for b in closed
            if a.axis == b.axis and a.second == b.first
        } - closed
        if not new:
            return closed
        closed |= new


class Knowledge:
    """The facts of a set of statements, which decide whether other statements are true."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        """Add the statements.

        Raises:
            ValueError: The statements contradict each other.
        """
        self._values: dict[tuple[str, str], str] = {}
        orders: set[Before] = set()
        for fact in (fact for statement in statements for fact in facts_of(statement)):
            if isinstance(fact, Before):
                orders.add(fact)
            elif self._values.setdefault((fact.name, fact.shape), fact.value) != fact.value:
                raise ValueError(f"the statements give {fact.shape} two values of {fact.name}")
        self._orders = _close(orders) if len(orders) > 1 else orders
        if any(order.first == order.second for order in self._orders):
            raise ValueError("the statements order the things in a circle")

    def judge(self, hypothesis: Statement) -> int:
        """Return `ENTAILMENT`, `NEUTRAL` or `CONTRADICTION`."""
        return max(self._judge_fact(fact) for fact in facts_of(hypothesis))

    def _judge_fact(self, fact: Fact) -> int:
        if isinstance(fact, Before):
            if fact in self._orders:
                return ENTAILMENT
            return CONTRADICTION if Before(fact.axis, fact.second, fact.first) in self._orders else NEUTRAL
        known = self._values.get((fact.name, fact.shape))
        if known is None:
            return NEUTRAL
        return ENTAILMENT if known == fact.value else CONTRADICTION
