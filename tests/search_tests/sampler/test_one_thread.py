"""Proposals compute on one thread, and leave the threads of the process as they were."""

from __future__ import annotations

import scipy.linalg  # noqa: F401  loads its BLAS
from threadpoolctl import threadpool_info, threadpool_limits

from search.sampler.one_thread import on_one_thread


def threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info()}


def test_blas_has_one_thread_in_the_block_and_those_of_before_after_it() -> None:
    with threadpool_limits(limits=2):
        with on_one_thread():
            inside = threads()
        after = threads()

    assert inside == {1}
    assert after == {2}
