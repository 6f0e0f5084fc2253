"""Imports a library without packages that it would import for parts that are not used here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator


@contextlib.contextmanager
def leaving_out(*packages: str) -> Generator[None]:
    """Let the imports inside the block find these packages not installed; afterwards they can be imported again.

    Libraries import optional packages wherever these are installed. None in `sys.modules` is Python's way to say that a
    module cannot be imported (https://docs.python.org/3/reference/import.html#the-module-cache). A package that is
    already imported stays.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  (the type does not say that None is allowed)
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]
