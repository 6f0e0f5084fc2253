"""Nearest-neighbour retrieval: ranks candidates by similarity to a query, and scores the ranking. Pure numpy.

Shapes: Q queries, C candidates, D size of a vector, K candidates kept for each query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal  # Any: numpy's element types

import numpy as np
from numpy.typing import NDArray

from trainables.monitoring.watchdog import send_heartbeat

Similarity = Literal["cosine", "margin"]
"""Similarity of two vectors: their cosine, or the ratio of the cosine to the mean cosine with their neighbours."""

NUM_NEIGHBOURS = 4
"""Neighbours that `margin` averages over (Artetxe and Schwenk 2019, arXiv 1811.01136, section 3: 4)."""

NUM_KEPT = 20
"""Candidates kept for each query, the nearest first; mAP@20 needs 20 (Ruder et al. 2021, arXiv 2104.07412)."""

_MAX_QUERIES_AT_A_TIME = 512
_SIMILARITIES_AT_A_TIME = 8_000_000
"""Similarities that are in memory at the same time (64 MB): those of some queries to all candidates."""


_FEW_COLUMNS = 64
"""So few that sorting all rows at once is faster than finding the largest of each row in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedPair:
    """A mined pair of a query and a candidate."""

    query: int
    candidate: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The nearest candidates of each query, the nearest first; ties go to the candidate that stands first."""

    numbers_QK: NDArray[np.int64]
    """Numbers of the candidates."""
    scores_QK: NDArray[np.float64]
    """Their similarities to the query."""


def nearest(
    queries_QD: NDArray[Any], *, candidates_CD: NDArray[Any], kind: Similarity, num: int = NUM_KEPT
) -> Neighbours:
    """Return the nearest candidates of each query, at most `num` and at most C.

    Memory does not grow with Q x C: similarities are computed for some queries at a time.

    Args:
        queries_QD: The queries' vectors.
        candidates_CD: The candidates' vectors.
        kind: `cosine`, or `margin`: cosine divided by the mean cosine to the 4 nearest neighbours, averaged over both.
        num: Candidates to return for each query.
    """
    queries, candidates = _unit(queries_QD), _unit(candidates_CD)
    means = _neighbour_means(queries, candidates) if kind == "margin" else None
    numbers = np.empty((len(queries), min(num, len(candidates))), dtype=np.int64)
    scores = np.empty(numbers.shape)
    for rows in _blocks(len(queries), num_candidates=len(candidates)):
        near_QC = queries[rows] @ candidates.T
        if means is not None:
            near_QC /= (means[0][rows, None] + means[1][None, :]) / 2
        numbers[rows], scores[rows] = _largest(near_QC, num=numbers.shape[1])
    return Neighbours(numbers_QK=numbers, scores_QK=scores)


def mine(queries_QD: NDArray[Any], *, candidates_CD: NDArray[Any], kind: Similarity) -> list[MinedPair]:
    """Return pairs that could be translations, the nearest first; each text is in at most one pair.

    For each text of either side, the best of its 4 nearest neighbours by cosine is proposed; the proposals of both
    sides are accepted greedily by score (Artetxe and Schwenk 2019, section 3: `max`; XTREME's script does the same).
    Memory does not grow with Q x C.

    Args:
        queries_QD: The queries' vectors.
        candidates_CD: The candidates' vectors.
        kind: Score of a pair: `cosine`, or `margin`.
    """
    if not len(queries_QD) or not len(candidates_CD):
        return []
    queries, candidates = _unit(queries_QD), _unit(candidates_CD)
    forward, backward = _both_ways(queries, candidates)
    ways = ((forward, backward), (backward, forward))
    proposals = [_proposals(one, other.scores_QK.mean(axis=1), kind=kind) for one, other in ways]
    (of_queries, forward_Q), (of_candidates, backward_C) = proposals
    pairs = [(number, int(best)) for number, best in enumerate(of_queries)]
    pairs += [(int(best), number) for number, best in enumerate(of_candidates)]
    return _without_repetitions(pairs, np.concatenate([forward_Q, backward_C]))


def _proposals(
    near: Neighbours, means_of_others: NDArray[np.float64], *, kind: Similarity
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the best neighbour of each text, and the score of the pair."""
    scores = near.scores_QK
    if kind == "margin":
        scores = scores / ((scores.mean(axis=1)[:, None] + means_of_others[near.numbers_QK]) / 2)
    best = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(near.numbers_QK, best, axis=1)[:, 0], np.take_along_axis(scores, best, axis=1)[:, 0]


def _without_repetitions(pairs: Sequence[tuple[int, int]], scores: NDArray[np.float64]) -> list[MinedPair]:
    mined: list[MinedPair] = []
    queries: set[int] = set()
    candidates: set[int] = set()
    for index in np.argsort(-scores, kind="stable"):
        query, candidate = pairs[index]
        if query not in queries and candidate not in candidates:
            queries.add(query)
            candidates.add(candidate)
            mined.append(MinedPair(query=query, candidate=candidate, score=float(scores[index])))
    return mined


def average_precision(found: Sequence[bool], *, num_right: int) -> float:
    """Return the average precision at `len(found)`, at most 20: the mean precision at each right candidate.

    Args:
        found: Whether each kept candidate is right, the nearest first.
        num_right: Number of right candidates in the pool, at least 1.
    """
    right = np.asarray(found[:NUM_KEPT], dtype=bool)
    precisions = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precisions[right].sum() / min(num_right, NUM_KEPT))


