"""A trial: its phases, in order. Needs neither Ray nor Optuna.

    pretraining (or none) -> intermediate (or none) -> target -> zero-shot evaluation
                                                    -> further targets, each with an evaluation of its own

Each phase is a stage with a content key. A stage that the store holds is used as it is, whoever made it; one that it
lacks is made by the trial's ranks while it holds the stage's lease.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainables.checkpoint_keeper import StopRequest, keeping_checkpoints
from trainables.checkpoints import encoder_folder, vision_folder, with_absolute_folders
from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.jobs import EvaluateJob, Job, JobPlaces, JobResult, TrainJob
from trainables.local_group import WorkerGroup
from trainables.mixture import phase_tasks
from trainables.provenance import read_provenance
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageFacts, StageStore, StoredStage
from trainables.stages import Provenance, Stage, plan_stages

log = logging.getLogger(__name__)


def _ignore_stage(stage: StageRun) -> None:
    del stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where a trial works and who works for it."""

    store: StageStore
    """Holds finished stages."""
    group: WorkerGroup
    """Ranks; started only if a stage has to be made."""
    progress: Path | None = None
    """File that rank 0 keeps its progress in, or None."""
    stop: StopRequest = field(default_factory=StopRequest)
    """Once made, a stage that trains leaves a checkpoint and ends with StoppedError."""
    on_stage: Callable[[StageRun], None] = _ignore_stage
    """Told of every stage as soon as it is complete, so that a trial that dies later has its cost on record."""

    @property
    def cache(self) -> Path:
        """Folder of encoded data sets, beside the stages."""
        return self.store.root / "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A complete stage, and whether this trial made it."""

    stage: Stage
    stored: StoredStage
    reused: bool


def run_trial(config: TrialConfig, *, workplace: Workplace) -> TrialResult:
    """Run a trial, or collect what is already there of it.

    Args:
        config: The trial; `trainables.checks.check_trial` has passed it.
        workplace: Store, ranks, progress.

    Returns:
        Zero-shot accuracy in each language, the trained tasks' own scores, lineage and cost.

    Raises:
        InputError: Data or checkpoint do not fit.
        RunError: A stage failed.
        StoppedError: It was asked to stop; what was done is in the store.
    """
    config = with_absolute_folders(config)
    provenance = read_provenance(config)
    done: dict[str, Obtained] = {}
    with workplace.store.using():  # until the end nobody may free the space of a stage that this trial found
        for stage in plan_stages(config, provenance=provenance):
            done[stage.key] = _obtain(stage, config=config, provenance=provenance, done=done, workplace=workplace)
            workplace.on_stage(_run(done[stage.key]))
            _tell_left_out(done[stage.key].stored.facts)
    return _result(list(done.values()), provenance=provenance)


def _tell_left_out(facts: StageFacts) -> None:
    for name, training in facts.tasks.items():
        if training.num_unreadable:
            log.warning(
                "%s phase: %d examples of %s are left out, an image of theirs cannot be decoded; %d are trained on",
                facts.phase,
                training.num_unreadable,
                name,
                training.size,
            )


def _obtain(
    stage: Stage, *, config: TrialConfig, provenance: Provenance, done: Mapping[str, Obtained], workplace: Workplace
) -> Obtained:
    """Return a stage from the store, or make it there."""
    store = workplace.store
    if found := store.find(stage.key):
        return Obtained(stage=stage, stored=found, reused=True)
    with store.lease(stage.key):
        if found := store.find(stage.key):  # another trial made it while this one waited
            return Obtained(stage=stage, stored=found, reused=True)
        with store.work_folder(stage.key) as output:
            started = time.monotonic()
            parent = done[stage.parent] if stage.parent else None
            places = _places(stage, config=config, parent=parent, output=output, workplace=workplace)
            job = _job(stage, config=config, provenance=provenance, parent=parent, places=places)
            result = _run_job(job, key=stage.key, workplace=workplace)
            facts = _facts(stage, result, seconds=result.seconds_before + time.monotonic() - started)
            return Obtained(stage=stage, stored=store.commit(stage.key, folder=output, facts=facts), reused=False)


