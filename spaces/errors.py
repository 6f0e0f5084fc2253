"""The errors of `spaces`. In all of them the user's input is wrong; exit code 2.

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
        name: The requested name.
        known: Names of the shipped specs.
        is_folder: Whether the name is the path of a folder.
    """

    def __init__(self, name: str, known: Iterable[str], *, is_folder: bool = False) -> None:
        names = sorted(known)
        near = near_matches(name, names)
        what = f"{name!r} is a folder, and a sweep spec is a file" if is_folder else f"no sweep spec {name!r}{near}"
        super().__init__(f"{what}; shipped: {', '.join(names)}; or give the path of a YAML file")
        self.name = name
