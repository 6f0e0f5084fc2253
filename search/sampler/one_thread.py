"""Lets the matrix products of a proposal run on one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Generator


@contextlib.contextmanager
def on_one_thread() -> Generator[None]:
    """Let BLAS and OpenMP use one thread inside the block.

    A model's matrices are small, and on a machine that also trains every core is busy: a thread of BLAS spins while it
    waits for another one, which waits for a core. And a proposal does not depend on the number of cores.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
