"""Stages of one trial: taken from the store, or made there by the trial's ranks while it holds the stage's lease."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.data.left_out import tell_once, warnings_of
from trainables.errors import (
    BugError,
    DeviceFaultError,
    DiskFullError,
    MemoryExhaustedError,
    NonFiniteLossError,
    RankLostError,
    RunError,
    StageBusyError,
    StoppedError,
)
from trainables.monitoring.liveness import Watch
from trainables.plan.mixture import phase_tasks
from trainables.plan.stage_plan import Provenance, Stage
from trainables.plan.starting_weights import encoder_folder, vision_folder
from trainables.ranks.jobs import EvaluateJob, Job, JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import WorkerGroup
from trainables.ranks.micro_batches import MemoryChange, MemoryKind, MicroBatches, tokens_of
from trainables.results import StageRun
from trainables.stage_store import StageFacts, StageStore, StoredStage
from trainables.trials.checkpoint_keeper import StopRequest, keeping_checkpoints
from trainables.trials.retries import Attempts, ignore_lost

log = logging.getLogger(__name__)

WATCHED = "watched"
"""Name of the folder in a stage's work folder through which its ranks are watched; it does not become part of it."""

_FULL_BYTES = 1 << 20
"""A disk with less than this free counts as full where a rank ended without a word."""


class _TriedAgainError(Exception):
    """A stage's ranks ran out of memory, and it is tried again: in fresh ranks, or with a smaller pass."""


def _ignore_stage(stage: StageRun) -> None:
    del stage


