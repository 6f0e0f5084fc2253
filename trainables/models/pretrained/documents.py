"""Reads the JSON files of a checkpoint, as strictly as the loaders that read them later."""

from __future__ import annotations

import codecs
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError

LFS_POINTER = b"version https://git-lfs"
"""First bytes of a pointer file of Git LFS, which replaces a file that was not fetched."""

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. It is cached, so callers must not change it.

    Raises:
        CheckpointError: The file is not a JSON object in UTF-8, or starts with a byte order mark.
    """
    facts = path.stat()
    return _read(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: Path, size: int, mtime_ns: int) -> dict[str, Any]:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    content = _content(path)
    if content.startswith(LFS_POINTER):
        raise unreadable(path, "is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`")
    if content.startswith(_MARKS):
        raise unreadable(
            path, "starts with a byte order mark, which JSON must not have", "save it as UTF-8 without the mark"
        )
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise unreadable(path, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except ValueError as error:
        raise unreadable(path, f"is not valid JSON ({error})", "copy the checkpoint again") from None
    except RecursionError:
        raise unreadable(path, "is nested too deeply to be read", "copy the checkpoint again") from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
        raise unreadable(path, f"holds {kind}, but must hold an object", "copy the checkpoint again")
    return cast("dict[str, Any]", value)


def unreadable(path: Path, problem: str, remedy: str) -> CheckpointError:
    """Return the error about a file that cannot be used, with its problem and the next step (`remedy`)."""
    return CheckpointError(
        f"cannot load a checkpoint from {str(path.parent)!r}: {path.name} {problem}; {remedy}",
        folder=path.parent,
        field=path.name,
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, f"cannot be read ({error.strerror})", "correct its permissions") from None
