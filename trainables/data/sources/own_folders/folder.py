"""A user's own folder, which an environment variable names: where it is, what must be in it, what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trainables.errors import UnavailableError
from trainables.names import folder_of_variable
from trainables.tasks.spec import TaskSpec


class FolderSource(Protocol):
    """A source of rows in such a folder."""

    @property
    def variable(self) -> str:
        """Environment variable that holds the folder."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFolder:
    """What a folder of one layout is, for messages."""

    what: str
    """What is read from it."""
    layout: str
    """What must be in it."""
    reason: str = "no data set of the hub holds its rows, so they"
    """Why rows are read from it."""

    def find(self, source: FolderSource) -> Path | None:
        """Return the folder that a source's environment variable names, or None if the variable is not set.

        Raises:
            UnavailableError: The variable does not name a folder.
        """
        return folder_of_variable(source.variable, what=self.what, step=f"set it to {self.layout}")

    def of(self, spec: TaskSpec, *, source: FolderSource) -> Path:
        """Return the folder that holds a task's rows.

        Raises:
            UnavailableError: The variable is not set, or does not name a folder.
        """
        folder = self.find(source)
        if folder is None:
            msg = (
                f"cannot read task {spec.name!r}: {self.reason} are read from your own copy, but {source.variable} is "
                f"not set; set it to {self.layout}"
            )
            raise UnavailableError(msg)
        return folder

    def lacks(self, spec: TaskSpec, *, folder: Path, names: Sequence[str], step: str) -> UnavailableError:
        """Return the error for files that the folder does not have."""
        has_not = f"{str(folder)!r} has no {', '.join(names)}"
        return UnavailableError(f"cannot read task {spec.name!r}: {has_not}; it must be {self.layout}; {step}")
