"""Nearest neighbours and mining in blocks of queries, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainables.tasks.metrics import nearest as module
from trainables.tasks.metrics.nearest import NUM_NEIGHBOURS, Similarity, mine, nearest

SIZES = st.integers(1, 12)


@pytest.fixture(scope="module", autouse=True, params=[0, 64], ids=["row by row", "all rows at once"])
def small_blocks(request: pytest.FixtureRequest) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_QUERIES_AT_A_TIME", 5)
        patch.setattr(module, "_FEW_COLUMNS", request.param)
        yield


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def dense(queries: NDArray[np.float64], candidates: NDArray[np.float64], *, kind: Similarity) -> NDArray[np.float64]:
    cosine = unit(queries) @ unit(candidates).T
    if kind == "cosine":
        return cosine
    forward = np.sort(cosine, axis=1)[:, -NUM_NEIGHBOURS:].mean(axis=1)
    backward = np.sort(cosine, axis=0)[-NUM_NEIGHBOURS:].mean(axis=0)
    return cosine / ((forward[:, None] + backward[None, :]) / 2)


def drawn(seed: int, num: int) -> NDArray[np.float64]:
    return np.random.default_rng([seed, num]).normal(size=(num, 6)) + 1.0


@given(num_queries=SIZES, num_candidates=SIZES, seed=st.integers(0, 99), kind=st.sampled_from(["cosine", "margin"]))
def test_blocks_find_what_a_dense_matrix_shows(
    num_queries: int, num_candidates: int, seed: int, kind: Similarity
) -> None:
    queries, candidates = drawn(seed, num_queries), drawn(seed + 1, num_candidates)
    near = dense(queries, candidates, kind=kind)

    found = nearest(queries, candidates_CD=candidates, kind=kind, num=3)

    assert found.numbers_QK.tolist() == np.argsort(-near, axis=1)[:, :3].tolist()
    assert found.scores_QK == pytest.approx(np.sort(near, axis=1)[:, ::-1][:, :3])


@given(num_queries=SIZES, num_candidates=SIZES, seed=st.integers(0, 99), kind=st.sampled_from(["cosine", "margin"]))
def test_mining_accepts_the_best_of_four_neighbours_greedily(
    num_queries: int, num_candidates: int, seed: int, kind: Similarity
) -> None:
    queries, candidates = drawn(seed, num_queries), drawn(seed + 1, num_candidates)
    cosine, near = dense(queries, candidates, kind="cosine"), dense(queries, candidates, kind=kind)
    proposed = set[tuple[int, int]]()
    for query in range(num_queries):
        around = np.argsort(-cosine[query])[:NUM_NEIGHBOURS]
        proposed.add((query, int(around[near[query, around].argmax()])))
    for candidate in range(num_candidates):
        around = np.argsort(-cosine[:, candidate])[:NUM_NEIGHBOURS]
        proposed.add((int(around[near[around, candidate].argmax()]), candidate))
    accepted = list[tuple[int, int]]()
    for query, candidate in sorted(proposed, key=lambda pair: -near[pair]):
        if all(query != one[0] and candidate != one[1] for one in accepted):
            accepted.append((query, candidate))

    mined = mine(queries, candidates_CD=candidates, kind=kind)

    assert [(pair.query, pair.candidate) for pair in mined] == accepted
    assert [pair.score for pair in mined] == pytest.approx([near[pair] for pair in accepted])


def test_nothing_is_mined_from_nothing() -> None:
    assert mine(np.empty((0, 6)), candidates_CD=drawn(0, 3), kind="margin") == []
