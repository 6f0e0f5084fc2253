"""The miniature's data sets as columns, in the form that the catalogue's tasks read.

A row depends only on the task, the split and the row's number: it is the same in each process and on each machine. No
two splits share what decides a row (premise and hypothesis, context and question, scene and caption).
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any, TypeVar

from PIL import Image

from trainables.miniature.draws import seeded
from trainables.miniature.images import render
from trainables.miniature.inference import inferences
from trainables.miniature.languages import LANGUAGES, sentence, text
from trainables.miniature.parallel import monolingual, pairs
from trainables.miniature.questions import choices, span_questions
from trainables.miniature.scenes import Scene, draw_items, draw_scene
from trainables.miniature.world import SHAPES, Statement, exists, related

__all__ = ["LANGUAGES", "NUM_ROWS", "rows"]

Columns = dict[str, list[Any]]
"""Column name -> values. Any: depending on the task, a column holds texts, numbers, lists or images."""
NUM_ROWS: dict[str, dict[str, int]] = {
    "miniature_nli": {"train": 21_000, "validation": 600, "test": 600},
    "miniature_qa": {"train": 6_000, "validation": 600},
    "miniature_choice": {"train": 6_000, "validation": 600},
    "miniature_entailment": {"train": 9_000, "validation": 600},
    "miniature_retrieval": {"train": 6_000, "validation": 600},
    "miniature_distillation": {"train": 6_000, "validation": 600},
    "miniature_parallel": {"train": 448_000, "validation": 1_500},
    "miniature_text": {"train": 30_000, "validation": 1_500},
}
"""Number of rows of each split of each task; the rows of NLI are the same items in every language."""
MULTILINGUAL = ("miniature_nli", "miniature_entailment", "miniature_retrieval")
"""Tasks whose rows are the same items in every language; pictures are the same files."""
_SPLITS = {"validation": range(1), "train": range(1, 10)}
_Item = TypeVar("_Item")


def rows(task: str, *, split: str, language: str = "en") -> Columns:
    """Return the columns of a split.

    Args:
        task: one of the names in `NUM_ROWS`.
        split: `train` or `validation`, and `test` for `miniature_nli`.
        language: one of `LANGUAGES`; only the tasks of `MULTILINGUAL` have others than English.

    Returns:
        The columns, all of the same length; the caller can change them.

    Raises:
        ValueError: The miniature does not have the task, split or language.
    """
    if task not in NUM_ROWS:
        raise ValueError(f"the miniature has no task {task!r}; it has {', '.join(NUM_ROWS)}")
    if split not in NUM_ROWS[task]:
        raise ValueError(f"{task} has no split {split!r}; it has {', '.join(NUM_ROWS[task])}")
    if language != "en" and task not in MULTILINGUAL:
        known = ", ".join(MULTILINGUAL)
        raise ValueError(f"{task} has no rows in {language!r}; only {known} have other languages than English")
    num_rows = NUM_ROWS[task][split]
    if task in MULTILINGUAL:
        return _OF_LANGUAGES[task](split, num_rows=num_rows, language=language)
    return _BUILDERS[task](split, num_rows=num_rows)


def _nli(split: str, *, language: str, num_rows: int) -> Columns:
    items = inferences(split, num_items=num_rows)
    return {
        "premise": [text(item.premise, language=language) for item in items],
        "hypothesis": [text([item.hypothesis], language=language) for item in items],
        "label": [item.label for item in items],
    }


def _distinct(items: Iterable[tuple[str, _Item]], *, split: str, num_rows: int) -> list[_Item]:
    """Return the first items with a new key that belongs to the split."""

    def belonging() -> Iterator[_Item]:
        seen: set[str] = set()
        for key, item in items:
            tenth = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) % 10
            if key not in seen and tenth in _SPLITS[split]:
                seen.add(key)
                yield item

    return list(islice(belonging(), num_rows))


def _qa(split: str, *, num_rows: int) -> Columns:
    keyed = ((f"{item.context} {item.question}", item) for item in span_questions(split))
    items = _distinct(keyed, split=split, num_rows=num_rows)
    return {
        "context": [item.context for item in items],
        "question": [item.question for item in items],
        "answers": [{"text": [item.answer], "answer_start": [item.answer_start]} for item in items],
    }


def _choice(split: str, *, num_rows: int) -> Columns:
    keyed = ((item.question, item) for item in choices(split))
    items = _distinct(keyed, split=split, num_rows=num_rows)
    return {
        "question": [item.question for item in items],
        "choices": [list(item.choices) for item in items],
        "label": [item.label for item in items],
    }


def _pictures(task: str, *, split: str, scenes: Iterable[Scene]) -> list[Image.Image]:
    return [render(scene, rng=seeded(f"{task} {split} {row}")) for scene, row in zip(scenes, count(), strict=False)]


def _entailment(split: str, *, num_rows: int, language: str) -> Columns:
    rng = seeded(f"miniature entailment {split}")
    keyed = ((f"{sorted(map(str, item[0]))} {item[1]}", item) for item in draw_items(rng))
    items = _distinct(keyed, split=split, num_rows=num_rows)
    return {
        "image": _pictures("miniature_entailment", split=split, scenes=(scene for scene, *_ in items)),
        "hypothesis": [sentence(hypothesis, language=language) for _, hypothesis, _ in items],
        "label": [label for *_, label in items],
    }


def caption(scene: Scene) -> list[Statement]:
    """Return statements that distinguish a scene of two things: the things or, if both are single, their relation."""
    first, second = scene
    if first.thing.count > 1 or second.thing.count > 1:
        return [exists(first.thing), exists(second.thing)]
    if first.quarter[0] != second.quarter[0]:
        relation = "left_of" if first.quarter[0] == "left" else "right_of"
    else:
        relation = "above" if first.quarter[1] == "top" else "below"
    return [related(first.thing, relation=relation, other=second.thing)]


def _captioned(split: str) -> Iterator[tuple[str, Scene]]:
    rng = seeded(f"miniature retrieval {split}")
    while True:
        scene = draw_scene(rng.sample(SHAPES, 2), rng=rng)
        yield text(caption(scene), language="en"), scene


def _retrieval(split: str, *, num_rows: int, language: str) -> Columns:
    # Captions differ in English, so that the pictures are the same in every language.
    items = _distinct(_captioned(split), split=split, num_rows=num_rows)
    return {
        "image": _pictures("miniature_retrieval", split=split, scenes=items),
        "caption": [text(caption(scene), language=language) for scene in items],
    }


def _distillation(split: str, *, num_rows: int) -> Columns:
    scenes = _distinct(_captioned(split), split=split, num_rows=num_rows)
    return {
        "text": [text(caption(scene), language="en") for scene in scenes],
        "translation": [
            text(caption(scene), language=LANGUAGES[row % len(LANGUAGES)]) for row, scene in enumerate(scenes)
        ],
    }


def _parallel(split: str, *, num_rows: int) -> Columns:
    found = list(pairs(split, num_rows=num_rows))
    return {"text": [first for first, _ in found], "text_pair": [second for _, second in found]}


def _text(split: str, *, num_rows: int) -> Columns:
    return {"text": list(monolingual(split, num_rows=num_rows))}


_BUILDERS = {
    "miniature_qa": _qa,
    "miniature_choice": _choice,
    "miniature_distillation": _distillation,
    "miniature_parallel": _parallel,
    "miniature_text": _text,
}
_OF_LANGUAGES = {"miniature_nli": _nli, "miniature_entailment": _entailment, "miniature_retrieval": _retrieval}
