"""What a run that was killed has left on this machine, found and cleared.

A driver notes its Ray session in a file while it lives, so that whoever comes later knows what belonged to it. Nothing
here is needed for going on: leases of dead holders are taken, and the record is put in order, by the next run itself.
"""

from __future__ import annotations

import contextlib
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

SECONDS_TO_END = 10.0
"""How long processes are given to end after a request, before they are killed."""

_QUIET_SECONDS = 120.0
"""Progress is written twice a second while a trial runs."""


class Session(FrozenModel):
    """A driver's Ray session, noted in a file."""

    process: str
    """The driver; see `trainables.processes`."""
    folder: Path = Field(strict=False)
    """Ray's session folder."""
    scratch: Path = Field(strict=False)
    """Ray Tune's own state."""


class Leftover(Protocol):
    """One thing that was left."""

    @property
    def said(self) -> str:
        """What it is, in words."""
        ...

    def clear(self) -> None:
        """Remove it, or end it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftSession:
    """A Ray session whose driver is gone: its processes, folders and note."""

    note: Path
    session: Session

    @property
    def said(self) -> str:
        """What it is, in words."""
        num = len(self._processes())
        return f"Ray session {self.session.folder.name} of a driver that ended without a word, {num} processes"

    def clear(self) -> None:
        """End its processes, then remove its folders."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        for process in psutil.wait_procs(processes, timeout=SECONDS_TO_END)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for folder in (self.session.folder, self.session.scratch):
            shutil.rmtree(folder, ignore_errors=True)
        self.note.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _belongs(process, self.session.folder.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFile:
    """A file or folder that nobody needs."""

    path: Path
    what: str

    @property
    def said(self) -> str:
        """What it is, in words."""
        return f"{self.what} {self.path}"

    def clear(self) -> None:
        """Remove it."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def noted_session(home: Home, *, folder: Path, scratch: Path) -> Path:
    """Note this process's Ray session; returns the note, to be removed when the session has ended."""
    session = Session(process=identity(), folder=folder, scratch=scratch)
    note = _notes(home) / f"{folder.name}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(session.model_dump_json())
    return note


def find_leftovers(home: Home) -> list[Leftover]:
    """Return what drivers and trials that are gone have left, of this home.

    Raises:
        InputError: This user may not look into it.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        _check_open(home.scratch)
    return [*left_sessions(home), *_left_files(home), *_left_reserve(home)]


def left_sessions(home: Home) -> Iterator[LeftSession]:
    """Yield the Ray sessions of drivers that are gone."""
    for note in sorted(_notes(home).glob("*.json")):
        try:
            session = Session.model_validate_json(note.read_text())
        except (OSError, ValueError):
            continue
        if is_known_dead(session.process):
            yield LeftSession(note=note, session=session)


def _left_files(home: Home) -> Iterator[LeftFile]:
    """Yield files through which trials and drivers spoke to each other, once nobody has written them for a while."""
    if _is_driven(home):
        return
    for folder, what in ((home.scratch / "progress", "progress of"), (home.scratch / "stop", "request to stop")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and time.time() - path.stat().st_mtime > _QUIET_SECONDS:
                yield LeftFile(path=path, what=what)


def _left_reserve(home: Home) -> Iterator[LeftFile]:
    if "://" in home.record:
        return
    path = Reserve(Path(home.record)).path
    with contextlib.suppress(PermissionError):  # whoever opens the record says so
        if path is not None and path.exists() and not _is_driven(home):
            yield LeftFile(path=path, what="reserve of the record")


def _check_open(scratch: Path) -> None:
    try:
        next(scratch.iterdir(), None)
    except PermissionError as error:
        msg = (
            f"XSTILTS_HOME {str(scratch.parent)!r} cannot be looked into: {str(error.filename)!r} ({error.strerror}); "
            "this user must be allowed to read it: change its rights, or set XSTILTS_HOME to another folder"
        )
        raise InputError(msg) from error


def _is_driven(home: Home) -> bool:
    """Return whether a driver of this home may live."""
    gone = {one.note for one in left_sessions(home)}
    return any(note not in gone for note in _notes(home).glob("*.json"))


def _notes(home: Home) -> Path:
    return home.scratch / "sessions"


def _belongs(process: psutil.Process, session: str) -> bool:
    """Return whether a process is one of a Ray session, by its command line or a file that it has open."""
    try:
        if not process.name().startswith(("raylet", "gcs_server", "ray::", "python")):
            return False
        return any(session in part for part in process.cmdline()) or any(
            session in file.path for file in process.open_files()
        )
    except psutil.Error:
        return False