def _ignore_memory(stage: str, change: MemoryChange) -> None:
    del stage, change


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
    on_lost: Callable[[str, RunError], None] = ignore_lost
    """Told the stage and the reason whenever its ranks were lost, or did what may be a bug, and it is tried again from
    its last checkpoint; and of every fault of a device."""
    on_memory: Callable[[str, MemoryChange], None] = _ignore_memory
    """Told the stage, and what is done about it, whenever memory decides how it is tried next."""
    on_left_out: Callable[[str], None] = tell_once
    """Told, in words, of each split that many rows were left out of, or whose texts spell special tokens."""
    waits: bool = True
    """Whether it waits for a stage that another makes; else StageBusyError says which, and it can be run again."""
    expired: str | None = None
    """A lease that another process has seen expire (`StageStore.expired_lease`); only where it does not wait."""

    @property
    def cache(self) -> Path:
        """Folder of encoded data sets, beside the stages."""
        return self.store.root / "cache"

    @property
    def micro_batches(self) -> MicroBatches:
        """What is known of the memory of this host."""
        return MicroBatches(folder=self.cache / "micro_batches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A complete stage, and whether this trial made it."""

    stage: Stage
    stored: StoredStage
    reused: bool

    @property
    def run(self) -> StageRun:
        """What the trial's lineage says of it."""
        facts = self.stored.facts
        return StageRun(
            phase=facts.phase,
            key=self.stage.key,
            steps=facts.steps,
            seconds=facts.seconds,
            reused=self.reused,
            further=self.stage.further,
            is_trunk=self.stage.is_trunk,
            steps_before=facts.steps_before,
            seconds_before=facts.seconds_before,
        )


class StageMaker:
    """Obtains the stages of one trial.

    Args:
        config: The trial.
        provenance: What its inputs are.
        plan: All its stages.
        workplace: Store, ranks, progress.
    """

    def __init__(
        self, config: TrialConfig, *, provenance: Provenance, plan: Sequence[Stage], workplace: Workplace
    ) -> None:
        self._config, self._provenance, self._workplace = config, provenance, workplace
        self._plan = {stage.key: stage for stage in plan}
        self._store = workplace.store
        self.obtained: dict[str, Obtained] = {}
        """Key -> stage, in the order in which they were obtained."""

    def obtain(self, stage: Stage) -> Obtained:
        """Return a stage from the store, or make it there; its parent has been obtained.

        A trunk that it would continue is obtained first, but only if the stage itself is missing.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: It failed.
            StageBusyError: Another makes it, and the workplace does not wait.
            StoppedError: It was asked to stop; what was done is in the store.
        """
        one = self._found(stage)
        if one is None:
            if stage.continues and stage.continues not in self.obtained:
                self.obtain(self._plan[stage.continues])
            with self._lease(stage.key):
                # Another trial may have made it while this one waited.
                one = self._found(stage) or self._make(stage)
        self.obtained[stage.key] = one
        self._workplace.on_stage(one.run)
        _tell_left_out(one)
        for warning in warnings_of(one.stored.facts.split_rows):
            self._workplace.on_left_out(warning)
        return one

    def _found(self, stage: Stage) -> Obtained | None:
        found = self._store.find(stage.key)
        return Obtained(stage=stage, stored=found, reused=True) if found else None

    @contextlib.contextmanager
    def _lease(self, key: str) -> Generator[None]:
        if self._workplace.waits:
            with self._store.lease(key):
                yield
            return
        lease = self._store.try_lease(key, expired=self._workplace.expired)
        if lease is None:
            raise StageBusyError(key)
        with lease:
            yield

    def _make(self, stage: Stage) -> Obtained:
        """Make a stage; when its ranks are lost, or run out of memory, again from its last checkpoint."""
        attempts = Attempts(may_leave=not self._workplace.waits)
        while True:
            if self._workplace.stop.is_made:
                raise StoppedError(0)
            try:
                return self._try_to_make(stage, attempts)
            except NonFiniteLossError as error:
                error.stage = stage.key
                raise
            except _TriedAgainError:
                continue
            except BugError as error:
                attempts.suspect(error)
                self._try_again(stage, error)
            except DeviceFaultError as error:
                self._workplace.on_lost(stage.key, error)  # each counts against its device, the last one too
                attempts.lose(error, reached=self._reached(stage))
                log.warning("%s; stage %s is tried again", error, stage.key[:12])
            except RankLostError as error:
                if self._workplace.stop.is_made:  # whoever asked has ended the ranks
                    raise StoppedError(0) from error
                self._tell_if_full(error)
                attempts.lose(error, reached=self._reached(stage))
                self._try_again(stage, error)

    def _try_again(self, stage: Stage, error: RunError) -> None:
        log.warning("%s; stage %s is tried again from step %d", error, stage.key[:12], self._reached(stage))
        self._workplace.on_lost(stage.key, error)

    def _reached(self, stage: Stage) -> int:
        kept = self._store.newest_checkpoint(stage.key)
        return kept.step if kept else 0

    def _tell_if_full(self, error: RankLostError) -> None:
        """Say that the disk is full where that may have ended a rank: writing into a mapped file does."""
        if shutil.disk_usage(self._store.root).free < _FULL_BYTES:
            place = f"the store's disk, {str(self._store.root)!r}"
            raise DiskFullError(place, "less than 1 MiB is free") from error

    def _try_to_make(self, stage: Stage, attempts: Attempts) -> Obtained:
        with self._store.work_folder(stage.key) as output:
            started = time.monotonic()
            trunk = self.obtained[stage.continues] if stage.continues else None
            job = self._job(stage, places=self._places(stage, output=output))
            result = self._run_within_memory(job, stage=stage, trunk=trunk, attempts=attempts)
            seconds = result.seconds_before + time.monotonic() - started
            facts = _facts(stage, result, seconds=seconds, trunk=trunk)
            shutil.rmtree(output / WATCHED)
            stored = self._store.commit(stage.key, folder=output, facts=facts)
            if job.places.predicted is not None:
                shutil.rmtree(job.places.predicted, ignore_errors=True)
        return Obtained(stage=stage, stored=stored, reused=False)

    def _run_within_memory(self, asked: Job, *, stage: Stage, trunk: Obtained | None, attempts: Attempts) -> JobResult:
        """Give a job to the ranks in passes that fit, or, when that is due, in larger ones.

        Raises:
            _TriedAgainError: They did not fit; the job is to be given again.
            MemoryExhaustedError: They did not fit, and nothing smaller is possible.
        """
        known = self._workplace.micro_batches
        fitting, larger = known.fitting(asked), known.larger(asked)
        if larger is not None:
            self._tell_memory(stage, "enlarged", fitting, larger)
        try:
            result = self._run(larger or fitting, stage=stage, trunk=trunk)
        except MemoryExhaustedError as error:
            if larger is not None:
                known.refuse(asked)
                self._tell_memory(stage, "halved", larger, known.fitting(asked), said=error.said)
            elif attempts.may_retry_memory():
                self._tell_memory(stage, "memory_retry", fitting, fitting, said=error.said)
            elif known.halve(fitting):
                self._tell_memory(stage, "halved", fitting, known.fitting(asked), said=error.said)
            else:
                raise
            raise _TriedAgainError from error
        known.did(larger or fitting)
        return result

    def _tell_memory(self, stage: Stage, kind: MemoryKind, before: Job, after: Job, *, said: str = "") -> None:
        change = MemoryChange(kind=kind, tokens_before=tokens_of(before), tokens_after=tokens_of(after), said=said)
        log.warning("stage %s: %s", stage.key[:12], change)
        self._workplace.on_memory(stage.key, change)

    def _run(self, job: Job, *, stage: Stage, trunk: Obtained | None) -> JobResult:
        """Give a job to the ranks; training continues from the stage's last checkpoint, and leaves new ones."""
        group, store = self._workplace.group, self._store
        watch = self._watch(job)
        job = job.model_copy(update={"watch": watch})
        if isinstance(job, EvaluateJob):
            return group.run(job)
        folder = job.places.output.with_name(f"{job.places.output.name}-checkpoints")
        before = store.newest_checkpoint(stage.key) or (trunk.stored if trunk else None)
        places = {"checkpoints": folder} | ({"state": before.folder} if before else {})
        job = job.model_copy(update={"places": job.places.model_copy(update=places)})
        made_from = [one for one in (stage.parent, stage.continues) if one]
        stop = self._workplace.stop
        with keeping_checkpoints(store, key=stage.key, made_from=made_from, folder=folder, stop=stop):
            return group.run(job)

    def _watch(self, job: Job) -> Watch:
        folder = job.places.output / WATCHED
        folder.mkdir()
        return Watch(folder=folder, seconds=self._config.engine.hang_seconds)

    def _places(self, stage: Stage, *, output: Path) -> JobPlaces:
        encoder = self._config.encoder
        start = encoder_folder(encoder.name, revision=encoder.revision)
        vision = stage.work.vision if isinstance(stage.work, PhaseConfig) else None
        return JobPlaces(
            encoder=self.obtained[stage.parent].stored.folder if stage.parent else start,
            tokenizer=start,
            output=output,
            cache=self._workplace.cache,
            progress=self._workplace.progress,
            vision=vision_folder(vision.tower) if vision else None,
            predicted=None if isinstance(stage.work, PhaseConfig) else self._workplace.cache / "predicted" / stage.key,
        )

    def _job(self, stage: Stage, *, places: JobPlaces) -> Job:
        specs = self._provenance.specs
        if isinstance(stage.work, EvaluationConfig):
            spec = specs[stage.work.task]
            parent = self._plan[stage.parent] if stage.parent else None
            target = None if spec.is_retrieval or parent is None else parent.work
            assert not isinstance(target, EvaluationConfig)  # noqa: S101  (nothing starts from an evaluation)
            head_spec = specs[next(iter(target.mixture))] if target else spec
            return EvaluateJob(work=stage.work, target=target, spec=spec, head_spec=head_spec, places=places)
        return TrainJob(
            phase=stage.phase,
            work=stage.work,
            specs={name: specs[name] for name in phase_tasks(stage.work)},
            engine=self._config.engine,
            is_trunk=stage.is_trunk,
            places=places,
        )


def _facts(stage: Stage, result: JobResult, *, seconds: float, trunk: Obtained | None) -> StageFacts:
    before = trunk.stored.facts if trunk else None
    steps_before = before.steps_before + before.steps if before else 0
    return StageFacts(
        phase=stage.phase,
        parent=stage.parent,
        is_trunk=stage.is_trunk,
        trunk=stage.continues,
        steps=result.steps - steps_before,
        seconds=seconds,
        steps_before=steps_before,
        seconds_before=before.seconds_before + before.seconds if before else 0.0,
        scores=result.scores,
        counts=result.counts,
        tasks=result.tasks,
        made_with=result.made_with,
        metrics=result.metrics,
        split_rows=result.split_rows,
    )


def _tell_left_out(one: Obtained) -> None:
    facts = one.stored.facts
    for name, training in facts.tasks.items():
        if training.num_unreadable:
            log.warning(
                "%s phase: %d examples of %s are left out, an image of theirs cannot be decoded; %d are trained on",
                facts.phase,
                training.num_unreadable,
                name,
                training.size,
            )
