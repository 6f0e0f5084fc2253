"""Computes which stages the trials of a record need."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from search.errors import InputError
from search.record import Record, State, SweepRow, TrialRow
from spaces.own_tasks import adopted_tasks
from trainables.config import RungsConfig
from trainables.errors import ConfigError, TrainablesError

_UNFINISHED: tuple[State, ...] = ("proposed", "running", "interrupted", "failed")
"""Trials that run, or that `xstilts search` and `resume` run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Keys of the stages that must be kept."""

    unfinished: frozenset[str]
    """Stages of trials that are not done, including those that are not made yet."""
    kept: frozenset[str]
    """Stages of the finished trials to keep."""
    of_others: frozenset[str] = frozenset()
    """Those of both that other sweeps need, where one sweep is asked about."""


def read_needs(
    record: Record, *, complete: Collection[str], keep_best: int | None, only_of: str | None = None
) -> Needs:
    """Return the stages that must be kept.

    Args:
        record: Record with the sweeps that use the store.
        complete: Keys of the stages in the store; a trial needs only the longest of its trunks there.
        keep_best: Number of finished trials of each sweep to keep, the best by its objective; None: all.
        only_of: Sweep that `keep_best` is about, for its driver. Of its kept trials, the stages of the last rung are
            kept. Of the others, all finished trials are kept. Where the stages of another sweep's trial, or of a failed
            one, cannot be computed, those are kept that the record lists. None: every sweep.

    Raises:
        InputError: The stages of a trial cannot be computed, because its data or encoder is not on this machine.
    """
    unfinished: set[str] = set()
    kept: set[str] = set()
    of_others: set[str] = set()
    for sweep in record.sweeps():
        is_other = only_of not in {None, sweep.name}
        planned = set[str]().union(*_unfinished(record, sweep, complete=complete, only_of=only_of))
        unfinished |= planned
        finished = sorted(record.trials(sweep.name, states=("finished",)), key=_rank)
        ends = stages_of(record, sweep.name, with_trunks=False, only_last_rung=sweep.name == only_of)
        ended = set[str]().union(*(ends.get(one.number, set()) for one in finished[: None if is_other else keep_best]))
        kept |= ended
        of_others |= planned | ended if is_other else set()
    return Needs(unfinished=frozenset(unfinished), kept=frozenset(kept), of_others=frozenset(of_others))


def stages_of(
    record: Record, sweep: str, *, with_trunks: bool = True, only_last_rung: bool = False
) -> dict[int, set[str]]:
    """Return trial -> keys of its stages in the record.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        with_trunks: Whether to include trunks, which only higher rungs of the same trial need.
        only_last_rung: Whether to leave out all rungs but the highest that each trial has run.
    """
    stages = record.stages(sweep)
    last: dict[int, int] = {}
    for stage in stages:
        last[stage.trial] = max(stage.rung, last.get(stage.trial, 0))
    keys: dict[int, set[str]] = {}
    for stage in stages:
        if (with_trunks or not stage.is_trunk) and not (only_last_rung and stage.rung < last[stage.trial]):
            keys.setdefault(stage.trial, set()).add(stage.key)
    return keys


def _unfinished(
    record: Record, sweep: SweepRow, *, complete: Collection[str], only_of: str | None
) -> Iterator[set[str]]:
    """Yield the stages that each unfinished trial of a sweep needs; see `read_needs` for those that are not known."""
    trials = [one for one in record.trials(sweep.name, states=_UNFINISHED) if one.set_aside is None]
    if not trials:
        return
    listed = functools.cache(lambda: stages_of(record, sweep.name))
    is_other = only_of not in {None, sweep.name}
    try:
        with adopted_tasks(sweep.own_tasks):
            for trial in trials:
                try:
                    yield _planned(trial, rungs=sweep.rungs, complete=complete)
                except InputError:
                    if only_of is None or not (is_other or trial.state == "failed"):
                        raise
                    yield listed().get(trial.number, set())
    except ConfigError:  # a task of the sweep has the name of a task that ships by now
        if not is_other:
            raise
        yield from listed().values()


def _rank(trial: TrialRow) -> tuple[bool, float, int]:
    """Return a key for sorting: the best trial first, of equal ones the earlier, and excluded trials last."""
    return (trial.set_aside is not None, -trial.score if trial.score is not None else float("inf"), trial.number)


def _planned(trial: TrialRow, *, rungs: RungsConfig, complete: Collection[str]) -> set[str]:
    """Return all stages that a trial may still need, at the rungs that it has not been measured at."""
    from trainables.plan.provenance import read_provenance
    from trainables.plan.stage_plan import needed_stages, plan_stages

    config = trial.trial_config
    try:
        provenance = read_provenance(config)
    except TrainablesError as error:
        msg = (
            f"the stages that trial {trial.number} of {trial.sweep!r} ({trial.state}) needs cannot be computed: "
            f"{error}; nothing was deleted. Run the command where that trial can run, for example with XSTILTS_MIRROR"
        )
        raise InputError(msg) from error
    first = 0 if trial.rung is None else min(trial.rung + 1, rungs.last)
    plans = (plan_stages(config, provenance=provenance, rungs=rungs, rung=rung) for rung in range(first, rungs.num))
    return {stage.key for plan in plans for stage in needed_stages(plan, is_complete=complete.__contains__)}
