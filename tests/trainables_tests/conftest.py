"""Real ranks: started once, since a start costs seconds, and given job after job."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from trainables.config import EngineConfig
from trainables.ranks.local_group import LocalGroup


@pytest.fixture(scope="session")
def one_rank() -> Iterator[LocalGroup]:
    """A group of one rank; a job that fails ends it, and the next one starts it again."""
    with contextlib.closing(LocalGroup(EngineConfig(threads_per_rank=1, device="cpu"))) as group:
        yield group


@pytest.fixture(scope="session")
def two_ranks() -> Iterator[LocalGroup]:
    """A group of two ranks."""
    with contextlib.closing(LocalGroup(EngineConfig(num_workers=2, threads_per_rank=1, device="cpu"))) as group:
        yield group
