"""Turns a head's outputs into the items of an evaluation.

An item is one unit of the task: a pair, a question, a sentence, a query. Scores are computed only from items, so a file
of items is enough to compute them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # Any: outputs are the head's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.encoded_split import EncodedTask
from trainables.evaluation.item_units import item_ids, paragraph_units, premise_units
from trainables.tasks.kinds.span_qa import answers_given
from trainables.tasks.kinds.tagging import tagged_sentences
from trainables.tasks.kinds.text_retrieval import Pool
from trainables.tasks.metrics.nearest import Neighbours, Similarity, best_f1, mine, nearest
from trainables.tasks.spec import TaskSpec

Outputs = Mapping[str, NDArray[Any]]
"""A head's outputs over a split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item: the right answer, the prediction, and the prediction's scores."""

    item: str
    """The source's id if the task has a column `id`, else the row's number in the source's split."""
    gold: list[str]
    """The class; every accepted answer; the words' tags; the ids of every right candidate."""
    prediction: list[str]
    """The class; the answer; the words' tags; the ids of the nearest candidates, the nearest first."""
    scores: list[float]
    """Logits of the classes; margin of the answer over "no answer"; empty; similarity of each predicted candidate."""
    unit: str = ""
    """The first item with the same premise or paragraph: such items were not drawn independently. Empty: not known."""


def items_of(task: EncodedTask, *, outputs: Outputs, similarity: Similarity = "cosine") -> list[Item]:
    """Return the items of an encoded split, in the source's order.

    Args:
        task: The encoded split.
        outputs: The head's outputs for its examples.
        similarity: Similarity of vectors for retrieval.
    """
    if task.spec.is_retrieval:
        return _found(task, vectors_BD=outputs["vectors"], similarity=similarity)
    makers: dict[str, Callable[[EncodedTask, Outputs], list[Item]]] = {
        "span_qa": _spans,
        "tagging": _tags,
        "image_text_retrieval": _images,
    }
    return makers.get(task.spec.kind, _classes)(task, outputs)


def _classes(task: EncodedTask, outputs: Outputs) -> list[Item]:
    logits_BL, ids = outputs["logits"], item_ids(task)
    units = premise_units(task)
    return [
        Item(
            item=ids[int(row)],
            gold=[_name(task.spec, int(label))],
            prediction=[_name(task.spec, int(logits_L.argmax()))],
            scores=[float(logit) for logit in logits_L],
            unit=units.get(int(row), ""),
        )
        for row, label, logits_L in zip(task.columns["row"], task.columns["label"], logits_BL, strict=True)
    ]


def _name(spec: TaskSpec, number: int) -> str:
    return spec.labels[number] if spec.labels else str(number)


def _spans(task: EncodedTask, outputs: Outputs) -> list[Item]:
    ids, units = item_ids(task), paragraph_units(task)
    answers = answers_given(outputs, task.columns, unanswerable=task.spec.unanswerable)
    return [
        Item(
            item=ids[answer.row],
            gold=answer.accepted,
            prediction=[answer.text],
            scores=[-answer.no_answer_margin],
            unit=units[answer.row],
        )
        for answer in answers
    ]


def _tags(task: EncodedTask, outputs: Outputs) -> list[Item]:
    ids = item_ids(task)
    sentences = tagged_sentences(outputs, task.columns, labels=task.spec.labels)
    return [Item(item=ids[each.row], gold=each.gold, prediction=each.predicted, scores=[]) for each in sentences]


def english_captions_of(
    task: EncodedTask, english: EncodedTask, *, texts_QD: NDArray[Any], texts_CD: NDArray[Any]
) -> list[Item]:
    """Return the items of captions that search the English captions of the same images.

    Args:
        task: The captions of a language.
        english: Those in English; a caption and the English one of its image have the same id.
        texts_QD: Vectors of the captions.
        texts_CD: Vectors of the English captions.
    """
    return _ranked(_ids(task), _ids(english), near=nearest(texts_QD, candidates_CD=texts_CD, kind="cosine"))


