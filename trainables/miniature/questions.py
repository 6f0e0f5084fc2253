"""English questions about a text: span answers, and one true sentence among four."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from trainables.miniature.draws import seeded
from trainables.miniature.inference import draw_sentence, draw_topic
from trainables.miniature.languages import sentence, text
from trainables.miniature.logic import ENTAILMENT, Knowledge
from trainables.miniature.world import (
    COLOURS,
    COUNTS,
    OPPOSITE,
    SHAPES,
    SIDES,
    SIZES,
    Statement,
    Thing,
    another,
    coloured,
    placed,
    related,
    sized,
)

NUM_CHOICES = 4
"""Number of sentences to choose from."""
_NUM_SENTENCES = 3
_WHERE = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
_RELATIONS = {"left_of": "to the left of", "right_of": "to the right of", "above": "above", "below": "below"}
_NUMBERS = {2: "two", 3: "three", 4: "four"}
_PLURALS = {shape: "crosses" if shape == "cross" else f"{shape}s" for shape in SHAPES}
_ATTRIBUTES = {"colour": COLOURS, "size": SIZES, "side": SIDES, "count": COUNTS}


class SpanQuestion(NamedTuple):
    """A question whose answer is a span of the context."""

    context: str
    """Three sentences."""
    question: str
    """The question, with a question mark."""
    answer: str
    """The span."""
    answer_start: int
    """Offset of the span in the context, in characters."""


class Choice(NamedTuple):
    """A text with four sentences, of which one is true."""

    question: str
    """The text."""
    choices: tuple[str, ...]
    """Four sentences."""
    label: int
    """Index of the one that the text entails."""


def _draw_relation(shapes: list[str], *, rng: Random) -> Statement:
    relation = rng.choice(list(_RELATIONS))
    return related(Thing(shapes[0]), relation=relation, other=Thing(shapes[1]))


def _question(topic: str, *, shape: str, value: str | int) -> tuple[str, str]:
    """Return the question about a shape, and its answer."""
    if isinstance(value, int):
        return f"how many {_PLURALS[shape]} are there?", _NUMBERS[value]
    if topic == "side":
        return f"where is the {shape}?", _WHERE[value]
    return f"what {topic} is the {shape}?", value


def _draw_span_question(rng: Random) -> SpanQuestion:
    shapes = rng.sample(SHAPES, _NUM_SENTENCES + 1)
    topic = draw_topic(rng)
    if topic == "relation":
        asked = _draw_relation([shapes[0], shapes[3]], rng=rng)
        question, answer = f"what is {_RELATIONS[asked.value]} the {shapes[3]}?", shapes[0]
    else:
        value = rng.choice(_ATTRIBUTES[topic])
        asked = draw_sentence(shapes[0], topic=topic, value=value, rng=rng)
        question, answer = _question(topic, shape=shapes[0], value=value)
    others = [_other_sentence(shape, topic=topic, rng=rng) for shape in shapes[1:_NUM_SENTENCES]]
    statements = [asked, *others]
    rng.shuffle(statements)
    context = text(statements, language="en")
    answering = sentence(asked, language="en")
    start = context.index(answering) + f" {answering}".index(f" {answer}")
    return SpanQuestion(context, question, answer, start)


def _other_sentence(shape: str, *, topic: str, rng: Random) -> Statement:
    """Draw a sentence about another shape, in half of the cases on the topic of the question."""
    other = topic if topic in _ATTRIBUTES and rng.random() < 0.5 else rng.choice(list(_ATTRIBUTES))  # noqa: PLR2004
    return draw_sentence(shape, topic=other, value=rng.choice(_ATTRIBUTES[other]), rng=rng)


def span_questions(split: str) -> Iterator[SpanQuestion]:
    """Yield questions of this split, without end."""
    rng = seeded(f"miniature questions {split}")
    while True:
        yield _draw_span_question(rng)


def _false_variants(shape: str, *, topic: str, value: str, shapes: list[str], rng: Random) -> list[Statement]:
    """Return sentences similar to the true one: its shape with other values, and its value with other shapes."""
    values = [OPPOSITE[value]] if topic == "side" else [v for v in map(str, _ATTRIBUTES[topic]) if v != value]
    variants = [_say(shape, topic=topic, value=other) for other in values]
    variants += [_say(other, topic=topic, value=value) for other in shapes]
    rng.shuffle(variants)
    return variants


def _say(shape: str, *, topic: str, value: str) -> Statement:
    if topic == "side":
        return placed(Thing(shape), side=value)
    return coloured(Thing(shape), colour=value) if topic == "colour" else sized(Thing(shape), size=value)


def _draw_choice(rng: Random) -> Choice:
    shape, second = rng.sample(SHAPES, 2)
    topic = rng.choice(("colour", "size", "side"))
    value = rng.choice([str(v) for v in _ATTRIBUTES[topic]])
    other = OPPOSITE[value] if topic == "side" else another([str(v) for v in _ATTRIBUTES[topic]], than=value, rng=rng)
    premise = [
        draw_sentence(shape, topic=topic, value=value, rng=rng),
        draw_sentence(second, topic=topic, value=other, rng=rng),
    ]
    rng.shuffle(premise)
    knowledge = Knowledge(premise)
    candidates = _false_variants(shape, topic=topic, value=value, shapes=[s for s in SHAPES if s != shape], rng=rng)
    false = [candidate for candidate in candidates if knowledge.judge(candidate) != ENTAILMENT]
    statements = [_say(shape, topic=topic, value=value), *false[: NUM_CHOICES - 1]]
    order = rng.sample(range(NUM_CHOICES), NUM_CHOICES)
    choices = tuple(sentence(statements[index], language="en") for index in order)
    return Choice(text(premise, language="en"), choices, order.index(0))


def choices(split: str) -> Iterator[Choice]:
    """Yield multiple-choice items of this split, without end."""
    rng = seeded(f"miniature choices {split}")
    while True:
        yield _draw_choice(rng)
