"""Runs a trial: its phases, in order. Needs neither Ray nor Optuna.

    pretraining (or none) -> intermediate (or none) -> target -> zero-shot evaluation
                                                    -> further targets, each with an evaluation of its own

Each phase is a stage with a content key. If the store holds the stage, the trial uses it, even if another trial made
it. If not, the trial's ranks make it while the trial holds the stage's lease.
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
from trainables.trials.stage_maker import StageMaker, StageOutcome, TrialResources

__all__ = ["TrialResources", "run_trial"]


def run_trial(
    config: TrialConfig, *, resources: TrialResources, rungs: RungsConfig = ONE_RUNG, rung: int | None = None
) -> TrialResult:
    """Run a trial at a rung; stages that are complete are not made again.

    Args:
        config: The trial at its last rung, checked by `trainables.checks.preflight.check_trial`.
        resources: Store, ranks, progress.
        rungs: Its rungs.
        rung: The rung to run; None is the last.

    Returns:
        Zero-shot accuracy in each language, the trained tasks' own scores, lineage and cost.

    Raises:
        InputError: Data or checkpoint do not fit.
        RunError: A stage failed.
        StageBusyError: Another trial makes a stage, and `resources.waits` is False.
        StoppedError: The trial was asked to stop; the finished work is in the store.
        DiskError: A disk is full or cannot be used; run the trial again when it can.
    """
    config = with_absolute_folders(config)
    provenance = read_provenance(config)
    plan = plan_stages(config, provenance=provenance, rungs=rungs, rung=rung)
    maker = StageMaker(config, provenance=provenance, plan=plan, resources=resources)
    # Until the end, `stages gc` must not remove a stage that this trial found.
    with raising_disk_errors(resources.store.url), resources.store.using():
        for stage in plan:
            if not stage.is_input:
                maker.find_or_make(stage)
    return _result(list(maker.outcomes.values()), provenance=provenance)


@contextlib.contextmanager
def raising_disk_errors(store: str) -> Generator[None]:
    """Raise DiskError or DiskFullError in place of errors that a disk causes, also while the store is opened.

    Args:
        store: The store's place, for the message.

    Raises:
        DiskError: A disk cannot be used for now.
        DiskFullError: A disk or a quota has no space left.
    """
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


def _result(done: Sequence[StageOutcome], *, provenance: Provenance) -> TrialResult:
    phases = (outcome for outcome in done if outcome.stage.phase != "evaluation" and not outcome.stage.is_input)
    # The values of the trial's own line count, also if a further target trains on the same task.
    trained = sorted(phases, key=lambda outcome: not outcome.stage.further)
    scored = {
        work.task: outcome.stored.facts for outcome in done if isinstance(work := outcome.stage.work, EvaluationConfig)
    }
    own = next(iter(scored.values()))
    return TrialResult(
        languages=own.scores,
        num_items=min(own.counts.values()),
        task_scores={name: score for outcome in trained for name, score in outcome.stored.facts.scores.items()},
        stages=tuple(outcome.run for outcome in done),
        paces={
            outcome.stage.key: found for outcome in done if not outcome.reused and (found := outcome.stored.facts.paces)
        },
        starts={
            outcome.stage.key: seconds
            for outcome in done
            if not outcome.reused and (seconds := outcome.stored.facts.start_seconds)
        },
        trained={outcome.stage.phase: outcome.stored.facts.tasks for outcome in trained if not outcome.stage.further},
        # A stage of an older version has only its task's own metric.
        evaluations={
            name: facts.metrics or {provenance.specs[name].metric: facts.scores} for name, facts in scored.items()
        },
        split_rows=tuple(dict.fromkeys(rows for outcome in done for rows in outcome.stored.facts.split_rows)),
    )
