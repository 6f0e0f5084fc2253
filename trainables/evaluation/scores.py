"""Computes the metrics of an evaluation from its items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.errors import TaskDataError
from trainables.evaluation.items import Item
from trainables.tasks.metrics import mlqa_f1, squad_f1
from trainables.tasks.metrics.nearest import average_precision
from trainables.tasks.metrics.spans_f1 import spans_f1
from trainables.tasks.spec import TaskSpec


def score_items(items: Sequence[Item], *, spec: TaskSpec, language: str) -> dict[str, float]:
    """Return metric -> score (0..1), the task's own metric first.

    Args:
        items: Predicted items of item language.
        spec: The evaluation task.
        language: Their language; MLQA's normalisation needs it.

    Raises:
        TaskDataError: No item has a right answer.
    """
    if not any(item.gold for item in items):
        msg = f"cannot score {spec.name!r}: 0 of {len(items)} items have a right answer, at least 1 is needed"
        if spec.kind != "span_qa" or not items:
            raise TaskDataError(f"{msg}; score a split that has right answers")
    scores = _score(items, spec=spec, language=language)
    return {spec.metric: scores.pop(spec.metric)} | scores


def _score(items: Sequence[Item], *, spec: TaskSpec, language: str) -> dict[str, float]:
    match spec.kind:
        case "span_qa":
            return _spans(items, spec=spec, language=language)
        case "tagging":
            return _tags(items)
        case "text_retrieval":
            return _retrieval(items, spec=spec)
        case "image_text_retrieval":
            asked = [item for item in items if item.gold]
            return {"recall_at_1": float(np.mean([item.prediction[0] in item.gold for item in asked]))}
        case _:
            return {"accuracy": float(np.mean([item.prediction == item.gold for item in items]))}


def _spans(items: Sequence[Item], *, spec: TaskSpec, language: str) -> dict[str, float]:
    if spec.metric == "mlqa_f1":
        f1 = [mlqa_f1.best_f1(item.prediction[0], answers=item.gold, language=language) for item in items]
        exact = [mlqa_f1.best_exact_match(item.prediction[0], answers=item.gold, language=language) for item in items]
        return {"mlqa_f1": float(np.mean(f1)), "exact_match": float(np.mean(exact))}
    measures = {"f1": squad_f1.best_f1, "exact_match": squad_f1.best_exact_match}
    return {
        name: float(
            np.mean([measure(item.prediction[0], answers=item.gold, unanswerable=spec.unanswerable) for item in items])
        )
        for name, measure in measures.items()
    }


def _tags(items: Sequence[Item]) -> dict[str, float]:
    hits = [predicted == gold for item in items for predicted, gold in zip(item.prediction, item.gold, strict=True)]
    spans = spans_f1([item.gold for item in items], predicted=[item.prediction for item in items])
    return {"seqeval_f1": spans, "accuracy": float(np.mean(hits))}


def _retrieval(items: Sequence[Item], *, spec: TaskSpec) -> dict[str, float]:
    if spec.metric == "mining_f1":
        found = {(item.item, candidate) for item in items for candidate in item.prediction}
        right = {(item.item, candidate) for item in items for candidate in item.gold}
        return {"mining_f1": 2 * len(found & right) / (len(found) + len(right))}
    # A query without a right candidate is only a distractor of the pool (BUCC, Mewsli-X) and is not scored.
    asked = [item for item in items if item.gold]
    nearest = [item.prediction[0] in item.gold for item in asked]
    precisions = [
        average_precision([candidate in item.gold for candidate in item.prediction], num_right=len(item.gold))
        for item in asked
    ]
    return {"accuracy": float(np.mean(nearest)), "map_at_20": float(np.mean(precisions))}