def _images(task: EncodedTask, outputs: Outputs) -> list[Item]:
    """Return the items of captions that search the images of the whole split; an image has the id of its caption."""
    ids = _ids(task)
    return _ranked(ids, ids, near=nearest(outputs["texts"], candidates_CD=outputs["images"], kind="cosine"))


def _ids(task: EncodedTask) -> list[str]:
    ids = item_ids(task)
    return [ids[int(row)] for row in task.columns["row"]]


def _ranked(queries: Sequence[str], candidates: Sequence[str], *, near: Neighbours) -> list[Item]:
    known = set(candidates)
    return [
        Item(
            item=name,
            gold=[name] if name in known else [],
            prediction=[candidates[int(number)] for number in numbers],
            scores=scores,
        )
        for name, numbers, scores in zip(queries, near.numbers_QK.tolist(), near.scores_QK.tolist(), strict=True)
    ]


def _found(task: EncodedTask, *, vectors_BD: NDArray[Any], similarity: Similarity) -> list[Item]:
    pool, ids = Pool.of(task.columns), item_ids(task)
    names_C = [ids[int(task.columns["row"][number])] for number in pool.candidates]
    find = _mined if task.spec.metric == "mining_f1" else _nearest
    found = find(pool, task, vectors_BD=vectors_BD, similarity=similarity)
    return [
        Item(
            item=ids[int(task.columns["row"][number])],
            gold=[names_C[candidate] for candidate in pool.right[query]],
            prediction=[names_C[candidate] for candidate, _ in found[query]],
            scores=[score for _, score in found[query]],
        )
        for query, number in enumerate(pool.queries)
    ]


Found = Sequence[Sequence[tuple[int, float]]]
"""For each query, the numbers of its candidates and their similarities, the nearest first."""


def _nearest(pool: Pool, task: EncodedTask, *, vectors_BD: NDArray[Any], similarity: Similarity) -> Found:
    del task
    near = nearest(vectors_BD[pool.queries], candidates_CD=vectors_BD[pool.candidates], kind=similarity)
    rows = zip(near.numbers_QK.tolist(), near.scores_QK.tolist(), strict=True)
    return [list(zip(numbers, scores, strict=True)) for numbers, scores in rows]


def _mined(pool: Pool, task: EncodedTask, *, vectors_BD: NDArray[Any], similarity: Similarity) -> Found:
    """Return each query's mined candidate, or nothing, at the threshold of the best F1.

    As XTREME's script does, equal texts of a side are one text for mining, and pairs with a repeated text are left out.
    Here, texts are equal that have the same tokens.
    """
    queries, candidates = (_distinct(task, numbers) for numbers in (pool.queries, pool.candidates))
    vectors = (vectors_BD[pool.queries[queries.first]], vectors_BD[pool.candidates[candidates.first]])
    mined = mine(vectors[0], candidates_CD=vectors[1], kind=similarity)
    pairs = [
        (int(queries.first[pair.query]), int(candidates.first[pair.candidate]), pair.score)
        for pair in mined
        if queries.is_single[pair.query] and candidates.is_single[pair.candidate]
    ]
    right = [candidate in pool.right[query] for query, candidate, _ in pairs]
    _, num_kept = best_f1(right, num_gold=sum(map(len, pool.right)))
    kept: list[list[tuple[int, float]]] = [[] for _ in pool.queries]
    for query, candidate, score in pairs[:num_kept]:
        kept[query].append((candidate, score))
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distinct:
    """The distinct texts of one side of a pool."""

    first: NDArray[np.int64]
    """For each distinct text, its first number on this side."""
    is_single: list[bool]
    """Whether the text stands once."""


def _distinct(task: EncodedTask, numbers: NDArray[np.int64]) -> _Distinct:
    found: dict[tuple[int, ...], list[int]] = {}
    for place, number in enumerate(numbers):
        found.setdefault(tuple(task.columns["input_ids"][int(number)]), []).append(place)
    first = np.array([places[0] for places in found.values()], dtype=np.int64)
    return _Distinct(first=first, is_single=[len(places) == 1 for places in found.values()])
