"""How much a command prints beside its results: `-q` prints no progress and no hints, `-v` also what libraries log."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TextIO

_PACKAGES = ("search", "spaces", "trainables")


class _OurHandler(logging.StreamHandler[TextIO]):
    """A handler that `reset` removes again."""


@dataclass(slots=True)
class Verbosity:
    """How much this process prints."""

    is_quiet: bool = False
    """Whether progress and hints are left out; results, warnings and errors are printed."""


VERBOSITY = Verbosity()
"""The verbosity of this process."""


def reset() -> None:
    """Print as much as a command does without options."""
    VERBOSITY.is_quiet = False
    for logger in map(logging.getLogger, _PACKAGES):
        for handler in [one for one in logger.handlers if isinstance(one, _OurHandler)]:
            logger.removeHandler(handler)
            logger.propagate = True
            logger.setLevel(logging.NOTSET)


def be_quiet() -> None:
    """Leave out progress and hints from now on."""
    VERBOSITY.is_quiet = True


def be_verbose(level: int) -> None:
    """Print what the packages of this project log on standard error.

    Args:
        level: 1 prints information, 2 or more also what helps to find an error.
    """
    reset()
    handler = _OurHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for package in _PACKAGES:
        logger = logging.getLogger(package)
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO if level == 1 else logging.DEBUG)
