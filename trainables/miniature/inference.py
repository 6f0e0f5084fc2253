"""Items of natural-language inference: the hypothesis is drawn first, then the label, then a premise that fits.

So the hypothesis does not depend on the label. A premise has two sentences: the *carrier* decides the label, and a
*distractor* about another shape often repeats words of the hypothesis, so that finding a word is not enough.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import NamedTuple

from trainables.miniature.draws import seeded
from trainables.miniature.logic import CONTRADICTION, ENTAILMENT, LABELS, NEUTRAL, Knowledge
from trainables.miniature.world import (
    COLOURS,
    COUNTS,
    OPPOSITE,
    RELATIONS,
    SHAPES,
    SIDES,
    SIZES,
    Statement,
    Thing,
    another,
    coloured,
    exists,
    placed,
    related,
    shapes_of,
    sized,
)

LURE_PROBABILITY = 0.2
"""Probability that the distractor repeats the hypothesis's colour, size, count, side or relation.

Not higher: with a lure, the premise of an entailed hypothesis holds the same word twice. Then pretraining on premises
and entailed sentences can find a masked word without knowing which shape it describes."""
MODIFIER_PROBABILITY = 0.3
"""Probability that a definite phrase also has a size or colour that the hypothesis does not need."""
_TOPICS = {"colour": COLOURS, "size": SIZES, "count": COUNTS, "side": SIDES, "relation": RELATIONS}
_TOPIC_WEIGHTS = {"colour": 3, "size": 2, "count": 1.5, "side": 2, "relation": 1.5}
_SPLIT_SHARES = {"validation": range(1), "test": range(1, 2), "train": range(2, 10)}
"""Split -> the tenths of all items that belong to it."""


class Inference(NamedTuple):
    """One item, independent of language."""

    premise: tuple[Statement, ...]
    """Sentences that are true."""
    hypothesis: Statement
    """Sentence that is judged."""
    label: int
    """`ENTAILMENT`, `NEUTRAL` or `CONTRADICTION`."""

    def split(self) -> str:
        """Return the only split that can hold this premise (in either order) with this hypothesis."""
        key = repr((sorted(map(str, self.premise)), str(self.hypothesis)))
        tenth = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) % 10
        return next(split for split, share in _SPLIT_SHARES.items() if tenth in share)


def draw_topic(rng: Random) -> str:
    """Draw the topic of a sentence: colour, size, count, side or relation."""
    return rng.choices(list(_TOPIC_WEIGHTS), list(_TOPIC_WEIGHTS.values()))[0]


def modified(shape: str, *, rng: Random, without: str = "") -> Thing:
    """Return a thing of this shape, sometimes with a size or a colour, but never with the attribute `without`."""
    if rng.random() >= MODIFIER_PROBABILITY:
        return Thing(shape)
    if without == "colour" or (without != "size" and rng.random() < 0.5):  # noqa: PLR2004 - equal probabilities
        return Thing(shape, size=rng.choice(SIZES))
    return Thing(shape, colour=rng.choice(COLOURS))


def draw_hypothesis(rng: Random) -> Statement:
    """Draw a short statement on any topic; its subject and value have equal probabilities."""
    topic = draw_topic(rng)
    shape, value = rng.choice(SHAPES), rng.choice(_TOPICS[topic])
    if isinstance(value, int):
        return exists(Thing(shape, value))
    if topic == "relation":
        return related(Thing(shape), relation=value, other=Thing(another(SHAPES, than=shape, rng=rng)))
    if topic == "side":
        return placed(Thing(shape), side=value)
    if rng.random() < 0.5:  # noqa: PLR2004 - equal probabilities
        return exists(Thing(shape, colour=value) if topic == "colour" else Thing(shape, size=value))
    return coloured(Thing(shape), colour=value) if topic == "colour" else sized(Thing(shape), size=value)


def topic_of(statement: Statement) -> tuple[str, str | int]:
    """Return the topic of a hypothesis, and its value."""
    thing = statement.subject
    if statement.kind != "exists":
        return statement.kind, statement.value
    if thing.colour:
        return "colour", thing.colour
    return ("size", thing.size) if thing.size else ("count", thing.count)


def draw_sentence(shape: str, *, topic: str, value: str | int, rng: Random) -> Statement:
    """Draw a sentence that gives the shape this value, in one of several forms."""
    if isinstance(value, int):
        colour = rng.choice(COLOURS) if rng.random() < MODIFIER_PROBABILITY else ""
        return exists(Thing(shape, value, colour=colour))
    if topic == "side":
        return placed(modified(shape, rng=rng), side=value)
    if topic == "relation":
        other = modified(another(SHAPES, than=shape, rng=rng), rng=rng)
        return related(modified(shape, rng=rng), relation=value, other=other)
    return _draw_attribute(shape, topic=topic, value=value, rng=rng)


def _draw_attribute(shape: str, *, topic: str, value: str, rng: Random) -> Statement:
    thing = Thing(shape, colour=value) if topic == "colour" else Thing(shape, size=value)
    form = rng.random()
    if form < 0.4:  # noqa: PLR2004 - the forms' shares: predicate .4, "there is" .4, inside another statement .2
        subject = modified(shape, rng=rng, without=topic)
        return coloured(subject, colour=value) if topic == "colour" else sized(subject, size=value)
    if form < 0.8:  # noqa: PLR2004
        other = modified(shape, rng=rng, without=topic)
        return exists(thing._replace(size=thing.size or other.size, colour=thing.colour or other.colour))
    return placed(thing, side=rng.choice(SIDES))


def _carrier(hypothesis: Statement, *, label: int, rng: Random) -> Statement:
    topic, value = topic_of(hypothesis)
    shape = hypothesis.subject.shape
    if label == NEUTRAL:
        return _neutral_carrier(hypothesis, rng=rng)
    if hypothesis.other is not None:
        return _relation_carrier(hypothesis, label=label, rng=rng)
    if label == ENTAILMENT:
        return draw_sentence(shape, topic=topic, value=value, rng=rng)
    if isinstance(value, int):
        return draw_sentence(shape, topic=topic, value=another((1, *COUNTS), than=value, rng=rng), rng=rng)
    other = OPPOSITE[value] if topic == "side" else another([str(v) for v in _TOPICS[topic]], than=value, rng=rng)
    return draw_sentence(shape, topic=topic, value=other, rng=rng)


def _relation_carrier(hypothesis: Statement, *, label: int, rng: Random) -> Statement:
    assert hypothesis.other is not None  # noqa: S101 - otherwise a bug of xstilts
    first, second, relation = hypothesis.subject.shape, hypothesis.other.shape, hypothesis.value
    swapped = rng.random() < 0.5  # noqa: PLR2004 - equal probabilities
    if swapped:
        first, second = second, first
    if swapped != (label == CONTRADICTION):
        relation = OPPOSITE[relation]
    return related(modified(first, rng=rng), relation=relation, other=modified(second, rng=rng))


def _neutral_carrier(hypothesis: Statement, *, rng: Random) -> Statement:
    shape = hypothesis.subject.shape
    topic, _ = topic_of(hypothesis)
    if topic == "count":
        shape = another(SHAPES, than=shape, rng=rng)
    other = rng.choice([name for name in _TOPICS if name not in (topic, "count")])
    return draw_sentence(shape, topic=other, value=rng.choice(_TOPICS[other]), rng=rng)


def _distractor(hypothesis: Statement, *, carrier: Statement, rng: Random) -> Statement:
    topic, value = topic_of(hypothesis)
    taken = (*shapes_of(hypothesis), *shapes_of(carrier))
    shape = rng.choice([shape for shape in SHAPES if shape not in taken])
    if rng.random() < LURE_PROBABILITY:
        return draw_sentence(shape, topic=topic, value=value, rng=rng)
    topic = draw_topic(rng)
    return draw_sentence(shape, topic=topic, value=rng.choice(_TOPICS[topic]), rng=rng)


def _judge(premise: tuple[Statement, ...], *, hypothesis: Statement) -> int | None:
    try:
        return Knowledge(premise).judge(hypothesis)
    except ValueError:
        return None


def draw_inference(rng: Random, *, label: int | None = None) -> Inference:
    """Draw an item: hypothesis, label (unless it is given) and premise, in this order."""
    hypothesis = draw_hypothesis(rng)
    label = rng.randrange(len(LABELS)) if label is None else label
    while True:
        carrier = _carrier(hypothesis, label=label, rng=rng)
        sentences = [carrier, _distractor(hypothesis, carrier=carrier, rng=rng)]
        rng.shuffle(sentences)
        if _judge(tuple(sentences), hypothesis=hypothesis) == label:
            return Inference(tuple(sentences), hypothesis, label)


def _stream(split: str, *, rng: Random) -> Iterator[Inference]:
    seen: set[tuple[frozenset[Statement], Statement]] = set()
    while True:
        item = draw_inference(rng)
        key = (frozenset(item.premise), item.hypothesis)
        if item.split() == split and key not in seen:
            seen.add(key)
            yield item


@cache
def inferences(split: str, *, num_items: int) -> tuple[Inference, ...]:
    """Return distinct items of the split, the same number for each label (`num_items` is a multiple of three)."""
    wanted = [num_items // len(LABELS)] * len(LABELS)
    items: list[Inference] = []
    for item in _stream(split, rng=seeded(f"miniature inference {split}")):
        if wanted[item.label]:
            wanted[item.label] -= 1
            items.append(item)
        if not any(wanted):
            return tuple(items)
    raise AssertionError("the stream of items never ends")
