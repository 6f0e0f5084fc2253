"""How many trials find room in a cluster."""

from __future__ import annotations

from search.driver.tuning import ranks_that_fit
from trainables.config import EngineConfig


def test_a_rank_stays_within_a_host() -> None:
    engine = EngineConfig(threads_per_rank=2, device="cpu")

    assert ranks_that_fit([{"CPU": 3.0}, {"CPU": 3.0}, {"memory": 9.0}], engine=engine) == 2


def test_on_cuda_each_rank_takes_a_gpu_too() -> None:
    engine = EngineConfig(threads_per_rank=2, device="cuda")

    assert ranks_that_fit([{"CPU": 64.0}, {"CPU": 8.0, "GPU": 8.0}, {"CPU": 64.0, "GPU": 1.0}], engine=engine) == 5
