"""Finding by nearness: which candidates are nearest to a query, and how good the findings are. Pure numpy.

Shapes: Q queries, C candidates, D size of a vector, K candidates kept of each query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal  # Any: numpy's element types

import numpy as np
from numpy.typing import NDArray

Similarity = Literal["cosine", "margin"]
"""How near two vectors are: their cosine, or its ratio to what is usual among their neighbours."""

NUM_NEIGHBOURS = 4
"""Neighbours that `margin` takes the mean of (Artetxe and Schwenk 2019, arXiv 1811.01136, section 3: 4)."""

NUM_KEPT = 20
"""Candidates kept of each query, the nearest first: what mAP@20 looks at (Ruder et al. 2021, arXiv 2104.07412)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedPair:
    """A query and a candidate that are each other's best offer."""

    query: int
    candidate: int
    score: float


def similarities(queries_QD: NDArray[Any], *, candidates_CD: NDArray[Any], kind: Similarity) -> NDArray[np.float64]:
    """Return how near each query is to each candidate, Q x C.

    Args:
        queries_QD: The queries' vectors.
        candidates_CD: The candidates' vectors.
        kind: `cosine`, or `margin`: cosine / mean of the mean cosines to the 4 nearest of either's side.
    """
    cosine_QC = _unit(queries_QD) @ _unit(candidates_CD).T
    if kind == "cosine":
        return cosine_QC
    forward_Q = _nearest_mean(cosine_QC)
    backward_C = _nearest_mean(cosine_QC.T)
    return cosine_QC / ((forward_Q[:, None] + backward_C[None, :]) / 2)


def ranked(similarities_QC: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return each query's nearest candidates, the nearest first, ties by number; Q x min(C, 20)."""
    return np.argsort(-similarities_QC, axis=1, kind="stable")[:, :NUM_KEPT]


def average_precision(found: Sequence[bool], *, num_right: int) -> float:
    """Return the average precision at `len(found)`, at most 20: mean precision at each right finding.

    Args:
        found: Whether each kept candidate is right, the nearest first.
        num_right: Right candidates in the pool, at least 1.
    """
    right = np.asarray(found[:NUM_KEPT], dtype=bool)
    precisions = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precisions[right].sum() / min(num_right, NUM_KEPT))


def mine(similarities_QC: NDArray[np.float64]) -> list[MinedPair]:
    """Return pairs that could be translations, the nearest first, each text in at most one.

    Both directions' best offers are taken greedily by score (Artetxe and Schwenk 2019, section 3: `max`).
    """
    num_queries, num_candidates = similarities_QC.shape
    forward = [(number, int(best)) for number, best in enumerate(similarities_QC.argmax(axis=1))]
    backward = [(int(best), number) for number, best in enumerate(similarities_QC.argmax(axis=0))]
    offers = forward + backward if num_queries and num_candidates else []
    scores = np.array([similarities_QC[pair] for pair in offers])
    taken: list[MinedPair] = []
    queries: set[int] = set()
    candidates: set[int] = set()
    for place in np.argsort(-scores, kind="stable"):
        query, candidate = offers[place]
        if query not in queries and candidate not in candidates:
            queries.add(query)
            candidates.add(candidate)
            taken.append(MinedPair(query=query, candidate=candidate, score=float(scores[place])))
    return taken


def best_f1(right: Sequence[bool], *, num_gold: int) -> tuple[float, int]:
    """Return the best F1 that any threshold reaches, and how many pairs it keeps.

    BUCC sets the threshold on its dev data (Zweigenbaum et al. 2018); a search sees nothing but dev data.

    Args:
        right: Whether each mined pair is gold, the nearest first.
        num_gold: Gold pairs in all, at least 1.
    """
    correct = np.cumsum(np.asarray(right, dtype=np.int64))
    kept = np.arange(1, len(correct) + 1)
    f1 = 2 * correct / (kept + num_gold)
    if not len(f1) or f1.max() == 0:
        return 0.0, 0
    return float(f1.max()), int(f1.argmax()) + 1


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _nearest_mean(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    num_kept = min(NUM_NEIGHBOURS, cosine.shape[1])
    return np.sort(cosine, axis=1)[:, -num_kept:].mean(axis=1)
