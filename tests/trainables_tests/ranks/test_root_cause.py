"""Which of several ranks' errors counts."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.errors import (
    DeviceFaultError,
    InputError,
    MemoryExhaustedError,
    PeerLostError,
    RankLostError,
    RunError,
)
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.rank_place import RankPlace
from trainables.ranks.root_cause import SECONDS_FOR_OTHERS, Gathering, root_cause

DIED = RankLostError("rank 1 ended with exit code -9")
FAULT = DeviceFaultError("uncorrectable ECC error", place=RankPlace(host="b"))
MEMORY = MemoryExhaustedError("CUDA out of memory")
OWN = RunError("the tokenizer has no padding token")
INPUT = InputError("columns.label: no such column")
OTHER_INPUT = InputError("cannot read task 'a': its file is missing on this host")
PEER = PeerLostError("Connection closed by peer")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def failing(error: Exception) -> Callable[[], str]:
    def answer() -> str:
        raise error

    return answer


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ([PEER, DIED], DIED),
        ([OWN, PEER, DIED], DIED),
        ([FAULT, DIED], DIED),
        ([PEER, FAULT, MEMORY], FAULT),
        ([PEER, OWN, MEMORY], MEMORY),
        ([PEER, OWN], OWN),
        ([PEER, INPUT], INPUT),
        ([PEER, PEER], PEER),
        ([OWN, INPUT], INPUT),
        ([INPUT, OTHER_INPUT], INPUT),
        ([OTHER_INPUT, INPUT], OTHER_INPUT),
    ],
)
def test_the_dead_one_counts_then_the_device_then_memory_then_what_a_rank_says_of_itself(
    errors: list[Exception], cause: Exception
) -> None:
    assert root_cause(errors) is cause


def test_after_a_death_nobody_is_waited_for() -> None:
    gathering = Gathering[str](3, watch=None)
    assert gathering.seconds_to_wait is None

    gathering.take(1, failing(DIED))

    assert gathering.is_over
    with pytest.raises(RankLostError, match="exit code -9"):
        gathering.raise_cause()


def test_after_a_missed_peer_the_others_are_given_a_moment_and_one_that_hangs_no_more() -> None:
    clock = Clock()
    gathering = Gathering[str](3, watch=None, clock=clock)

    gathering.take(0, failing(PEER))
    was_over, waits = gathering.is_over, gathering.seconds_to_wait
    clock.now += SECONDS_FOR_OTHERS / 2
    gathering.take(2, failing(FAULT))
    still_over = gathering.is_over
    clock.now += SECONDS_FOR_OTHERS / 2

    assert (was_over, waits, still_over, gathering.is_over) == (False, SECONDS_FOR_OTHERS, False, True)
    with pytest.raises(DeviceFaultError):
        gathering.raise_cause()


def test_of_several_refusals_the_first_counts_and_the_log_has_all(caplog: pytest.LogCaptureFixture) -> None:
    refusal, later = InputError("columns.label: no such column"), InputError("columns.text: no such column")
    gathering = Gathering[str](3, watch=None)

    gathering.take(2, failing(refusal))
    gathering.take(0, failing(later))
    gathering.take(1, failing(RunError("FileNotFoundError: encoded/abc")))

    assert gathering.is_over
    with pytest.raises(InputError) as caught:
        gathering.raise_cause()
    others = [
        "rank 0: InputError: columns.text: no such column",
        "rank 1: RunError: FileNotFoundError: encoded/abc",
    ]
    assert caught.value is refusal
    assert caplog.messages == others
    assert caught.value.__notes__ == others


def test_when_all_have_answered_rank_0_counts() -> None:
    gathering = Gathering[str](2, watch=None)

    gathering.take(1, lambda: "one")
    gathering.take(0, lambda: "zero")

    assert gathering.is_over
    gathering.raise_cause()
    assert gathering.results[0] == "zero"


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_of_two_real_ranks_the_killed_one_counts_whichever_is_heard_first(tiny_encoder: Path, tmp_path: Path) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    job = bench.job(phase(steps=100_000), config=engine(num_workers=2, zero_stage=2))
    job = job.model_copy(update={"places": job.places.model_copy(update={"progress": tmp_path / "progress.json"})})

    def kill() -> None:
        while not (tmp_path / "progress.json").exists():
            threading.Event().wait(0.05)
        ranks = [
            one for one in psutil.Process().children() if "trainables.ranks.rank_process" in " ".join(one.cmdline())
        ]
        max(ranks, key=lambda one: one.create_time()).send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    with contextlib.closing(LocalGroup(job.engine)) as group:
        killer.start()
        with pytest.raises(RankLostError, match="ended with exit code -9") as caught:
            group.run(job)
        killer.join()

    assert not isinstance(caught.value, PeerLostError)
