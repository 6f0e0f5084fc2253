"""Training on this machine's devices: CUDA where torch has it, and the CPU otherwise. `make check-devices` runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.trainables_tests.tiny_jobs import Bench
from trainables.config import EngineConfig
from trainables.ranks.local_group import LocalGroup

NUM_GPUS = torch.cuda.device_count()
ON_CUDA = NUM_GPUS > 0
_FIGURES = pytest.StashKey[list[str]]()


def engine(**fields: Any) -> EngineConfig:
    """Return an engine of one rank on this machine's device, changed by the fields given."""
    return EngineConfig(**({"device": "cuda" if ON_CUDA else "cpu", "threads_per_rank": 1} | fields))


def two_workers(**fields: Any) -> EngineConfig:
    """Return an engine of two ranks: on a GPU each, on one that they share, or on the CPU."""
    shared = {"gpus_per_worker": 0.5} if NUM_GPUS == 1 else {}
    return engine(num_workers=2, **shared, **fields)


@pytest.fixture(scope="session")
def one_rank() -> Iterator[LocalGroup]:
    with contextlib.closing(LocalGroup(engine())) as group:
        yield group


@pytest.fixture(scope="session")
def two_ranks() -> Iterator[LocalGroup]:
    with contextlib.closing(LocalGroup(two_workers())) as group:
        yield group


@pytest.fixture(scope="module")
def bench(tiny_encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("bench"))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines that are printed after the tests: what was measured."""
    return request.config.stash.setdefault(_FIGURES, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"figure    {line}")
