"""A trial: its phases, in order. Needs neither Ray nor Optuna.

    pretraining (or none) -> intermediate (or none) -> target -> zero-shot evaluation
                                                    -> further targets, each with an evaluation of its own

Each phase is a stage with a content key. A stage that the store holds is used as it is, whoever made it; one that it
lacks is made by the trial's ranks while it holds the stage's lease.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

from trainables.config import EvaluationConfig, RungsConfig, TrialConfig
from trainables.errors import DiskError, DiskFullError
from trainables.failures import is_disk_full, is_disk_unusable
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import ONE_RUNG, Provenance, plan_stages
from trainables.plan.starting_weights import with_absolute_folders
from trainables.results import TrialResult
from trainables.trials.stage_maker import Obtained, StageMaker, Workplace

__all__ = ["Workplace", "run_trial"]


def run_trial(
    config: TrialConfig, *, workplace: Workplace, rungs: RungsConfig = ONE_RUNG, rung: int | None = None
) -> TrialResult:
    """Run a trial at a rung, or collect what is already there of it.

    Args:
        config: The trial, as it is at its last rung; `trainables.checks.trial.check_trial` has passed it.
        workplace: Store, ranks, progress.
        rungs: Its rungs.
        rung: The rung to run; None is the last.

    Returns:
        Zero-shot accuracy in each language, the trained tasks' own scores, lineage and cost.

    Raises:
        InputError: Data or checkpoint do not fit.
        RunError: A stage failed.
        StageBusyError: Another makes a stage, and the workplace does not wait.
        StoppedError: It was asked to stop; what was done is in the store.
        DiskError: A disk is full or cannot be used; run it again when it can.
    """
    config = with_absolute_folders(config)
    provenance = read_provenance(config)
    plan = plan_stages(config, provenance=provenance, rungs=rungs, rung=rung)
    maker = StageMaker(config, provenance=provenance, plan=plan, workplace=workplace)
    # Until the end nobody may free the space of a stage that this trial found.
    with _telling_of_the_disk(workplace.store.url), workplace.store.using():
        for stage in plan:
            if not stage.is_trunk:
                maker.obtain(stage)
    return _result(list(maker.obtained.values()), provenance=provenance)


@contextlib.contextmanager
def _telling_of_the_disk(store: str) -> Generator[None]:
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFullError(f"the store {store!r}", str(error)) from error
        if is_disk_unusable(error):
            raise DiskError(f"the store {store!r}", str(error)) from error
        raise


def _result(done: Sequence[Obtained], *, provenance: Provenance) -> TrialResult:
    phases = (one for one in done if one.stage.phase != "evaluation" and not one.stage.is_trunk)
    # What the trial's own line says of a task stands, whatever a further target trains on it.
    trained = sorted(phases, key=lambda one: not one.stage.further)
    scored = {one.stage.work.task: one.stored.facts for one in done if isinstance(one.stage.work, EvaluationConfig)}
    own = next(iter(scored.values()))
    return TrialResult(
        languages=own.scores,
        num_items=min(own.counts.values()),
        task_scores={name: score for one in trained for name, score in one.stored.facts.scores.items()},
        stages=tuple(one.run for one in done),
        trained={one.stage.phase: one.stored.facts.tasks for one in trained if not one.stage.further},
        # A stage that an older version made knows its task's own metric alone.
        evaluations={
            name: facts.metrics or {provenance.specs[name].metric: facts.scores} for name, facts in scored.items()
        },
        split_rows=tuple(dict.fromkeys(rows for one in done for rows in one.stored.facts.split_rows)),
    )
