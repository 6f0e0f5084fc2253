"""What stays of a destroyed engine, and when kept ranks are replaced for what they hold."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.driver.ray_group import RayGroup
from tests.trainables_tests.engine_ranks import Ranks, bytes_kept, bytes_of_a_held_module, ranks
from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.config import EngineConfig
from trainables.ranks.devices import RankDevices
from trainables.ranks.jobs import JobResult
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.memory import DEVICE_GROWTH_LIMIT_SHARE, HOST_GROWTH_LIMIT_BYTES, GrowthGuard, growth_complaint

GIB = 1 << 30
NUM_ENGINES = 10


@pytest.fixture(scope="module", params=[1, 2], ids=["one rank", "two ranks"])
def group(request: pytest.FixtureRequest) -> Iterator[Ranks]:
    with ranks(request.param) as group:
        yield group


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("zero_stage", "offload"), [(0, "none"), (1, "none"), (2, "none"), (3, "none"), (2, "optimizer"), (3, "all")]
)
def test_ten_destroyed_engines_leave_less_than_a_byte_per_parameter(
    zero_stage: int, offload: str, precision: str, group: Ranks
) -> None:
    config = engine(zero_stage=zero_stage, offload=offload, precision=precision)

    kept = group.run(functools.partial(bytes_kept, config, num_engines=NUM_ENGINES))

    assert max(kept) < 1


@pytest.mark.slow
@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_a_destroyed_engine_frees_its_module_even_where_somebody_holds_it(zero_stage: int, group: Ranks) -> None:
    assert max(group.run(bytes_of_a_held_module, engine(zero_stage=zero_stage))) == 0


def held(*, host: int = 0, device: int = 0, capacity: int = 0) -> JobResult:
    return JobResult(
        scores={},
        counts={},
        made_with={},
        memory_bytes=device or host,
        host_memory_bytes=host,
        device_capacity_bytes=capacity,
    )


@pytest.mark.parametrize(
    ("first", "now", "is_replaced"),
    [
        (held(host=GIB), held(host=GIB), False),
        (held(host=GIB), held(host=3 * GIB), False),
        (held(host=GIB), held(host=3 * GIB + 1), True),
        (held(host=3 * GIB), held(host=GIB), False),
        (held(), held(), False),
        (held(host=GIB, device=GIB, capacity=80 * GIB), held(host=GIB, device=5 * GIB, capacity=80 * GIB), False),
        (held(host=GIB, device=GIB, capacity=80 * GIB), held(host=GIB, device=5 * GIB + 1, capacity=80 * GIB), True),
        (held(host=GIB, device=GIB, capacity=16 * GIB), held(host=GIB, device=2 * GIB, capacity=16 * GIB), True),
        (held(host=GIB, device=GIB, capacity=16 * GIB), held(host=4 * GIB, device=GIB, capacity=16 * GIB), True),
        (held(host=GIB, device=8 * GIB, capacity=16 * GIB), held(host=GIB, device=GIB, capacity=16 * GIB), False),
        # A quarter of a GPU of 16 GiB: a twentieth of it is 0.2 GiB.
        (held(host=GIB, device=GIB, capacity=4 * GIB), held(host=GIB, device=GIB + GIB // 4, capacity=4 * GIB), True),
    ],
)
def test_ranks_are_replaced_when_they_outgrow_what_they_held_first(
    first: JobResult, now: JobResult, *, is_replaced: bool
) -> None:
    assert (growth_complaint(now, first=first) is not None) == is_replaced


def test_the_first_job_is_what_later_ones_are_held_against() -> None:
    guard = GrowthGuard()

    complaints = [guard.complaint(held(host=number * GIB)) for number in (1, 2, 3, 4)]

    assert [complaint is not None for complaint in complaints] == [False, False, False, True]
    assert complaints[-1] is not None
    assert "3072 MiB" in complaints[-1]
    assert f"{HOST_GROWTH_LIMIT_BYTES >> 20} MiB" in complaints[-1]
    assert 0 < DEVICE_GROWTH_LIMIT_SHARE < 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_local_ranks_that_have_grown_are_replaced_and_do_the_next_job(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    monkeypatch.setattr("trainables.ranks.memory.HOST_GROWTH_LIMIT_BYTES", -(1 << 50))  # whatever they hold is too much
    group = LocalGroup(EngineConfig(threads_per_rank=1, device="cpu"))
    try:
        first = bench.train(group, phase(steps=2))
        left = list(group._ranks)
        second = bench.train(group, phase(steps=2))
    finally:
        group.close()

    assert left == []
    assert first.result.memory_bytes == first.result.host_memory_bytes > 0
    assert second.losses == first.losses


def test_a_sweeps_ranks_that_have_grown_are_ended_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    group = RayGroup(EngineConfig(device="cpu"), devices=RankDevices(kind="cpu", computes_on="cpu", threads=1))

    group._replace_if_grown(held(host=GIB, device=GIB, capacity=16 * GIB))
    told_before = list(caplog.messages)
    group._replace_if_grown(held(host=GIB, device=2 * GIB, capacity=16 * GIB))
    group._replace_if_grown(held(host=GIB, device=2 * GIB, capacity=16 * GIB))  # the first job of new ranks

    assert told_before == []
    assert len(caplog.messages) == 1
    assert "GPU memory grew by 1024 MiB" in caplog.messages[0]
