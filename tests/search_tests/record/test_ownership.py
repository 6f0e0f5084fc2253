"""One driver a sweep: real processes on a real record, over SQLite and PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.errors import FencedError, SweepOwnedError
from search.record import HeartbeatTimes, Owner, Record, open_record, own_sweep
from tests.search_tests.building import proposal, result
from trainables.processes import identity, is_known_dead

FAST = HeartbeatTimes(beat_seconds=0.1, stale_seconds=1.5)
ROOT = Path(__file__).parents[3]
DRIVER = [sys.executable, "-m", "tests.search_tests.owning_driver"]


@pytest.fixture
def driver(record: Record) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the sweep `demo`, beats, and proposes a trial for each line it is sent."""
    command = [*DRIVER, record.where]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owns 1\n"
        yield process
        process.kill()


def told(driver: subprocess.Popen[str], line: str = "propose") -> str:
    """Return what the driver answers to a line."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(line + "\n")
    driver.stdin.flush()
    return driver.stdout.readline().strip()


def stop(driver: subprocess.Popen[str]) -> None:
    """Stop a process without ending it, as a machine that sleeps does."""
    driver.send_signal(signal.SIGSTOP)


def test_fencing_numbers_only_grow(record: Record) -> None:
    fences: list[int] = []
    for _ in range(3):
        with own_sweep(record, "demo", heartbeat=FAST) as ownership:
            fences.append(ownership.fence)
    assert fences == [1, 2, 3]


def test_an_owned_sweep_is_refused_to_another(record: Record) -> None:
    with (
        own_sweep(record, "demo", heartbeat=FAST),
        open_record(record.where) as other,
        pytest.raises(SweepOwnedError, match="--take-over"),
    ):
        own_sweep(other, "demo")


def test_a_sweep_that_was_let_go_is_free(record: Record) -> None:
    own_sweep(record, "demo", heartbeat=FAST).close()
    owner = record.owner("demo")
    assert isinstance(owner, Owner)
    assert owner.token is None
    own_sweep(record, "demo", heartbeat=FAST).close()


def test_an_owners_beat_grows(record: Record) -> None:
    with own_sweep(record, "demo", heartbeat=FAST):
        beats = [_beat(record), *(_beat(record) for _ in range(3) if time.sleep(0.4) is None)]
    assert beats == sorted(set(beats))


def _beat(record: Record) -> int:
    owner = record.owner("demo")
    assert owner is not None
    return owner.beat


def test_a_living_driver_keeps_its_sweep(record: Record, driver: subprocess.Popen[str]) -> None:
    with pytest.raises(SweepOwnedError) as caught:
        own_sweep(record, "demo", take_over=True, heartbeat=FAST)
    assert caught.value.is_beating
    assert told(driver) == "trial 0"


def test_a_killed_driver_is_followed_at_once(record: Record, driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.wait()
    with own_sweep(record, "demo", heartbeat=FAST) as ownership:
        assert ownership.fence == 2


@pytest.mark.slow
def test_a_driver_that_stands_still_is_followed_only_when_asked(record: Record, driver: subprocess.Popen[str]) -> None:
    stop(driver)
    with pytest.raises(SweepOwnedError):
        own_sweep(record, "demo", heartbeat=FAST)
    with own_sweep(record, "demo", take_over=True, heartbeat=FAST) as ownership:
        assert ownership.fence == 2


@pytest.mark.slow
def test_late_writes_of_a_driver_that_was_taken_for_dead_are_refused(
    record: Record, driver: subprocess.Popen[str]
) -> None:
    assert told(driver) == "trial 0"
    stop(driver)
    with own_sweep(record, "demo", take_over=True, heartbeat=FAST) as ownership:
        ownership.record.propose("demo", proposal=proposal())
        events = record.events("demo")
        driver.send_signal(signal.SIGCONT)
        assert told(driver) == "FencedError"
        assert told(driver, "check") == "FencedError"
        assert record.events("demo") == events
        assert [trial.number for trial in record.trials("demo")] == [0, 1]


def test_every_write_carries_the_number(record: Record) -> None:
    own_sweep(record, "demo", heartbeat=FAST).close()
    old = record.fenced("demo", fence=1)
    old.propose("demo", proposal=proposal())
    old.start("demo", number=0)
    with own_sweep(record, "demo", heartbeat=FAST):
        writes: list[Callable[[], object]] = [
            lambda: old.plan("demo", planned_trials=9),
            lambda: old.propose("demo", proposal=proposal()),
            lambda: old.start("demo", number=0),
            lambda: old.add_stage("demo", number=0, rung=0, stage=result().stages[0]),
            lambda: old.measure("demo", number=0, result=result()),
            lambda: old.finish("demo", number=0, result=result()),
            lambda: old.prune("demo", number=0),
            lambda: old.fail("demo", number=0, error="late"),
            lambda: old.interrupt_running("demo"),
        ]
        before = record.events("demo")
        for write in writes:
            with pytest.raises(FencedError, match="xstilts status demo"):
                write()
        assert record.events("demo") == before


def test_writes_to_other_sweeps_and_without_a_number_are_not_checked(record: Record) -> None:
    record.put_sweep("other", spec={}, objective="average", planned_trials=1)
    with own_sweep(record, "demo", heartbeat=FAST):
        record.fenced("demo", fence=0).propose("other", proposal=proposal())
        record.propose("demo", proposal=proposal())
        assert record.fenced("demo", fence=None) is record


def test_of_many_drivers_that_start_at_once_one_owns_the_sweep(record: Record) -> None:
    command = [*DRIVER, record.where]
    drivers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = sorted(driver.stdout.readline().strip() for driver in drivers if driver.stdout is not None)
    for driver in drivers:
        driver.kill()
        driver.communicate()
    assert answers == ["SweepOwnedError", "SweepOwnedError", "owns 1"]


def test_a_process_is_known_dead_only_where_it_ran() -> None:
    boot, namespace, number, started = identity().split(":")
    assert not is_known_dead(identity())
    assert is_known_dead(f"{boot}:{namespace}:{number}:{int(started) + 1}")
    assert not is_known_dead(f"another-boot:{namespace}:{number}:{int(started) + 1}")
    assert not is_known_dead(f"{boot}:1:{number}:{int(started) + 1}")
    assert not is_known_dead("")
