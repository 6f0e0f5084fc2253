"""The errors of `spaces`. All are the user's input: exit code 2.

trainables.errors.InputError (ValueError)
├── trainables.errors.ConfigError      a field of the spec; carries its dotted path
├── trainables.errors.YamlFileError    the file cannot be read as YAML; carries line and column
└── SweepSpecError
    └── UnknownSweepSpecError          no shipped spec has this name, and no file either
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
