"""The type of a field that is read from outside and names a file or folder (`trainables/names.py` has the rule)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationError

from trainables.names import problem_of_name


class _UnsafeFieldError(ValueError):
    """A name in a field that pydantic checks; pydantic needs a `ValueError`."""

    def __init__(self, name: str, *, problem: str) -> None:
        super().__init__(f"the name {name[:80]!r} {problem}")


def _checked(name: str) -> str:
    if problem := problem_of_name(name):
        raise _UnsafeFieldError(name, problem=problem)
    return name


def unsafe_name(error: ValidationError) -> str | None:
    """Return what is wrong with the first unsafe name that pydantic found, or None if it found none."""
    causes = (one.get("ctx", {}).get("error") for one in error.errors())
    return next((str(cause) for cause in causes if isinstance(cause, _UnsafeFieldError)), None)


RelativeName = Annotated[str, AfterValidator(_checked)]
"""A path below the folder that it was read from."""
