"""Computes what guessing scores: for each kind of task, guesses that need no model, on the dev items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trainables.tasks.metrics.squad_f1 import best_exact_match, best_f1

if TYPE_CHECKING:
    from trainables.data.encoded_split import EncodedTask

NUM_DRAWS = 20
"""Random spans drawn for each question; their mean F1 counts."""

MOST_WORDS = 4
"""Longest random span, in words; SQuAD's answers have three on average."""


class Guess(NamedTuple):
    """A way to guess, and what it scores."""

    name: str
    score: float


def best_guess(task: EncodedTask) -> Guess:
    """Return the best of the guesses for a task's kind, scored on all of its examples."""
    return max(_GUESSES[task.spec.kind](task), key=lambda guess: guess.score)


def _majority_class(task: EncodedTask) -> list[Guess]:
    labels = Counter(int(label) for label in task.columns["label"])
    return [Guess("majority class", max(labels.values()) / labels.total())]


def _majority_choice(task: EncodedTask) -> list[Guess]:
    num_choices = len(task.columns["choice_lengths"][0])
    return [Guess("one of the choices", 1 / num_choices), Guess("most frequent place", _majority_class(task)[0].score)]


def _majority_tag(task: EncodedTask) -> list[Guess]:
    tags = Counter(int(tag) for tags in task.columns["tags"] for tag in tags if tag >= 0)
    return [Guess("most frequent tag", max(tags.values()) / tags.total())]


def _own_image(task: EncodedTask) -> list[Guess]:
    from trainables.tasks.kinds.image_text_retrieval import NUM_CANDIDATES

    return [Guess("one of the images", 1 / min(NUM_CANDIDATES, len(task)))]


def _any_candidate(task: EncodedTask) -> list[Guess]:
    from trainables.tasks.kinds.text_retrieval import Pool

    return [Guess("one of the sentences", 1 / len(Pool.of(task.columns).candidates))]


def _frequent_token(task: EncodedTask) -> list[Guess]:
    tokens = Counter(int(token) for ids in task.columns["input_ids"] for token in ids[1:-1])
    return [Guess("most frequent token", max(tokens.values()) / tokens.total())]


def _spans(task: EncodedTask) -> list[Guess]:
    metric = best_exact_match if task.spec.metric == "exact_match" else best_f1
    measure = partial(metric, unanswerable=task.spec.unanswerable)
    columns, draw = task.columns, np.random.default_rng(0)
    windows = {int(row): number for number, row in reversed(list(enumerate(columns["row"])))}  # each question's first
    texts = [(columns["text"][number], list(columns["answers"][number])) for number in windows.values()]
    whole = np.mean([measure(text, answers=answers) for text, answers in texts])
    random = np.mean(
        [measure(_random_span(text, draw), answers=answers) for text, answers in texts for _ in range(NUM_DRAWS)]
    )
    silence = np.mean([measure("", answers=answers) for _, answers in texts])
    return [
        Guess("whole context", float(whole)),
        Guess("random span", float(random)),
        Guess("no answer", float(silence)),
    ]


def _random_span(text: str, draw: np.random.Generator) -> str:
    words = text.split() or [""]
    first = draw.integers(len(words))
    return " ".join(words[first : first + draw.integers(1, MOST_WORDS + 1)])


_GUESSES: dict[str, Callable[[EncodedTask], list[Guess]]] = {
    "sentence_pair": _majority_class,
    "multiple_choice": _majority_choice,
    "span_qa": _spans,
    "tagging": _majority_tag,
    "image_classification": _majority_class,
    "image_text_retrieval": _own_image,
    "masked_lm": _frequent_token,
    "text_retrieval": _any_candidate,
}
