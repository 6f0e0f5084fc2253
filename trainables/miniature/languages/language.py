"""The definition of a language: sentence patterns, and functions that build phrases.

A pattern is written with spaces between words, also for Thai and Chinese, whose `separator` is empty: the spaces then
only mark the words for the training of the tokenizer. No sentence starts with a capital, so that a word has one form.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from trainables.miniature.world import Statement, Thing

Form = Literal["indefinite", "definite", "complement"]
"""Form of a noun phrase: introduced, known, or after a relation (with its case and preposition)."""


class Phrase(Protocol):
    """Builds the noun phrase of a thing."""

    def __call__(self, thing: Thing, *, form: Form) -> str:
        """Return the words of the phrase, with spaces between them."""
        ...


class Predicate(Protocol):
    """Builds the predicate that gives a shape a colour or a size."""

    def __call__(self, value: str, *, shape: str) -> str:
        """Return the words of the predicate, which agrees with the noun of the shape."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language of the miniature."""

    code: str
    """ISO 639-1, as XNLI writes it."""
    scripts: tuple[str, ...]
    """First words of the Unicode names of its letters."""
    exists: tuple[str, str]
    """Patterns with {thing} for one object and for a group."""
    attribute: str
    """Pattern with {thing} and {predicate}."""
    side: str
    """Pattern with {thing}, {side} and, where the verb agrees, {at}."""
    relation: str
    """Pattern with {thing}, {relation}, {other} and, where the verb agrees, {at}."""
    sides: dict[str, str]
    """Words for left, right, top and bottom of the scene."""
    relations: dict[str, str]
    """Words for the four relations."""
    phrase: Phrase
    """Its noun phrases."""
    predicate: Predicate
    """Its predicates."""
    at: dict[str, str] | None = None
    """The locative verb for each shape, in languages where it agrees with the noun."""
    separator: str = " "
    """Text between words and between sentences."""
    stop: str = "."
    """Full stop of a sentence."""

    def words(self, statement: Statement) -> list[str]:
        """Return the words of the statement, without the full stop."""
        thing, other = statement.subject, statement.other
        if statement.kind == "exists":
            return self.exists[thing.count > 1].format(thing=self.phrase(thing, form="indefinite")).split()
        subject = self.phrase(thing, form="definite")
        if statement.kind in ("colour", "size"):
            predicate = self.predicate(statement.value, shape=thing.shape)
            return self.attribute.format(thing=subject, predicate=predicate).split()
        at = self.at[thing.shape] if self.at else ""
        if other is None:
            return self.side.format(thing=subject, at=at, side=self.sides[statement.value]).split()
        complement = self.phrase(other, form="complement")
        relation = self.relations[statement.value]
        return self.relation.format(thing=subject, at=at, relation=relation, other=complement).split()
