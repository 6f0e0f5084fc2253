"""Pretraining texts: the same meaning in two languages, and a premise with an entailed sentence. No labels.

The rows are in training order: first pairs of single sentences, then pairs with several sentences.
"""

from collections.abc import Iterator
from functools import cache
from random import Random

from trainables.miniature.draws import seeded
from trainables.miniature.inference import (
    Inference,
    draw_hypothesis,
    draw_inference,
    draw_sentence,
    draw_topic,
    modified,
)
from trainables.miniature.languages import LANGUAGES, sentence, text
from trainables.miniature.logic import ENTAILMENT
from trainables.miniature.world import (
    COLOURS,
    COUNTS,
    RELATIONS,
    SHAPES,
    SIDES,
    SIZES,
    Statement,
    another,
    related,
)

SINGLE_SENTENCE_FRACTION = 0.3
"""Fraction of rows, at the start, that pair a single sentence with its translation."""
TRANSLATION_PROBABILITY = 0.35
"""Probability that a later row is a translation, and not a premise with an entailed sentence."""
SAME_LANGUAGE_PROBABILITY = 0.6
"""Probability that a premise and its entailed sentence have the same language, as in NLI later."""
NUM_ENTAILMENTS = {"train": 20_000, "validation": 500}
"""Distinct premises with an entailed sentence; each is written in many languages."""
_VALUES = {"colour": COLOURS, "size": SIZES, "count": COUNTS, "side": SIDES, "relation": RELATIONS}


@cache
def entailments(split: str) -> tuple[Inference, ...]:
    """Return premises with an entailed sentence, all from this split of the inference items."""
    rng = seeded(f"miniature entailments {split}")
    items: list[Inference] = []
    while len(items) < NUM_ENTAILMENTS[split]:
        item = draw_inference(rng, label=ENTAILMENT)
        if item.split() == split:
            items.append(item)
    return tuple(items)


def draw_statement(rng: Random) -> Statement:
    """Draw a sentence on any topic; half of them are as short as a hypothesis."""
    if rng.random() < 0.5:  # noqa: PLR2004 - equal probabilities
        return draw_hypothesis(rng)
    topic, shape = draw_topic(rng), rng.choice(SHAPES)
    if topic == "relation":
        other = modified(another(SHAPES, than=shape, rng=rng), rng=rng)
        return related(modified(shape, rng=rng), relation=rng.choice(RELATIONS), other=other)
    return draw_sentence(shape, topic=topic, value=rng.choice(_VALUES[topic]), rng=rng)


def _translation(statements: tuple[Statement, ...], *, rng: Random) -> tuple[str, str]:
    first, second = rng.sample(LANGUAGES, 2)
    return text(statements, language=first), text(statements, language=second)


def _entailed(item: Inference, *, rng: Random) -> tuple[str, str]:
    first = rng.choice(LANGUAGES)
    second = first if rng.random() < SAME_LANGUAGE_PROBABILITY else rng.choice(LANGUAGES)
    return text(item.premise, language=first), sentence(item.hypothesis, language=second).strip()


def pairs(split: str, *, num_rows: int) -> Iterator[tuple[str, str]]:
    """Yield the rows of `miniature_parallel`, in training order."""
    rng = seeded(f"miniature pairs {split}")
    items = entailments(split)
    num_single = int(num_rows * SINGLE_SENTENCE_FRACTION)
    for _ in range(num_single):
        yield _translation((draw_statement(rng),), rng=rng)
    for _ in range(num_rows - num_single):
        item = rng.choice(items)
        if rng.random() < TRANSLATION_PROBABILITY:
            yield _translation(item.premise, rng=rng)
        else:
            yield _entailed(item, rng=rng)


def monolingual(split: str, *, num_rows: int) -> Iterator[str]:
    """Yield the rows of `miniature_text`: one or two sentences, with the languages in rotation."""
    rng = seeded(f"miniature text {split}")
    items = entailments(split)
    for row in range(num_rows):
        language = LANGUAGES[row % len(LANGUAGES)]
        if rng.random() < 0.5:  # noqa: PLR2004 - equal probabilities
            yield sentence(draw_statement(rng), language=language).strip()
        else:
            yield text(rng.choice(items).premise, language=language)
