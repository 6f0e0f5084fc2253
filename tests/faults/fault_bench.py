"""Runs a short sweep that a fault meets at a known moment, repeats the command until it has finished, and checks it.

A moment is a point of `points/sitecustomize.py`: a process that comes to it is held there while the fault is done to
another one. What must hold is the same for every fault: the sweep ends as the unbroken one, nothing on the disk is
torn, no finished stage is made twice, and no process is left.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from search.record.integrity.audit import audit
from search.stages import verify_cache, verify_stages
from tests.end_to_end.drivers import Driver, Ended
from tests.faults.killing import arm, begun_again, faults, outcome_of
from trainables.stage_store import StageStore

NAME = "faulty"
SECONDS = 120.0
"""Longest wait for a moment or a process."""
WORK = "work"
"""Name of the store's folder for what is being made."""
MAX_COMMANDS = 4
"""Most commands that a sweep may take to finish after one fault."""

MOMENTS: Mapping[str, Mapping[str, Any]] = {
    "encoding": {"role": "rank", "call": "rename", "path": "/cache/encoded/", "nth": 1},
    "training": {"role": "any", "call": "rename", "path": "/checkpoints/", "nth": 3},
    "first checkpoint": {"role": "rank", "call": "rename", "path": "-checkpoints/", "nth": 1},
    "checkpoint": {"role": "any", "call": "rename", "path": "/checkpoints/", "nth": 1},
    "publish": {"role": "any", "call": "rename", "path": "/stages/", "nth": 1},
    "evaluation": {"role": "actor", "call": "mkdir", "path": f"/store/{WORK}/", "nth": 2},
}
"""Moment -> the point that a process of the first trial comes to."""

TITLES: Mapping[str, tuple[str, ...]] = {
    "trial process": ("ray::SweepTrainable", "ray::ResourceTrainable"),
    "rank": ("ray::RankActor",),
    "raylet": ("/raylet/raylet",),
    "gcs": ("gcs_server",),
    "agent": ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "dashboard/agent.py", "runtime_env/agent/main.py"),
}
"""Kind of process -> parts of its command line."""


def write_spec(folder: Path, encoder: Path) -> Path:
    """Write the spec of two trials, one after the other; returns its path."""
    phase = {"batch_size": 8, "max_length": 48, "num_dev_items": 0}
    spec = {
        "name": NAME,
        "trials": 2,
        "concurrency": 1,
        "order": "fixed",
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, "steps": 80, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu", "checkpoint_seconds": 0.1},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 20}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    path = folder / "faulty.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


@dataclass(slots=True, kw_only=True)
class Bench:
    """A sweep under one fault."""

    home: Path
    """XSTILTS_HOME."""
    spec: Path
    """The sweep's spec."""
    store: Path
    """The store's folder."""
    ended: list[Ended] = field(default_factory=list[Ended])
    """The commands that have ended, in order."""
    makes_again: bool = False
    """Whether the fault took finished stages away, so that they must be made again."""
    _serial: int = 0

    @property
    def faults(self) -> Path:
        """Folder of the points."""
        folder = self.home / "faults"
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, *, variables: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()) -> Driver:
        """Start the command of the sweep, in a process group of its own."""
        words = ("search", str(self.spec), "--store", str(self.store))
        chosen = faults(self.faults) | dict(variables or {})
        return Driver(self.home, *words, sweep=NAME, variables=chosen, prefix=prefix, has_group=True)

    @contextlib.contextmanager
    def at(self, moment: str, *, driver: Driver) -> Generator[None]:
        """Hold a process of the sweep at a moment for as long as the context lasts."""
        self._serial += 1
        fired = arm(self.faults, serial=self._serial, when="held", **MOMENTS[moment])
        wait_for(fired.exists, driver=driver, what=f"the moment {moment}")
        try:
            yield
        finally:
            (self.faults / "released").touch()

    def finish(self, driver: Driver | None = None, *, exits: tuple[int, ...]) -> None:
        """Wait for the end of a command, and repeat it until the sweep has finished.

        Args:
            driver: The command that met the fault; None starts one.
            exits: What it may end with; the commands after it must end with 0.
        """
        self.ended.append((driver or self.start()).end())
        first = self.ended[0]
        assert first.exit_code in exits, (first.exit_code, first.stderr)
        while self.ended[-1].exit_code != 0:
            assert len(self.ended) < MAX_COMMANDS, [(one.exit_code, one.stderr) for one in self.ended]
            self.ended.append(self.start().end())

    def check(self, unbroken: list[tuple[object, ...]]) -> None:
        """Check what must hold in the end, whatever the fault was."""
        assert outcome_of(self.home, NAME) == unbroken
        assert audit(self.home / "record.db").event > 0
        store = StageStore(self.store)
        assert [one.key for one in verify_stages(store) if one.problem] == []
        assert [one.name for one in verify_cache(store) if one.problem] == []
        assert store.space.checkpoints.sizes() == {}
        assert self.makes_again or begun_again(self.faults) == []
        assert [line for one in self.ended for line in one.processes_left] == []


def wait_for(holds: Any, *, driver: Driver, what: str) -> None:
    """Wait until something holds, while a command runs."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert driver.poll() is None, f"the command ended before {what}: {driver.end().stderr}"
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)


def process_of(driver: Driver, kind: str) -> psutil.Process:
    """Return a process of a kind that a command has started; wait for one."""
    if kind == "driver":
        return psutil.Process(driver.number)
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = [one for one in psutil.Process(driver.number).children(recursive=True) if _is_a(one, kind)]
        return bool(found)

    wait_for(is_there, driver=driver, what=f"a process of kind {kind}")
    return found[-1]


def _is_a(process: psutil.Process, kind: str) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    # The agents' command lines stand in the raylet's own.
    return any(title in line for title in TITLES[kind]) and (kind == "raylet" or "/raylet/raylet" not in line)
