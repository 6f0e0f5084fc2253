"""Runs a sweep while its processes are killed, one after the other, until it has finished.

A kill is either at a named point, which the victim comes to itself (`points/sitecustomize.py`), or at a random time,
from outside. The next one waits until the sweep has got further: a trial that is lost three times without progress
fails, as it should.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from search.record import open_record
from tests.end_to_end.drivers import XSTILTS, Driver, environment

POINTS = Path(__file__).with_name("points")
SECONDS_TO_FIRE = 4.0
"""A point that nothing comes to in this time is given up for another."""
SECONDS_TO_PROGRESS = 90.0
MAX_COMMANDS = 400

AT_A_POINT = [
    (role, call, when)
    for role, calls in {
        "driver": ("commit", "fsync", "rename"),
        "actor": ("rename", "link", "fsync", "commit"),
        "rank": ("rename", "fsync"),
    }.items()
    for call in calls
    for when in (("before", "after", "torn") if call == "fsync" else ("before", "after"))
]
AT_A_TIME = ("driver", "actor", "idle actor", "rank", "raylet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill."""

    role: str
    where: str
    """`rename before`, ... or `any time`."""

    def __str__(self) -> str:
        return f"{self.role}, {self.where}"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a sweep under fire."""

    kills: Counter[Kill] = field(default_factory=Counter[Kill])
    num_commands: int = 0
    """How often the same command was run until the sweep had finished."""
    exit_codes: Counter[int] = field(default_factory=Counter[int])
    stderr: str = ""
    """Of the last command."""


class Killing:
    """Runs the sweep of a spec under fire.

    Args:
        home: XSTILTS_HOME.
        spec: The spec's file.
        sweep: The sweep's name.
        chance: Decides what is killed when.
    """

    def __init__(self, home: Path, *, spec: Path, sweep: str, chance: random.Random) -> None:
        self._home, self._spec, self._sweep, self._chance = home, spec, sweep, chance
        self._folder = home / "faults"
        self._folder.mkdir()
        self._process: psutil.Popen | None = None
        self._outcome = Outcome()
        self._serial = 0

    def run(self, *, num_kills: int) -> Outcome:
        """Run the command again and again until the sweep has finished; kill until there were so many kills."""
        try:
            return self._run(num_kills)
        finally:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def _run(self, num_kills: int) -> Outcome:
        while self._outcome.num_commands < MAX_COMMANDS:
            if self._start_unless_running():
                return self._outcome
            if self._outcome.kills.total() < num_kills:
                self._kill_something()
                self._wait_for_progress()
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._command().wait(timeout=300)
        raise AssertionError(self._outcome)

    @property
    def begun_again(self) -> list[str]:
        """Keys of the stages that were begun after they had been published."""
        return begun_again(self._folder)

    def _start_unless_running(self) -> bool:
        """Return whether the sweep has finished."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return False
            self._outcome.exit_codes[code] += 1
            if code == 0:
                return True
            assert code in {-signal.SIGKILL, 1}, self._stderr()
        self._outcome.num_commands += 1
        variables = environment(self._home) | faults(self._folder)
        with (self._home / "stderr").open("wb") as stderr:
            command = [XSTILTS, "search", str(self._spec)]
            self._process = psutil.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=stderr)
        return False

    def _kill_something(self) -> None:
        if self._chance.random() < 0.5:
            self._kill_at_a_point(*self._chance.choice(AT_A_POINT))
        else:
            self._kill_at_a_time(self._chance.choice(AT_A_TIME))

    def _kill_at_a_point(self, role: str, call: str, when: str) -> None:
        self._serial += 1
        fired = arm(self._folder, serial=self._serial, role=role, call=call, when=when, nth=self._chance.randint(1, 3))
        deadline = time.monotonic() + SECONDS_TO_FIRE
        while not fired.exists() and time.monotonic() < deadline and self._command().poll() is None:
            time.sleep(0.05)
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "armed.json").unlink()
        if fired.exists():
            self._outcome.kills[Kill(role=role, where=f"{call} {when}")] += 1

    def _kill_at_a_time(self, role: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_FIRE
        while time.monotonic() < deadline and self._command().poll() is None:
            time.sleep(self._chance.uniform(0.05, 0.6))
            if victim := self._victim(role):
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL)
                    self._outcome.kills[Kill(role=role, where="any time")] += 1
                return

    def _victim(self, role: str) -> psutil.Process | None:
        if role == "driver":
            return self._command()
        found = [one for one in self._children() if self._role(one) == role]
        return self._chance.choice(found) if found else None

    def _role(self, process: psutil.Process) -> str:
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            return ""
        if "/raylet/raylet" in line:
            return "raylet"
        if line.startswith("ray::RankActor"):
            return "rank"
        if line.startswith(("ray::SweepTrainable", "ray::ResourceTrainable")):  # the latter is Tune's name for it
            return "actor" if ".train" in line else "idle actor"
        return ""

    def _wait_for_progress(self) -> None:
        """Wait until the record has another measurement or the store another checkpoint or stage, or the end."""
        before, deadline = self._reached(), time.monotonic() + SECONDS_TO_PROGRESS
        while self._reached() == before and time.monotonic() < deadline and self._command().poll() is None:
            time.sleep(0.1)

    def _reached(self) -> tuple[int, int]:
        store = self._home / "store"
        kept = [*store.glob("stages/*/*/manifest.json"), *store.glob("checkpoints/*/*/manifest.json")]
        newest = max((path.stat().st_mtime_ns for path in kept if path.exists()), default=0)
        return len(list(store.glob("stages/*/*/manifest.json"))), newest

    def _children(self) -> list[psutil.Process]:
        try:
            return self._command().children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _command(self) -> psutil.Popen:
        assert self._process is not None
        return self._process

    def _stderr(self) -> str:
        return (self._home / "stderr").read_text()


