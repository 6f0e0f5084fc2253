"""Texts that identify configurations and their parts."""

from __future__ import annotations

from dataclasses import dataclass

from search.sampler.stage_aware.points import active, is_of_target
from spaces.space.tree import Assignment, Space

PartKey = tuple[tuple[str, str], ...]
"""A part of a configuration, before the target phase or in it, as pairs of path and value as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of one space's configurations.

    Args:
        space: The space.
    """

    space: Space

    def intermediate_key(self, assignment: Assignment) -> PartKey:
        """Return the intermediate configuration of a configuration."""
        return self._key(assignment, is_target=False)

    def target_key(self, assignment: Assignment) -> PartKey:
        """Return the target part of a configuration."""
        return self._key(assignment, is_target=True)

    def _key(self, assignment: Assignment, *, is_target: bool) -> PartKey:
        return tuple(
            (parameter.path, str(value))
            for parameter, value in active(self.space, assignment)
            if is_of_target(parameter) == is_target
        )


def text_of(assignment: Assignment) -> str:
    """Return a configuration as text."""
    return repr(sorted(assignment.items()))
