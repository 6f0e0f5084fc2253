"""Rebuilds an Optuna study from a sweep's history, in number order.

Nothing here changes what is proposed: `Replay` only caches trials that it has already converted to Optuna's form, and
`_SharingStorage` only avoids copies. Both are tested against a study that is built without them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import JsonValue

from search.sampler.contract import PastTrial
from search.sampler.distributions import describe
from spaces.space.tree import Space

_STATES = {
    "proposed": TrialState.RUNNING,
    "running": TrialState.RUNNING,
    "interrupted": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
}


class _SharingStorage(InMemoryStorage):
    """Optuna's in-memory storage, without its deep copy of each trial that is added: two thirds of a rebuild."""

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if template_trial is None:
            return super().create_new_trial(study_id)
        return super().create_new_trial(study_id, _Shallow(template_trial))  # pyright: ignore[reportArgumentType]  see _Shallow


class _Shallow:
    """Wraps a trial, and returns a shallow copy of it when the storage deep-copies it.

    The storage sets number and id on the copy and replaces its dictionaries instead of changing them.
    """

    def __init__(self, trial: FrozenTrial) -> None:
        self._trial = trial

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenTrial:
        return copy.copy(self._trial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Turns histories of one space into studies.

    Args:
        space: The space of every history.
        num_goals: How many objectives the sweep has.
    """

    space: Space
    num_goals: int = 1
    _known: dict[int, tuple[PastTrial, FrozenTrial]] = field(
        default_factory=dict[int, tuple[PastTrial, FrozenTrial]], repr=False, compare=False
    )

    def study(self, history: Sequence[PastTrial], *, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
        """Return a study that holds a history, without its failed trials.

        Args:
            history: Past trials in any order.
            sampler: The sampler of the study.

        Raises:
            ConfigError: An assignment is not in the space.
            ValueError: A number appears twice, or a finished trial has no finite score.
        """
        ordered = sorted(history, key=lambda trial: trial.number)
        if len({trial.number for trial in ordered}) != len(ordered):
            msg = f"a history of {len(ordered)} trials has a trial number twice; list each trial once"
            raise ValueError(msg)
        storage = _SharingStorage()
        directions = [optuna.study.StudyDirection.MAXIMIZE] * self.num_goals
        study = optuna.create_study(storage=storage, sampler=sampler, directions=directions)
        study_id = storage.get_study_id_from_name(study.study_name)
        # Optuna's TPE ignores trials in state FAIL: leaving them out proposes the same.
        for trial in ordered:
            if trial.state != "failed":
                # As Study.add_trial, without checking again what `create_trial` has checked: half of a rebuild.
                storage.create_new_trial(study_id, template_trial=self._frozen(trial))
        return study

    def _frozen(self, trial: PastTrial) -> FrozenTrial:
        known = self._known.get(trial.number)
        if known is None or known[0] != trial:
            known = self._known[trial.number] = (trial, frozen_trial(self.space, trial=trial, num_goals=self.num_goals))
        return known[1]


def frozen_trial(space: Space, *, trial: PastTrial, num_goals: int = 1) -> FrozenTrial:
    """Return a past trial as a trial of Optuna.

    With several objectives Optuna does not order pruned trials, so they have no score at a rung.

    Args:
        space: The space.
        trial: The trial.
        num_goals: How many objectives the sweep has.

    Raises:
        ConfigError: Its assignment is not in the space.
        ValueError: It is finished and has no finite score.
    """
    described = describe(space, trial.assignment, coordinates=_part(trial, name="coordinates"))
    score = trial.score if trial.score is not None and math.isfinite(trial.score) else None
    if trial.state == "finished" and score is None:
        msg = f"finished trial {trial.number} has score {trial.score}; a score is a finite number; mark it failed"
        raise ValueError(msg)
    values = trial.values if num_goals > 1 else () if score is None else (score,)
    if trial.state == "finished" and (len(values) != num_goals or not all(map(math.isfinite, values))):
        rule = "each objective needs a finite number; mark the trial failed"
        msg = f"finished trial {trial.number} has {values} for {num_goals} objectives; {rule}"
        raise ValueError(msg)
    return create_trial(
        state=_STATES[trial.state],
        values=values if trial.state == "finished" else None,
        params=described.params,
        distributions=described.distributions,
        system_attrs=_part(trial, name="system"),
        intermediate_values={trial.rung: score} if num_goals == 1 and score is not None else {},
    )


def _part(trial: PastTrial, *, name: str) -> dict[str, JsonValue]:
    part = trial.attributes.get(name)
    return part if isinstance(part, dict) else {}
