"""JSON files of a checkpoint, read as strictly as the loaders that come later."""

from __future__ import annotations

import codecs
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError

LFS_POINTER = b"version https://git-lfs"
"""How the file begins that Git LFS leaves where the real one was not fetched."""

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds. It is not to be changed: it is kept.

    Raises:
        CheckpointError: It is no JSON object in UTF-8, or begins with a byte order mark.
    """
    facts = path.stat()
    return _read(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: Path, size: int, mtime_ns: int) -> dict[str, Any]:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    content = _content(path)
    if content.startswith(LFS_POINTER):
        raise unreadable(path, "is a pointer of Git LFS, not the file itself", "fetch it with `git lfs pull`")
    if content.startswith(_MARKS):
        raise unreadable(
            path, "begins with a byte order mark, which JSON does not have", "save it as UTF-8 without the mark"
        )
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise unreadable(path, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except ValueError as error:
        raise unreadable(path, f"is no JSON ({error})", "copy the checkpoint anew") from None
    except RecursionError:
        raise unreadable(path, "is no JSON that can be read: it is nested too deep", "copy it anew") from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
        raise unreadable(path, f"holds {kind}, and an object is needed", "copy the checkpoint anew")
    return cast("dict[str, Any]", value)


def unreadable(path: Path, problem: str, remedy: str) -> CheckpointError:
    """Return the error of a file that cannot be used."""
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
