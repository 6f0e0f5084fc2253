"""Finds and clears what a killed run left on this machine: Ray sessions and files.

A driver keeps a note of its Ray session in a file while it runs, so that a later process knows which processes and
folders belonged to it. A sweep can continue without this module: the next run itself takes the leases of dead processes
and corrects the record.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
from pydantic import Field

from search.errors import InputError
from search.home import Home
from search.record.reserve import Reserve
from trainables.config.frozen import FrozenModel
from trainables.processes import identity, is_known_dead

SCRATCH_PREFIX = "xstilts-tune-"
"""Start of the name of a folder that takes Ray Tune's own state."""

SECONDS_TO_END = 10.0
"""Longest wait, in seconds, for killed processes to be gone."""

_SESSION = re.compile(r"session_\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}_\d+_\d+")
"""Ray's name of a session: its start, and the number of the process that started it."""

_STALE_SECONDS = 120.0
"""A file that was not written for so long is left over: a running trial writes its progress twice a second."""


class Session(FrozenModel):
    """The note of a driver's Ray session."""

    process: str
    """Identity of the driver's process; see `trainables.processes`."""
    folder: Path = Field(strict=False)
    """Ray's session folder."""
    scratch: Path = Field(strict=False)
    """Folder of Ray Tune's own state."""


class Leftover(Protocol):
    """One thing that a killed run left."""

    @property
    def description(self) -> str:
        """What it is, in words."""
        ...

    def clear(self) -> None:
        """Delete it, or end it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSession:
    """A Ray session whose driver has died: its processes, folders and note."""

    note: Path
    session: Session

    @property
    def description(self) -> str:
        """What it is, in words."""
        num = len(self._processes())
        return f"Ray session {self.session.folder.name} of a driver that was killed, {num} processes"

    def clear(self) -> None:
        """Kill its processes, which ignore SIGTERM (`ray_door`), then delete its folders and its note."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=SECONDS_TO_END)
        for folder in (self.session.folder, self.session.scratch):
            shutil.rmtree(folder, ignore_errors=True)
        self.note.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _belongs(process, self.session.folder.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFile:
    """A file or folder that no process uses any more."""

    path: Path
    what: str
    """What it held, in words."""

    @property
    def description(self) -> str:
        """What it is, in words."""
        return f"{self.what} {self.path}"

    def clear(self) -> None:
        """Delete it."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def note_session(home: Home, *, folder: Path, scratch: Path) -> Path:
    """Write the note of this process's Ray session, and return its path; delete it when the session has ended.

    Args:
        home: The places of the command.
        folder: Ray's session folder.
        scratch: Folder of Ray Tune's own state.
    """
    session = Session(process=identity(), folder=folder, scratch=scratch)
    note = _notes(home) / f"{folder.name}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(session.model_dump_json())
    return note


def find_leftovers(home: Home) -> list[Leftover]:
    """Return what dead drivers and trials of this home left.

    Raises:
        InputError: This user has no permission to read the folder.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        _check_readable(home.scratch)
    return [*find_dead_sessions(home), *_stale_files(home), *_stale_reserve(home)]


def find_dead_sessions(home: Home) -> Iterator[DeadSession]:
    """Yield the Ray sessions of dead drivers."""
    for note in sorted(_notes(home).glob("*.json")):
        try:
            session = Session.model_validate_json(note.read_text())
        except (OSError, ValueError):
            continue
        if not _is_ours(session):
            continue
        if is_known_dead(session.process):
            yield DeadSession(note=note, session=session)


def _stale_files(home: Home) -> Iterator[StaleFile]:
    """Yield files of trials and drivers (progress, requests to stop) that no process has written for a while."""
    if _is_driven(home):
        return
    for folder, what in ((home.scratch / "progress", "progress of"), (home.scratch / "stop", "request to stop")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                yield StaleFile(path=path, what=what)


def _stale_reserve(home: Home) -> Iterator[StaleFile]:
    if "://" in home.record:
        return
    path = Reserve(Path(home.record)).path
    with contextlib.suppress(PermissionError):  # opening the record reports it
        if path is not None and path.exists() and not _is_driven(home):
            yield StaleFile(path=path, what="reserve file of the record")


def _check_readable(scratch: Path) -> None:
    try:
        next(scratch.iterdir(), None)
    except PermissionError as error:
        msg = (
            f"XSTILTS_HOME {str(scratch.parent)!r} cannot be read: {str(error.filename)!r} ({error.strerror}); this "
            "user needs permission to read it: change its permissions, or set XSTILTS_HOME to another folder"
        )
        raise InputError(msg) from error


def _is_driven(home: Home) -> bool:
    """Return whether a driver of this home may still run."""
    dead = {session.note for session in find_dead_sessions(home)}
    return any(note not in dead for note in _notes(home).glob("*.json"))


def _notes(home: Home) -> Path:
    return home.scratch / "sessions"


def _is_ours(session: Session) -> bool:
    """Return whether a note names folders of the kind that a driver makes: what it names is removed."""
    places = (session.folder, session.scratch)
    is_plain = all(place.is_absolute() and ".." not in place.parts for place in places)
    # A shorter name, such as `session_2026`, would stand in the command lines of other sessions too.
    is_ours = _SESSION.fullmatch(session.folder.name) and session.scratch.name.startswith(SCRATCH_PREFIX)
    return is_plain and bool(is_ours)


def _belongs(process: psutil.Process, session: str) -> bool:
    """Return whether a process belongs to a Ray session: by its command line, or by a file that it has open."""
    try:
        if not process.name().startswith(("raylet", "gcs_server", "ray::", "python")):
            return False
        return any(session in part for part in process.cmdline()) or any(
            session in file.path for file in process.open_files()
        )
    except psutil.Error:
        return False
