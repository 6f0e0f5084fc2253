"""Computes what a configuration costs in optimiser steps: before its target phase, and expected in it with pruning."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces.space.binder import bind
from spaces.space.tree import Assignment, ChoiceParameter, Space, every_parameter
from trainables.config import PhaseConfig, RungsConfig, TrialConfig
from trainables.plan.schedule import has_trunk, trunk_end

STEPS_OF_EPOCHS = 1000
"""Steps that are assumed for one epoch; its real number depends on the data, which is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCosts:
    """Costs over one space.

    Args:
        space: The space.
        rungs: Rungs of the sweep.
        prunes: Whether one trial in `rungs.eta` is promoted. Otherwise all are.
        counts_further: Whether the steps of further targets count. They start from the intermediate stage and do not
            depend on the target phase, so trials that share that stage share them, and they are paid with it.
    """

    space: Space
    rungs: RungsConfig
    prunes: bool
    counts_further: bool = False
    _known: dict[tuple[object, ...], tuple[float, float]] = field(
        default_factory=dict[tuple[object, ...], tuple[float, float]], repr=False, compare=False
    )
    _deciding: frozenset[str] = field(init=False, repr=False, compare=False)
    """Paths on which the steps can depend. Other numbers are not part of the cache key, for every draw has new ones."""

    def __post_init__(self) -> None:
        decides = ("steps", "epochs", "batch_size", "num_examples", "seeds", "merge")
        paths = {
            one.path
            for one in every_parameter(self.space.root)
            if isinstance(one, ChoiceParameter) or any(part in one.field for part in decides)
        }
        object.__setattr__(self, "_deciding", frozenset(paths))

    def parts(self, assignment: Assignment) -> tuple[float, float]:
        """Return the steps before the target phase, and the expected steps of the target phase, which are at least 1.

        A merge takes no steps; those of its parts are counted in `merge_parts`.

        Raises:
            ConfigError: The assignment is not in the space.
        """
        case = tuple(sorted((path, str(value)) for path, value in assignment.items() if path in self._deciding))
        if case not in self._known:
            self._known[case] = self._parts(assignment)
        return self._known[case]

    def to_continue(self, assignment: Assignment, *, rung: int) -> float:
        """Return the expected steps, at least 1, of a trial that was pruned at a rung and is promoted to the next.

        What later rungs would have continued from was deleted when it was pruned, so the next rung starts anew.
        """
        config, share = bind(self.space, assignment), 1 / self.rungs.eta if self.prunes else 1.0
        expected, trunk = 0.0, 0
        for above in range(rung + 1, self.rungs.num):
            at_rung = self.rungs.at(above, config=config)
            steps = num_steps(at_rung.target)
            further = _steps_of_further(at_rung) if self.counts_further else 0
            expected += share ** (above - rung - 1) * (steps - trunk + further)
            trunk = trunk_end(at_rung.target.schedule, num_steps=steps) if has_trunk(at_rung.target.schedule) else trunk
        return _num_runs(config) * max(expected, 1.0)

    def _parts(self, assignment: Assignment) -> tuple[float, float]:
        config = bind(self.space, assignment)
        trained = [phase for phase in (config.pretraining, config.intermediate) if phase is not None]
        before: float = sum(num_steps(phase) for phase in trained if phase.merge is None)
        share = 1 / self.rungs.eta if self.prunes else 1.0
        expected, trunk = 0.0, 0
        for rung in range(self.rungs.num):
            at_rung = self.rungs.at(rung, config=config)
            before += share**rung * _steps_of_further(at_rung) if self.counts_further else 0
            work = at_rung.target
            steps = num_steps(work)
            expected += share**rung * (steps - trunk)
            if rung < self.rungs.last and has_trunk(work.schedule):
                trunk = trunk_end(work.schedule, num_steps=steps)
        return before, _num_runs(config) * max(expected, 1.0)


def _num_runs(config: TrialConfig) -> int:
    return config.target.average.num_runs if config.target.average else 1


def _steps_of_further(config: TrialConfig) -> int:
    """Return the steps of the further targets; two with the same training are trained once."""
    distinct: list[tuple[PhaseConfig, ...]] = []
    for target in config.further.values():
        if target.target not in distinct:
            distinct.append(target.target)
    return sum(num_steps(work) for works in distinct for work in works)


def num_steps(phase: PhaseConfig) -> int:
    """Return the optimiser steps of a phase; the number is assumed where the phase is given in epochs."""
    return phase.steps if phase.steps is not None else round((phase.epochs or 1.0) * STEPS_OF_EPOCHS)
