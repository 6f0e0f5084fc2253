"""Texts that identify configurations and their intermediate parts, computed once for each trial of a long history."""

from __future__ import annotations

from dataclasses import dataclass, field

from search.sampler.contract import PastTrial
from search.sampler.stage_aware.points import active, is_of_target
from spaces.space.tree import Assignment, Space

PartKey = tuple[tuple[str, str], ...]
"""A part of a configuration, before the target phase or in it, as pairs of path and value as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What identifies a trial's configuration."""

    assignment: Assignment
    text: str
    """Of the whole configuration."""
    intermediate: PartKey
    """Of its part before the target phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of one space's configurations.

    Args:
        space: The space.
    """

    space: Space
    _known: dict[int, Label] = field(default_factory=dict[int, Label], repr=False, compare=False)

    def of_trial(self, trial: PastTrial) -> Label:
        """Return the label of a trial; a trial whose assignment is the same object keeps its label."""
        known = self._known.get(trial.number)
        if known is None or known.assignment is not trial.assignment:
            known = self._known[trial.number] = Label(
                assignment=trial.assignment,
                text=text_of(trial.assignment),
                intermediate=self.intermediate_key(trial.assignment),
            )
        return known

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
