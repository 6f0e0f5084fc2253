"""What a configuration costs in optimiser steps: before its target phase, and in it as far as it is likely to climb."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces.binding import bind
from spaces.tree import Assignment, ChoiceParameter, Space, every_parameter
from trainables.config import PhaseConfig, RungsConfig
from trainables.plan.schedule import has_trunk, trunk_end

STEPS_OF_EPOCHS = 1000
"""Steps that an epoch is taken for: how long it is, only its data tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCosts:
    """Costs over one space.

    Args:
        space: The space.
        rungs: Rungs of the sweep.
        prunes: Whether one in `rungs.eta` climbs; else all do.
    """

    space: Space
    rungs: RungsConfig
    prunes: bool
    _known: dict[tuple[object, ...], tuple[float, float]] = field(
        default_factory=dict[tuple[object, ...], tuple[float, float]], repr=False, compare=False
    )
    _deciding: frozenset[str] = field(init=False, repr=False, compare=False)
    """Paths that steps may hang on; numbers other than these are left out, or every draw would be a case of its own."""

    def __post_init__(self) -> None:
        decides = ("steps", "epochs", "batch_size", "num_examples")
        paths = {
            one.path
            for one in every_parameter(self.space.root)
            if isinstance(one, ChoiceParameter) or any(part in one.field for part in decides)
        }
        object.__setattr__(self, "_deciding", frozenset(paths))

    def parts(self, assignment: Assignment) -> tuple[float, float]:
        """Return the steps before the target phase, and the expected steps of the target phase; none is below 1.

        Raises:
            ConfigError: The assignment is not in the space.
        """
        case = tuple(sorted((path, str(value)) for path, value in assignment.items() if path in self._deciding))
        if case not in self._known:
            self._known[case] = self._parts(assignment)
        return self._known[case]

    def _parts(self, assignment: Assignment) -> tuple[float, float]:
        config = bind(self.space, assignment)
        before = sum(_steps(phase) for phase in (config.pretraining, config.intermediate) if phase is not None)
        share = 1 / self.rungs.eta if self.prunes else 1.0
        expected, trunk = 0.0, 0
        for rung in range(self.rungs.num):
            work = self.rungs.at(rung, config=config).target
            steps = _steps(work)
            expected += share**rung * (steps - trunk)
            if rung < self.rungs.last and has_trunk(work.schedule):
                trunk = trunk_end(work.schedule, num_steps=steps)
        return float(before), max(expected, 1.0)


def _steps(phase: PhaseConfig) -> int:
    return phase.steps if phase.steps is not None else round((phase.epochs or 1.0) * STEPS_OF_EPOCHS)
