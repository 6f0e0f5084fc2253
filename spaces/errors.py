"""The errors of `spaces`. All are the user's input: exit code 2.

trainables.errors.InputError (ValueError)
├── trainables.errors.ConfigError      a field of the spec; carries its dotted path
└── SweepSpecError
    ├── UnknownSweepSpecError          no shipped spec has this name, and no file either
    └── SpecFileError                  the file cannot be read as YAML; carries line and column
"""

from __future__ import annotations

from collections.abc import Iterable

from trainables.errors import InputError, near_matches


class SweepSpecError(InputError):
    """A sweep spec cannot be used."""


class UnknownSweepSpecError(SweepSpecError):
    """No shipped spec has this name.

    Args:
        name: What was asked for.
        known: Names of the shipped specs.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = near_matches(name, names)
        super().__init__(f"no sweep spec {name!r}{near}; shipped: {', '.join(names)}; or give the path of a YAML file")
        self.name = name


class SpecFileError(SweepSpecError):
    """A spec's file cannot be read as YAML.

    Args:
        file: The file, as the user named it.
        message: What is wrong and what to do.
        line: Line, counted from 1, or None when no place is known.
        column: Column, counted from 1.
    """

    def __init__(self, file: str, message: str, *, line: int | None = None, column: int | None = None) -> None:
        place = "" if line is None else f":{line}:{column}"
        super().__init__(f"{file}{place}: {message}")
        self.file, self.line, self.column = file, line, column
