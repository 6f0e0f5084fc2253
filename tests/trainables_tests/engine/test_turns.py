"""Ranks that wait for each other outside of collectives: real ranks, and a group that gives up after a few seconds."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tests.trainables_tests.engine_ranks import Ranks, ranks
from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.engine import ProcessGroupConfig, in_turns, meet
from trainables.errors import InputError, MemoryExhaustedError, TaskDataError
from trainables.failures import is_disk_full, is_disk_unusable, is_out_of_memory
from trainables.monitoring.watchdog import Watch, send_heartbeat, sending_heartbeats
from trainables.ranks.local_group import LocalGroup

TIMEOUT_SECONDS = 2.0
LONG_SECONDS = 3 * TIMEOUT_SECONDS

IMPATIENT_SECONDS = 10.0
"""The same for a whole group of ranks, which also has to meet within it."""


@pytest.fixture(scope="module", params=[2, 3], ids=["two ranks", "three ranks"])
def group(request: pytest.FixtureRequest) -> Iterator[Ranks]:
    with ranks(request.param, timeout_seconds=TIMEOUT_SECONDS) as group:
        yield group


@pytest.fixture(scope="module")
def two() -> Iterator[Ranks]:
    with ranks(2, timeout_seconds=TIMEOUT_SECONDS) as group:
        yield group


def prepare_slowly(slow: int) -> tuple[int, float]:
    """Take long on one rank; returns what this rank made, and the number of ranks that then meet in a collective."""

    def work() -> int:
        time.sleep(LONG_SECONDS if dist.get_rank() == slow else 0)
        return 10 * dist.get_rank()

    made, ones = in_turns(work), torch.ones(1)
    dist.all_reduce(ones)
    return made, ones.item()


@pytest.mark.slow
@pytest.mark.parametrize("slow", [0, 1])
def test_a_rank_may_take_longer_than_a_collective_may_wait(slow: int, group: Ranks) -> None:
    done = group.run(prepare_slowly, slow)

    assert sorted(done) == [(10 * number, float(len(done))) for number in range(len(done))]


def open_shared(folder: Path) -> bool:
    """Make a file unless it is there; returns whether this rank made it."""

    def work() -> bool:
        is_missing = not (folder / "made").exists()
        time.sleep(0.2)
        (folder / "made").touch()
        return is_missing

    return in_turns(work)


@pytest.mark.slow
def test_what_rank_0_makes_the_others_find(group: Ranks, tmp_path: Path) -> None:
    assert sorted(group.run(open_shared, tmp_path))[-2:] == [False, True]


def meet_late(late: int) -> float:
    """Come late on one rank; returns how many ranks then meet in a collective."""
    time.sleep(LONG_SECONDS if dist.get_rank() == late else 0)
    meet()
    ones = torch.ones(1)
    dist.all_reduce(ones)
    return ones.item()


@pytest.mark.slow
def test_ranks_meet_however_late_one_comes(two: Ranks) -> None:
    assert two.run(meet_late, 0) == [2.0, 2.0]


ERRORS = {
    "data": TaskDataError("cannot encode task 'x': it has no label column; name one"),
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "disk gone": OSError(errno.EIO, "Input/output error"),
    "python's memory": MemoryError("Unable to allocate 3 GiB"),
    "torch's memory": RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"),
    "ours": MemoryExhaustedError("out of memory"),
    "other": KeyError("label"),
}


def fail(failing: int, name: str) -> tuple[str, bool, list[bool]]:
    """Fail on one rank; returns what this rank raises, as those see it who decide what happens next."""

    def work() -> None:
        time.sleep(0.2)
        if dist.get_rank() == failing:
            raise ERRORS[name]

    try:
        in_turns(work)
    except Exception as error:  # noqa: BLE001  (which one is the question)
        kinds = [is_disk_full(error), is_disk_unusable(error), is_out_of_memory(error)]
        return str(error), isinstance(error, ValueError), kinds
    msg = "nothing was raised"
    raise AssertionError(msg)


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("name", ERRORS)
def test_the_error_of_one_rank_is_raised_by_all(name: str, failing: int, two: Ranks) -> None:
    (said, is_input, kinds), (also_said, is_also_input, also_kinds) = two.run(fail, failing, name)

    assert (is_input, kinds) == (is_also_input, also_kinds)
    assert said in also_said or also_said in said


def work_in_second_turn(folder: Path, *, tells: bool) -> tuple[str, str]:
    """Work on rank 1 while rank 0, which has a beat, waits for it; returns the beat before and after."""
    beat = folder / "beat"

    def work() -> tuple[str, str]:
        if dist.get_rank() == 0:
            return "", ""
        time.sleep(1.5)  # rank 0 has heard that it began
        before, end = beat.read_text(), time.monotonic() + 4
        while time.monotonic() < end:
            time.sleep(0.1)
            if tells:
                send_heartbeat()
        return before, beat.read_text()

    with sending_heartbeats(Watch(folder=folder, seconds=60), rank=dist.get_rank()):
        return in_turns(work)


@pytest.mark.slow
@pytest.mark.parametrize("tells", [True, False])
def test_a_rank_that_waits_gives_signs_of_life_only_while_the_one_that_works_does(
    two: Ranks, tmp_path: Path, *, tells: bool
) -> None:
    before, after = max(two.run(functools.partial(work_in_second_turn, tmp_path, tells=tells)))

    assert (before != after) == tells


SLOW_CACHE = """
import os, time
rename = os.rename
def slow_rename(source, target, **fields):
    if "/encoded/" in str(target):
        time.sleep({seconds})
    rename(source, target, **fields)
os.rename = slow_rename
"""
"""What each process of a group runs at its start, so that a data set takes long to encode."""


@pytest.fixture
def impatient_ranks(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGroup]:
    """Two ranks whose collectives may wait for some seconds."""
    impatient = functools.partial(ProcessGroupConfig, timeout_seconds=IMPATIENT_SECONDS)
    monkeypatch.setattr("trainables.ranks.local_group.ProcessGroupConfig", impatient)
    with contextlib.closing(LocalGroup(engine(num_workers=2))) as group:
        yield group


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_a_phase_is_trained_whose_data_take_longer_to_encode_than_a_collective_may_wait(
    impatient_ranks: LocalGroup, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_CACHE.format(seconds=1.5 * IMPATIENT_SECONDS))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    bench = Bench(encoder=tiny_encoder, folder=tmp_path / "bench")
    started = time.monotonic()

    trained = bench.train(impatient_ranks, phase(steps=2), config=engine(num_workers=2, zero_stage=2))

    assert len(trained.losses) == 2
    assert time.monotonic() - started > 1.5 * IMPATIENT_SECONDS


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_data_that_do_not_fit_are_refused_by_name_on_several_ranks_and_nobody_waits(
    impatient_ranks: LocalGroup, tiny_encoder: Path, tmp_path: Path
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    config = engine(num_workers=2)
    job = bench.job(phase(steps=2), config=config)
    columns = {name: column for name, column in job.specs["mnli"].columns.items() if name != "label"}
    unfit = job.specs["mnli"].model_copy(update={"columns": columns})

    with pytest.raises(InputError, match=r"cannot encode task 'mnli'.*'label'"):
        impatient_ranks.run(job.model_copy(update={"specs": {"mnli": unfit}}))

    assert len(bench.train(impatient_ranks, phase(steps=2), config=config).losses) == 2