def best_f1(right: Sequence[bool], *, num_gold: int) -> tuple[float, int]:
    """Return the best F1 over all thresholds, and the number of pairs that its threshold keeps.

    BUCC sets the threshold on its dev data (Zweigenbaum et al. 2018); a search sees only dev data.

    Args:
        right: Whether each mined pair is gold, the nearest first.
        num_gold: Number of gold pairs, at least 1.
    """
    correct = np.cumsum(np.asarray(right, dtype=np.int64))
    kept = np.arange(1, len(correct) + 1)
    f1 = 2 * correct / (kept + num_gold)
    if not len(f1) or f1.max() == 0:
        return 0.0, 0
    return float(f1.max()), int(f1.argmax()) + 1


def _blocks(num_queries: int, *, num_candidates: int) -> Iterator[slice]:
    """Yield the queries in blocks whose similarities to all candidates fit into memory."""
    size = min(_MAX_QUERIES_AT_A_TIME, max(1, _SIMILARITIES_AT_A_TIME // max(1, num_candidates)))
    for start in range(0, num_queries, size):
        yield slice(start, start + size)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    unit = vectors.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    return unit


def _both_ways(queries: NDArray[np.float64], candidates: NDArray[np.float64]) -> tuple[Neighbours, Neighbours]:
    """Return the 4 nearest candidates of each query by cosine, and the 4 nearest queries of each candidate."""
    num = min(NUM_NEIGHBOURS, len(candidates))
    forward = Neighbours(
        numbers_QK=np.empty((len(queries), num), dtype=np.int64), scores_QK=np.empty((len(queries), num))
    )
    scores_KC = np.empty((0, len(candidates)))
    numbers_KC = np.empty((0, len(candidates)), dtype=np.int64)
    for rows in _blocks(len(queries), num_candidates=len(candidates)):
        send_heartbeat()
        cosine_QC = queries[rows] @ candidates.T
        forward.numbers_QK[rows], forward.scores_QK[rows] = _largest(cosine_QC, num=num)
        numbers_Q = np.arange(rows.start, rows.start + len(cosine_QC))
        numbers_KC = np.concatenate([numbers_KC, np.broadcast_to(numbers_Q[:, None], cosine_QC.shape)])
        scores_KC = np.concatenate([scores_KC, cosine_QC])
        kept_CK, best_CK = _largest(scores_KC.T, num=min(NUM_NEIGHBOURS, len(scores_KC)))
        numbers_KC, scores_KC = np.take_along_axis(numbers_KC.T, kept_CK, axis=1).T, best_CK.T
    return forward, Neighbours(numbers_QK=numbers_KC.T, scores_QK=scores_KC.T)


def _neighbour_means(
    queries: NDArray[np.float64], candidates: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean cosine of each query, and of each candidate, to its 4 nearest neighbours on the other side."""
    forward, backward = _both_ways(queries, candidates)
    return forward.scores_QK.mean(axis=1), backward.scores_QK.mean(axis=1)


def _largest(scores_RC: NDArray[np.float64], *, num: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the columns of the `num` largest scores of each row, the largest first, and the scores.

    Equal scores go to the first column; a partial sort finds the `num` largest, and all that equal the last of them.
    """
    num_columns = scores_RC.shape[1]
    if num == 0:
        return np.empty((len(scores_RC), 0), dtype=np.int64), np.empty((len(scores_RC), 0))
    if num_columns <= _FEW_COLUMNS:
        columns = np.argsort(-scores_RC, axis=1, kind="stable")[:, :num]
        return columns, np.take_along_axis(scores_RC, columns, axis=1)
    limits_R = np.partition(scores_RC, num_columns - num, axis=1)[:, num_columns - num]
    columns = np.empty((len(scores_RC), num), dtype=np.int64)
    for row, (scores_C, limit) in enumerate(zip(scores_RC, limits_R, strict=True)):
        found = np.flatnonzero(scores_C >= limit)
        columns[row] = found[np.argsort(-scores_C[found], kind="stable")[:num]]
    return columns, np.take_along_axis(scores_RC, columns, axis=1)