def _run_job(job: Job, *, key: str, workplace: Workplace) -> JobResult:
    """Give a job to the ranks; training continues from the stage's last checkpoint, and leaves new ones."""
    if isinstance(job, EvaluateJob):
        return workplace.group.run(job)
    folder = job.places.output.with_name(f"{job.places.output.name}-checkpoints")
    before = workplace.store.newest_checkpoint(key)
    places = {"checkpoints": folder} | ({"state": before.folder} if before else {})
    job = job.model_copy(update={"places": job.places.model_copy(update=places)})
    with keeping_checkpoints(workplace.store, key=key, folder=folder, stop=workplace.stop):
        return workplace.group.run(job)


def _places(
    stage: Stage, *, config: TrialConfig, parent: Obtained | None, output: Path, workplace: Workplace
) -> JobPlaces:
    start = encoder_folder(config.encoder.name, revision=config.encoder.revision)
    vision = stage.work.vision if isinstance(stage.work, PhaseConfig) else None
    return JobPlaces(
        encoder=parent.stored.folder if parent else start,
        tokenizer=start,
        output=output,
        cache=workplace.cache,
        progress=workplace.progress,
        vision=vision_folder(vision.tower) if vision else None,
    )


def _job(
    stage: Stage, *, config: TrialConfig, provenance: Provenance, parent: Obtained | None, places: JobPlaces
) -> Job:
    if isinstance(stage.work, EvaluationConfig):
        spec = provenance.specs[stage.work.task]
        target = None if spec.is_retrieval or parent is None else parent.stage.work
        assert not isinstance(target, EvaluationConfig)  # noqa: S101  (nothing starts from an evaluation)
        head_spec = provenance.specs[next(iter(target.mixture))] if target else spec
        return EvaluateJob(work=stage.work, target=target, spec=spec, head_spec=head_spec, places=places)
    specs = {name: provenance.specs[name] for name in phase_tasks(stage.work)}
    return TrainJob(phase=stage.phase, work=stage.work, specs=specs, engine=config.engine, places=places)


def _facts(stage: Stage, result: JobResult, *, seconds: float) -> StageFacts:
    return StageFacts(
        phase=stage.phase,
        parent=stage.parent,
        steps=result.steps,
        seconds=seconds,
        scores=result.scores,
        counts=result.counts,
        tasks=result.tasks,
        made_with=result.made_with,
        metrics=result.metrics,
    )


def _result(done: Sequence[Obtained], *, provenance: Provenance) -> TrialResult:
    # What the trial's own line says of a task stands, whatever a further target trains on it.
    trained = sorted((one for one in done if one.stage.phase != "evaluation"), key=lambda one: not one.stage.further)
    scored = {one.stage.work.task: one.stored.facts for one in done if isinstance(one.stage.work, EvaluationConfig)}
    own = next(iter(scored.values()))
    return TrialResult(
        languages=own.scores,
        num_items=min(own.counts.values()),
        task_scores={name: score for one in trained for name, score in one.stored.facts.scores.items()},
        stages=tuple(_run(one) for one in done),
        trained={one.stage.phase: one.stored.facts.tasks for one in trained if not one.stage.further},
        # A stage that an older version made knows its task's own metric alone.
        evaluations={
            name: facts.metrics or {provenance.specs[name].metric: facts.scores} for name, facts in scored.items()
        },
    )


def _run(one: Obtained) -> StageRun:
    facts = one.stored.facts
    return StageRun(
        phase=facts.phase,
        key=one.stage.key,
        steps=facts.steps,
        seconds=facts.seconds,
        reused=one.reused,
        further=one.stage.further,
    )
