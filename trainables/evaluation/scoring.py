"""The metrics of an evaluation, computed from its items."""

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
        items: What was predicted.
        spec: The evaluation task.
        language: Of the items; MLQA's normalisation needs it.

    Raises:
        TaskDataError: There is nothing to score.
    """
    if not any(one.gold for one in items):
        msg = f"cannot score {spec.name!r}: 0 of {len(items)} items have a right answer, at least 1 is needed"
        if spec.kind != "span_qa" or not items:
            raise TaskDataError(f"{msg}; score a split that has some")
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
        case _:
            return {"accuracy": float(np.mean([one.prediction == one.gold for one in items]))}


def _spans(items: Sequence[Item], *, spec: TaskSpec, language: str) -> dict[str, float]:
    if spec.metric == "mlqa_f1":
        f1 = [mlqa_f1.best_f1(one.prediction[0], answers=one.gold, language=language) for one in items]
        exact = [mlqa_f1.best_exact_match(one.prediction[0], answers=one.gold, language=language) for one in items]
        return {"mlqa_f1": float(np.mean(f1)), "exact_match": float(np.mean(exact))}
    f1 = [squad_f1.best_f1(one.prediction[0], answers=one.gold) for one in items]
    exact = [squad_f1.best_exact_match(one.prediction[0], answers=one.gold) for one in items]
    return {"f1": float(np.mean(f1)), "exact_match": float(np.mean(exact))}


def _tags(items: Sequence[Item]) -> dict[str, float]:
    hits = [said == right for one in items for said, right in zip(one.prediction, one.gold, strict=True)]
    spans = spans_f1([one.gold for one in items], predicted=[one.prediction for one in items])
    return {"seqeval_f1": spans, "accuracy": float(np.mean(hits))}


def _retrieval(items: Sequence[Item], *, spec: TaskSpec) -> dict[str, float]:
    if spec.metric == "mining_f1":
        found = {(one.item, candidate) for one in items for candidate in one.prediction}
        right = {(one.item, candidate) for one in items for candidate in one.gold}
        return {"mining_f1": 2 * len(found & right) / (len(found) + len(right))}
    # A query without any right candidate is in the pool for others' sake (BUCC, Mewsli-X) and asks nothing.
    asked = [one for one in items if one.gold]
    nearest = [one.prediction[0] in one.gold for one in asked]
    precisions = [
        average_precision([candidate in one.gold for candidate in one.prediction], num_right=len(one.gold))
        for one in asked
    ]
    return {"accuracy": float(np.mean(nearest)), "map_at_20": float(np.mean(precisions))}