def begun_again(folder: Path) -> list[str]:
    """Return the keys of stages that were begun after they had been published, of processes with these points."""
    published: set[str] = set()
    again: list[str] = []
    for line in (folder / "stages.log").read_text().splitlines():
        what, key = line.split()
        if what == "published":
            published.add(key)
        elif key in published:
            again.append(key)
    return again


def faults(folder: Path, *, clock_jumps: bool = False) -> dict[str, str]:
    """Return the variables with which a command's processes come to armed points."""
    path = os.pathsep.join(filter(None, (str(POINTS), os.environ.get("PYTHONPATH"))))
    jumps = {"XSTILTS_CLOCK_JUMPS": "1"} if clock_jumps else {}
    return {"XSTILTS_FAULTS": str(folder), "PYTHONPATH": path} | jumps


def arm(folder: Path, *, serial: int, when: str, **point: str | int) -> Path:
    """Arm a point; returns the file that is there once a process has come to it.

    Args:
        folder: Where the processes look for it.
        serial: Another number for each point.
        when: What happens there: `before`, `after`, `torn`, `failing` or `held`.
        point: `role`, `call` and `nth`; for a call with a path also `path`, a part of it.
    """
    fired, part = folder / "fired.json", folder / "part.json"
    fired.unlink(missing_ok=True)
    (folder / "released").unlink(missing_ok=True)
    part.write_text(json.dumps({"serial": serial, "when": when, **point}))
    part.rename(folder / "armed.json")
    return fired


def unbroken_outcome(home: Path, spec: Path, *, sweep: str) -> list[tuple[object, ...]]:
    """Run a sweep that nothing disturbs; return its outcome."""
    ended = Driver(home, "search", str(spec), sweep=sweep).end()
    assert ended.exit_code == 0, ended.stderr
    return outcome_of(home, sweep)


def outcome_of(home: Path, sweep: str) -> list[tuple[object, ...]]:
    """Return all that counts of each trial: how it was proposed, where it ended, and what it scored at each rung."""
    with open_record(home / "record.db", read_only=True) as record:
        measured = {(one.trial, one.rung): one.trial_result for one in record.measurements(sweep)}
        return [
            (
                trial.number,
                trial.state,
                trial.rung,
                trial.score,
                trial.assignment,
                trial.seed,
                [measured[at].languages for at in sorted(measured) if at[0] == trial.number],
            )
            for trial in record.trials(sweep)
        ]
