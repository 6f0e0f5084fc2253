"""Which stages the record's trials need."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from search.errors import InputError
from search.record import Record, State, TrialRow
from spaces.own_tasks import adopt_tasks
from trainables.config import RungsConfig
from trainables.errors import TrainablesError

_UNFINISHED: tuple[State, ...] = ("proposed", "running", "interrupted", "failed")
"""Trials that run, or that `xstilts search` and `resume` run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Stages that must stay, by why."""

    unfinished: frozenset[str]
    """Of trials that are not done: found, made, or still to be made."""
    kept: frozenset[str]
    """Of the finished trials that are to be kept."""


def read_needs(record: Record, *, complete: Collection[str], keep_best: int | None) -> Needs:
    """Return which stages must stay.

    Args:
        record: Holds the sweeps that use the store.
        complete: Keys of the stages that the store has: of trunks a trial needs the longest one alone.
        keep_best: Finished trials of each sweep to keep, the best by its objective; None keeps all.

    Raises:
        InputError: A trial's stages cannot be told, because its data or encoder cannot be found here.
    """
    unfinished: set[str] = set()
    kept: set[str] = set()
    for sweep in record.sweeps():
        adopt_tasks(sweep.own_tasks)
        for trial in record.trials(sweep.name, states=_UNFINISHED):
            if trial.set_aside is None:
                unfinished |= _planned(trial, rungs=sweep.rungs, complete=complete)
        finished = sorted(record.trials(sweep.name, states=("finished",)), key=_rank)
        ends = stages_of(record, sweep.name, with_trunks=False)
        for trial in finished[:keep_best]:
            kept |= ends.get(trial.number, set())
    return Needs(unfinished=frozenset(unfinished), kept=frozenset(kept))


def stages_of(record: Record, sweep: str, *, with_trunks: bool = True) -> dict[int, set[str]]:
    """Return trial -> keys of the stages that the record has of it.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        with_trunks: Whether training states count, which nothing but a higher rung of the same trial needs.
    """
    keys: dict[int, set[str]] = {}
    for stage in record.stages(sweep):
        if with_trunks or not stage.is_trunk:
            keys.setdefault(stage.trial, set()).add(stage.key)
    return keys


def _rank(trial: TrialRow) -> tuple[bool, float, int]:
    """Order the best trial first, those set aside last; of equals the earlier."""
    return (trial.set_aside is not None, -trial.score if trial.score is not None else float("inf"), trial.number)


def _planned(trial: TrialRow, *, rungs: RungsConfig, complete: Collection[str]) -> set[str]:
    """Return all stages that a trial may still come to, at the rungs that it has not been measured at."""
    from trainables.plan.provenance import read_provenance
    from trainables.plan.stage_plan import needed_stages, plan_stages

    config = trial.trial_config
    try:
        provenance = read_provenance(config)
    except TrainablesError as error:
        msg = (
            f"the stages that trial {trial.number} of {trial.sweep!r} ({trial.state}) needs cannot be told: {error}; "
            "nothing was removed. Run this where that trial can run, for example with XSTILTS_MIRROR set"
        )
        raise InputError(msg) from error
    first = 0 if trial.rung is None else min(trial.rung + 1, rungs.last)
    plans = (plan_stages(config, provenance=provenance, rungs=rungs, rung=rung) for rung in range(first, rungs.num))
    return {stage.key for plan in plans for stage in needed_stages(plan, is_complete=complete.__contains__)}
