"""What was predicted for each item of an evaluation, and what an evaluation's metrics make of it.

An item is what the task asks about once: a pair, a question, a sentence, a query. Scores are computed from items alone,
so a file of items says all that its scores say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # Any: outputs are the head's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.encoded import EncodedTask
from trainables.tasks.kinds.span_qa import answers_given
from trainables.tasks.kinds.tagging import tagged_sentences
from trainables.tasks.kinds.text_retrieval import Pool
from trainables.tasks.metrics.nearest import Similarity, best_f1, mine, ranked, similarities
from trainables.tasks.spec import TaskSpec

Outputs = Mapping[str, NDArray[Any]]
"""A head's outputs over a split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item: what is right, what was said, and how strongly."""

    item: str
    """The source's id where the task names a column `id`, else the row's number in the source's split."""
    gold: list[str]
    """The class; every accepted answer; the words' tags; the ids of every right candidate."""
    prediction: list[str]
    """The class; the answer; the words' tags; the ids of the nearest candidates, the nearest first."""
    scores: list[float]
    """Logits of the classes; by how much no answer was beaten; nothing; nearness of each predicted candidate."""


def items_of(task: EncodedTask, *, outputs: Outputs, similarity: Similarity = "cosine") -> list[Item]:
    """Return the items of an encoded split, in the source's order.

    Args:
        task: The encoded split.
        outputs: The head's outputs for its examples.
        similarity: How retrieval compares.
    """
    if task.spec.is_retrieval:
        return _found(task, vectors_BD=outputs["vectors"], similarity=similarity)
    makers: dict[str, Callable[[EncodedTask, Outputs], list[Item]]] = {"span_qa": _spans, "tagging": _tags}
    return makers.get(task.spec.kind, _classes)(task, outputs)


def item_ids(task: EncodedTask) -> dict[int, str]:
    """Return row in the source -> the item's id."""
    rows = [int(row) for row in task.columns["row"]]
    return dict(zip(rows, map(str, task.columns.get("id", rows)), strict=True))


def _classes(task: EncodedTask, outputs: Outputs) -> list[Item]:
    logits_BL, ids = outputs["logits"], item_ids(task)
    return [
        Item(
            item=ids[int(row)],
            gold=[_name(task.spec, int(label))],
            prediction=[_name(task.spec, int(logits_L.argmax()))],
            scores=[float(logit) for logit in logits_L],
        )
        for row, label, logits_L in zip(task.columns["row"], task.columns["label"], logits_BL, strict=True)
    ]


def _name(spec: TaskSpec, number: int) -> str:
    return spec.labels[number] if spec.labels else str(number)


def _spans(task: EncodedTask, outputs: Outputs) -> list[Item]:
    ids = item_ids(task)
    given = answers_given(outputs, task.columns, unanswerable=task.spec.unanswerable)
    return [
        Item(item=ids[one.row], gold=one.accepted, prediction=[one.text], scores=[-one.no_answer_margin])
        for one in given
    ]


def _tags(task: EncodedTask, outputs: Outputs) -> list[Item]:
    ids = item_ids(task)
    sentences = tagged_sentences(outputs, task.columns, labels=task.spec.labels)
    return [Item(item=ids[one.row], gold=one.gold, prediction=one.predicted, scores=[]) for one in sentences]


def _found(task: EncodedTask, *, vectors_BD: NDArray[Any], similarity: Similarity) -> list[Item]:
    pool, ids = Pool.of(task.columns), item_ids(task)
    near_QC = similarities(vectors_BD[pool.queries], candidates_CD=vectors_BD[pool.candidates], kind=similarity)
    names_C = [ids[int(task.columns["row"][number])] for number in pool.candidates]
    kept = _mined(pool, near_QC) if task.spec.metric == "mining_f1" else ranked(near_QC).tolist()
    return [
        Item(
            item=ids[int(task.columns["row"][number])],
            gold=[names_C[candidate] for candidate in np.flatnonzero(pool.right_QC[query])],
            prediction=[names_C[candidate] for candidate in kept[query]],
            scores=[float(near_QC[query, candidate]) for candidate in kept[query]],
        )
        for query, number in enumerate(pool.queries)
    ]


def _mined(pool: Pool, near_QC: NDArray[np.float64]) -> Sequence[list[int]]:
    """Return each query's mined candidate, or none, at the threshold of the best F1."""
    pairs = mine(near_QC)
    right = [bool(pool.right_QC[pair.query, pair.candidate]) for pair in pairs]
    _, num_kept = best_f1(right, num_gold=int(pool.right_QC.sum()))
    kept: list[list[int]] = [[] for _ in pool.queries]
    for pair in pairs[:num_kept]:
        kept[pair.query].append(pair.candidate)
    return kept
