"""Checks a folder that a command is to write."""

from __future__ import annotations

from pathlib import Path

from search.errors import InputError
from trainables.storage import why_not_writable


def check_new_folder(folder: Path, *, what: str) -> None:
    """Check that a folder can be written and holds no files.

    Args:
        folder: The folder; it can be missing.
        what: What is to be written, after "cannot": `export`.

    Raises:
        InputError: It holds files, or cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"cannot {what} to {str(folder)!r}: it already holds files; give a new folder")
    if problem := why_not_writable(folder):
        raise InputError(f"cannot {what} to {str(folder)!r}: {problem}; give another folder")
