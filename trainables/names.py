"""Checks relative names that come from outside: from a store, a record, a cache or a spec.

Anyone who can write to a shared store can choose the names in it. A name must be a path below the folder that it was
read from: it is relative, `/` separates its parts, and no part leads to a parent folder. Every reader of such names
uses this module, so the rule is the same everywhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from trainables.errors import InputError, RunError, UnavailableError

MAX_NAME_BYTES = 1024
"""Longest name that is accepted; Linux allows paths of 4,096 bytes."""

MAX_PART_BYTES = 255
"""Longest part of a name; Linux's file systems allow no longer one."""


class UnsafeNameError(RunError, ValueError):
    """A name leads out of its folder.

    Args:
        name: The name.
        problem: Why it is refused, as a predicate.
        where: The file or store that contains the name.
    """

    def __init__(self, name: str, *, problem: str, where: str) -> None:
        shown = name if len(name) <= 80 else f"{name[:80]}..."  # noqa: PLR2004  a line of a terminal
        super().__init__(
            f"{where} contains the name {shown!r}, which {problem}; a name must stay below its folder. Nothing was "
            "read or written there: find out who wrote the name, and use another copy"
        )
        self.name = name


def problem_of_name(name: str) -> str | None:
    """Return why a relative name is refused, or None.

    Args:
        name: As it was read, with `/` between its parts.
    """
    if not name or name != name.strip("/") or name.startswith("~"):
        return "is empty, absolute, or ends in '/'"
    if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if any(len(part.encode(errors="surrogatepass")) > MAX_PART_BYTES for part in name.split("/")):
        return f"has a part that is longer than {MAX_PART_BYTES} bytes"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "has an empty part, or a part '.' or '..'"
    if "\\" in name or not name.isprintable():
        return "contains a backslash or a character that cannot be printed"
    return None


def inside(folder: Path, name: str, *, where: str) -> Path:
    """Return the path of a name directly in a folder, not in a folder of it; otherwise like `path_below`."""
    if "/" in name:
        raise UnsafeNameError(name, problem="holds a '/'", where=where)
    return path_below(folder, name, where=where)


def path_below(folder: Path, name: str, *, where: str) -> Path:
    """Return the path of a name below a folder.

    Args:
        folder: The folder.
        name: The name, as it was read.
        where: The file or store that contains the name, for the message.

    Raises:
        UnsafeNameError: The name leads out of the folder.
    """
    if problem := problem_of_name(name):
        raise UnsafeNameError(name, problem=problem, where=where)
    return folder / name


def expanded(place: str | Path, *, what: str) -> Path:
    """Return the path of a place that a user gave, with `~` and `~user` replaced by a home folder.

    Args:
        place: As the user wrote it.
        what: What it is, for the message, such as `XSTILTS_HOME`.

    Raises:
        InputError: There is no such user, or the place holds a NUL.
    """
    try:
        if "\0" not in str(place):
            return Path(place).expanduser()
        problem = "a path cannot hold a NUL character"
    except RuntimeError as error:
        problem = str(error).rstrip(".")
    msg = f"{what} {str(place)[:80]!r} cannot be used: {problem}; write it as an absolute path"
    raise InputError(msg) from None


def folder_of_variable(variable: str, *, what: str, step: str) -> Path | None:
    """Return the absolute path of the folder that an environment variable names, or None if it is not set.

    Args:
        variable: Name of the variable.
        what: What is read from the folder, for the message.
        step: What the user should do if it is not a folder.

    Raises:
        UnavailableError: The variable does not name a folder.
    """
    value = os.environ.get(variable, "")
    if not value:
        return None
    folder = expanded(value, what=variable).absolute()
    if not folder.is_dir():
        msg = f"cannot read {what}: {variable} is {value!r}, which is not a folder; {step}"
        raise UnavailableError(msg)
    return folder
