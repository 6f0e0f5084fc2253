"""Drivers of sweeps as processes that tests start, watch and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from search.record import Record, TrialRow, open_record

XSTILTS = str(Path(sys.executable).with_name("xstilts"))
AGENTS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
SECONDS = 240
"""Longest wait for anything, on a machine that is busy with other things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A driver that has ended, and what it left."""

    exit_code: int
    stderr: str
    processes: frozenset[psutil.Process]
    """All that it started, directly or not."""
    processes_left: list[str]
    """Command lines of those that live on. Ray's own agents do for a minute when a driver is killed."""
    trials: tuple[TrialRow, ...]


class Driver:
    """A running `xstilts` command that drives a sweep.

    Args:
        home: XSTILTS_HOME.
        arguments: Of `xstilts`.
        sweep: Name of the sweep.
        variables: Further variables of its environment.
        prefix: A command that runs it, such as a shell that sets limits.
        has_group: Whether it has a process group of its own, for signals to the whole group.
        stderr_folder: Folder of the file with its standard error; None for `home`.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        sweep: str = "tiny",
        variables: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        has_group: bool = False,
        stderr_folder: Path | None = None,
    ) -> None:
        self._home, self._sweep = home, sweep
        self._stderr = (stderr_folder or home) / f"stderr-{time.monotonic_ns()}"
        chosen = environment(home) | (variables or {})
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*prefix, XSTILTS, *arguments],
                env=chosen,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=has_group,
            )
        self._children: set[psutil.Process] = set()

    @property
    def number(self) -> int:
        """Its process number, and that of its group where it has one of its own."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        self._look_at_children()
        return self._process.poll()

    @property
    def said(self) -> str:
        """What it has printed on standard error."""
        return self._stderr.read_text()

    def wait_until(self, holds: Callable[[Record], bool]) -> None:
        """Wait until something holds of the record, while the driver runs."""
        deadline = time.monotonic() + SECONDS
        while not (self._home / "record.db").exists():
            assert time.monotonic() < deadline, self._stderr.read_text()
            time.sleep(0.05)
        with open_record(self._home / "record.db") as record:
            while not holds(record):
                assert self._process.poll() is None, self._stderr.read_text()
                assert time.monotonic() < deadline, f"{record.trials(self._sweep)}\n{self._stderr.read_text()}"
                self._look_at_children()
                time.sleep(0.05)

    def end(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal, or none, and wait for the end of the driver and of all that it started."""
        self._look_at_children()
        if number is not None:
            self._process.send_signal(number)
        deadline = time.monotonic() + SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            self._look_at_children()
            time.sleep(0.1)
        while (left := self._lines_of_children()) and time.monotonic() < deadline:
            time.sleep(0.1)
        with open_record(self._home / "record.db") as record:
            trials = record.trials(self._sweep)
        return Ended(
            exit_code=self._process.wait(),
            stderr=self._stderr.read_text(),
            processes=frozenset(self._children),
            processes_left=left,
            trials=trials,
        )

    def _lines_of_children(self) -> list[str]:
        return [line for line in map(command_line, self._children) if line and line not in AGENTS]

    def _look_at_children(self) -> None:
        if self._process.poll() is None:
            self._children |= set(psutil.Process(self._process.pid).children(recursive=True))


def command_line(process: psutil.Process) -> str:
    """Return a process's command line, or nothing when it has ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline()).strip()
    return ""


def environment(home: Path) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"XSTILTS_HOME": str(home)}
