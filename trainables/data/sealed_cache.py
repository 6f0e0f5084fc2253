"""Checks the cached folders that decide results by the checksums of their files.

Encoded splits, vision features and vectors above frozen layers are computed once and read by every later trial. A
folder is complete when it exists: it is written under another name, gets its checksums, and is then renamed. Every
reader checks a folder first; a process checks each file once, and again after it changes. A folder that does not match
its checksums is quarantined in `damaged/`, reported in a warning, and made again; `xstilts stages gc` frees the space.
A folder of an older version has no checksums, so it cannot be checked: it is deleted and made again. Files that the
checksums do not list are read by nobody, so other programs may leave theirs (`.DS_Store`, `Thumbs.db`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import Field

from trainables.config.frozen import FrozenModel, content_key
from trainables.config.relative_name import RelativeName
from trainables.stage_store.checksums import FileEntry, file_entry, is_of_the_disk

SEAL = "checksums.json"
"""Name of the file that holds the checksums of the others; written last."""

KINDS = ("encoded", "vision", "teacher", "prefix")
"""Folders of a cache whose content decides results."""

DAMAGED = "damaged"
"""Folder of a cache that holds quarantined folders."""

_NO_CHECKSUMS = "it has no checksums"

log = logging.getLogger(__name__)


class _Seal(FrozenModel):
    """The content of the file `SEAL`."""

    key: str
    """Name of the folder: its content key."""
    files: dict[RelativeName, FileEntry] = Field(min_length=1)
    """Relative path -> size and checksum."""
    seal: str
    """SHA-256 of the other fields in canonical JSON."""


class CheckedFolder(FrozenModel):
    """The result of checking one cached folder."""

    name: str
    """Its path below the cache: `encoded/<key>`."""
    problem: str | None
    """What is wrong with it, or None."""
    is_sealed: bool = True
    """False for a folder of an older version, which has no checksums and is made again when it is used."""


def write_checksums(folder: Path, *, key: str) -> None:
    """Write the checksums of a folder's complete files into the folder.

    Args:
        folder: The folder, before it is renamed to its final name.
        key: The content key that will be its final name.
    """
    fields = {"key": key, "files": {name: entry.model_dump(mode="json") for name, entry in _entries(folder).items()}}
    with (folder / SEAL).open("w", encoding="utf-8") as file:
        json.dump({**fields, "seal": content_key(fields)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def make_unless_whole(folder: Path, *, make: Callable[[], None]) -> None:
    """Make a folder if it is missing or damaged.

    Args:
        folder: `<cache>/<kind>/<content key>`.
        make: Makes the folder under its final name; does nothing where another process has made it already.

    Raises:
        OSError: The new folder is damaged again: the disk does not keep what is written.
    """
    for _ in range(3):
        if is_whole(folder):
            return
        make()
    check_made(folder)


def check_made(folder: Path) -> None:
    """Check a folder that has just been made.

    Args:
        folder: `<cache>/<kind>/<content key>`.

    Raises:
        OSError: It is damaged again: the disk does not keep what is written.
    """
    if not is_whole(folder):
        msg = (
            f"the folder {str(folder)!r} was written, and its files differ from what was written; check the disk, or "
            "use another store with --store"
        )
        raise OSError(msg)


def is_whole(folder: Path) -> bool:
    """Return whether a folder exists and matches its checksums.

    A damaged folder is quarantined, one without checksums is deleted.
    """
    try:
        inode = folder.stat().st_ino
    except FileNotFoundError:
        return False
    problem = _problem(folder)
    if problem == _NO_CHECKSUMS:
        _delete(folder, inode=inode)
    elif problem is not None:
        _quarantine(folder, inode=inode, problem=problem)
    return problem is None


def _problem(folder: Path, *, again: bool = False) -> str | None:
    """Return the first problem of a folder, or None.

    With `again`, files that this process has read since they last changed are read too.

    Raises:
        OSError: The files cannot be read for a reason that is not their damage, such as missing rights.
    """
    try:
        return _difference(folder, again=again)
    except FileNotFoundError as error:
        return f"{Path(error.filename or SEAL).name} is missing"
    except OSError as error:
        if not is_of_the_disk(error):
            raise
        return f"{Path(error.filename or SEAL).name} cannot be read ({error.strerror})"


def check_cache(cache: Path) -> Iterator[CheckedFolder]:
    """Check each folder of a cache whose content decides results, and yield the result. Nothing is changed.

    Args:
        cache: The cache's folder; it can be missing.
    """
    for kind in KINDS:
        folders = sorted(path for path in (cache / kind).glob("[!.]*") if path.is_dir())
        for folder in folders:
            is_sealed = (folder / SEAL).exists()
            problem = _problem(folder, again=True) if is_sealed else None
            if not folder.exists():  # a run has quarantined it, or gc deleted it, since the folders were listed
                continue
            yield CheckedFolder(name=f"{kind}/{folder.name}", problem=problem, is_sealed=is_sealed)


def _difference(folder: Path, *, again: bool) -> str | None:
    if not (folder / SEAL).exists():
        return _NO_CHECKSUMS
    try:
        data = json.loads((folder / SEAL).read_bytes())
        found = _Seal.model_validate(data)
    except (ValueError, RecursionError, IsADirectoryError):
        return f"{SEAL} cannot be read"
    del data["seal"]
    if found.seal != content_key(data):
        return f"{SEAL} has changed"
    if found.key != folder.name:
        return f"{SEAL} is of folder {found.key[:12]}"
    if missing := next((name for name in found.files if not (folder / name).is_file()), None):
        return f"{missing} is missing"
    changed = (name for name, entry in found.files.items() if file_entry(folder / name, again=again) != entry)
    return next((f"{name} has changed" for name in changed), None)


def _entries(folder: Path) -> dict[str, FileEntry]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): file_entry(path) for path in paths}


def _quarantine(folder: Path, *, inode: int, problem: str) -> None:
    """Move a damaged folder aside, unless another process has replaced it since it was checked."""
    if place := _moved_aside(folder, inode=inode):
        log.warning("%s is damaged (%s); it was moved to %s and is made again", folder, problem, place)


def _delete(folder: Path, *, inode: int) -> None:
    """Delete a folder without checksums, unless another process has replaced it since it was checked."""
    place = _moved_aside(folder, inode=inode)
    if place is None:
        return
    log.info("%s has no checksums, as an older version left it; it is deleted and made again", folder)
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _moved_aside(folder: Path, *, inode: int) -> Path | None:
    place = folder.parent.parent / DAMAGED / f"{folder.parent.name}-{folder.name[:16]}-{uuid.uuid4().hex[:8]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        if folder.stat().st_ino != inode:
            return None
        folder.rename(place)
    except FileNotFoundError:
        return None
    return place
