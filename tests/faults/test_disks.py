"""A sweep whose disk becomes full, read-only or fails, or whose clocks jump, ends as the unbroken one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from search.record import Record
from search.record.integrity.audit import audit
from tests.end_to_end.drivers import Driver
from tests.faults.killing import arm, faults, outcome_of, unbroken_outcome
from tests.faults.remounting import make_read_only
from trainables.stage_store import StageStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NAME = "disk"
BALLAST = "ballast"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 50 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(mount("size=50m", folder), capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(options: str, folder: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]


def write_spec(folder: Path, encoder: Path) -> Path:
    phase = {"batch_size": 8, "max_length": 48, "num_dev_items": 0}
    spec = {
        "name": NAME,
        "trials": 4,
        "concurrency": 2,
        "order": "fixed",
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, "steps": 150, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu", "checkpoint_seconds": 0.2},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 40}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    path = folder / "disk.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


@pytest.fixture(scope="module")
def unbroken(
    tiny_world: None,  # noqa: ARG001  (the sweep's processes read it)
    tiny_encoder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[object, ...]]:
    """What comes of the sweep on a disk with space."""
    home = tmp_path_factory.mktemp("unbroken")
    return unbroken_outcome(home, write_spec(home, tiny_encoder), sweep=NAME)


def has_a_result(record: Record) -> bool:
    return bool(record.sweeps()) and any(trial.state == "finished" for trial in record.trials(NAME))


def is_paused(record: Record) -> bool:
    return "paused" in [event.kind for event in record.events(NAME)] or has_ended_early(record)


def has_ended_early(record: Record) -> bool:
    owner = record.owner(NAME)
    return owner is not None and owner.token is None


def fill(folder: Path) -> bool:
    """Write more to a file until the disk is full, and return True."""
    with contextlib.suppress(OSError), (folder / BALLAST).open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return True


def check_nothing_is_torn(home: Path) -> None:
    assert audit(home / "record.db").event > 0
    assert [one.key for one in StageStore(home / "store").space.stages().values() if one.facts is None] == []


def test_a_full_disk_tears_nothing_and_the_same_command_finishes_once_there_is_space(
    unbroken: list[tuple[object, ...]], small_disk: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    home = small_disk / "home"
    home.mkdir()
    command = ["search", str(write_spec(tmp_path, tiny_encoder))]
    driver = Driver(home, *command, sweep=NAME, stderr_folder=tmp_path)
    driver.wait_until(has_a_result)
    # Also the space that ended trials and the record give up is taken: the pause is printed, and perhaps not noted.
    driver.wait_until(lambda _: fill(small_disk) and "Paused:" in driver.said)
    check_nothing_is_torn(home)
    killed = driver.end(signal.SIGKILL)
    (small_disk / BALLAST).unlink()
    ended = Driver(home, *command, sweep=NAME).end()

    assert "Paused:" in killed.stderr
    assert (killed.exit_code, ended.exit_code) == (-signal.SIGKILL, 0), ended.stderr
    assert outcome_of(home, NAME) == unbroken
    check_nothing_is_torn(home)


def test_a_disk_that_becomes_read_only_pauses_the_sweep_and_fails_no_trial(
    unbroken: list[tuple[object, ...]], small_disk: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    home, store = tmp_path / "home", small_disk / "store"
    home.mkdir()
    command = ["search", str(write_spec(tmp_path, tiny_encoder)), "--store", str(store)]
    driver = Driver(home, *command, sweep=NAME)
    driver.wait_until(has_a_result)
    make_read_only(small_disk, while_true=lambda: driver.poll() is None)
    driver.wait_until(is_paused)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    ended = driver.end()

    assert ended.exit_code == 0, ended.stderr
    assert outcome_of(home, NAME) == unbroken


FAILING = (("actor", "rename"), ("actor", "fsync"), ("rank", "rename"), ("rank", "fsync"), ("actor", "link"))
"""The one that comes most seldom is the last: it may be waited for until the sweep ends."""


def test_failing_calls_and_jumping_clocks_fail_no_trial_and_change_nothing(
    unbroken: list[tuple[object, ...]], tiny_encoder: Path, tmp_path: Path
) -> None:
    home, folder = tmp_path / "home", tmp_path / "faults"
    home.mkdir()
    folder.mkdir()
    command = ["search", str(write_spec(tmp_path, tiny_encoder))]
    driver = Driver(home, *command, sweep=NAME, variables=faults(folder, clock_jumps=True))
    driver.wait_until(lambda _: any((home / "store").glob("checkpoints/*/*/manifest.json")))  # ranks work
    num_fired = 0
    for serial, (role, call) in enumerate(FAILING):
        fired = arm(folder, serial=serial, role=role, call=call, when="failing", nth=1)
        deadline = time.monotonic() + 15
        while not fired.exists() and time.monotonic() < deadline and driver.poll() is None:
            time.sleep(0.05)
        num_fired += fired.exists()
        (folder / "armed.json").unlink(missing_ok=True)
    ended = driver.end()

    assert num_fired >= 2
    assert ended.exit_code == 0, ended.stderr
    assert outcome_of(home, NAME) == unbroken
