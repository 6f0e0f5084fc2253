"""Finds or makes the stages of one trial.

A stage that the store lacks is made by the trial's ranks, while the trial holds the stage's lease.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.data.labels.left_out import tell_once, warnings_of
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
from trainables.monitoring.watchdog import Watch
from trainables.plan.mixture import phase_tasks
from trainables.plan.stage_plan import Provenance, Stage
from trainables.plan.starting_weights import encoder_folder, teacher_folder, vision_folder
from trainables.ranks.jobs import EvaluateJob, Job, JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import WorkerGroup
from trainables.ranks.micro_batches import MemoryChange, MemoryKind, MicroBatches, in_passes, tokens_of
from trainables.results import StageMeasurements, StageRun
from trainables.stage_store import StageFacts, StageStore, StoredStage
from trainables.trials.checkpoint_keeper import StopRequest, keeping_checkpoints
from trainables.trials.combined_training import combined_training
from trainables.trials.retries import Attempts, ignore_lost
from trainables.trials.stage_warnings import log_warnings

log = logging.getLogger(__name__)

WATCHED = "watched"
"""Name of the folder in a stage's work folder that the watchdog uses; it does not become part of the stage."""

_FULL_BYTES = 1 << 20
"""A disk with less free space than this counts as full when a rank ended without an error."""


class _TryAgainError(Exception):
    """A stage's ranks ran out of memory; the stage is tried again in fresh ranks, or with a smaller pass."""


def _ignore_stage(stage: StageRun) -> None:
    del stage


def _ignore_memory(stage: str, change: MemoryChange) -> None:
    del stage, change


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResources:
    """What a trial runs with: store, ranks and callbacks."""

    store: StageStore
    """Holds finished stages."""
    group: WorkerGroup
    """The ranks; they start only if a stage has to be made."""
    progress: Path | None = None
    """File that rank 0 keeps its progress in, or None."""
    stop: StopRequest = field(default_factory=StopRequest)
    """When it is made, a stage in training leaves a checkpoint and ends with StoppedError."""
    on_stage: Callable[[StageRun], None] = _ignore_stage
    """Called with each stage when it is complete: if the trial dies later, the stage's cost is on record."""
    on_lost: Callable[[str, RunError], None] = ignore_lost
    """Called with a stage's key and the error when its ranks were lost or met a possible bug, and the stage is tried
    again from its last checkpoint; also called for every device fault."""
    on_memory: Callable[[str, MemoryChange], None] = _ignore_memory
    """Called with a stage's key and the change when its ranks ran out of memory, or get a larger pass."""
    on_left_out: Callable[[str], None] = tell_once
    """Called with a warning for each split with many left-out rows, or with texts that spell special tokens."""
    waits: bool = True
    """Whether to wait for a stage that another trial makes; otherwise StageBusyError names the stage."""
    expired: str | None = None
    """A lease that another process has seen expire (`StageStore.expired_lease`); only if it does not wait."""

    @property
    def cache(self) -> Path:
        """Folder of encoded data sets, beside the stages."""
        return self.store.root / "cache"

    @property
    def micro_batches(self) -> MicroBatches:
        """The sizes of passes that fit the memory of this host."""
        return MicroBatches(folder=self.cache / "micro_batches")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """A complete stage, and whether this trial made it."""

    stage: Stage
    stored: StoredStage
    reused: bool

    @property
    def run(self) -> StageRun:
        """The stage as the trial's lineage lists it."""
        facts = self.stored.facts
        return StageRun(
            phase=facts.phase,
            key=self.stage.key,
            steps=facts.steps,
            seconds=facts.seconds,
            reused=self.reused,
            further=self.stage.further,
            is_trunk=self.stage.is_input,
            steps_before=facts.steps_before,
            seconds_before=facts.seconds_before,
        )


class StageMaker:
    """Finds or makes the stages of one trial.

    Args:
        config: The trial.
        provenance: What its inputs are.
        plan: All its stages.
        resources: Store, ranks, progress.
    """

    def __init__(
        self, config: TrialConfig, *, provenance: Provenance, plan: Sequence[Stage], resources: TrialResources
    ) -> None:
        self._config, self._provenance, self._resources = config, provenance, resources
        self._plan = {stage.key: stage for stage in plan}
        self._store = resources.store
        self.outcomes: dict[str, StageOutcome] = {}
        """Key -> stage, in the order in which they were found or made."""

    def find_or_make(self, stage: Stage) -> StageOutcome:
        """Return a stage from the store, or make it there; its parent was found or made before.

        If the stage is missing, the trunk that it continues, or the parts that it combines, are found or made first.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: It failed.
            StageBusyError: Another trial makes it, and `resources.waits` is False.
            StoppedError: The trial was asked to stop; the finished work is in the store.
        """
        outcome = self._found(stage)
        if outcome is None:
            # In the order of the plan, which is also that in which the driver expects a trial to make its stages.
            for key, part in self._plan.items():
                if key in stage.made_of and key not in self.outcomes:
                    self.find_or_make(part)
            with self._lease(stage.key):
                # Another trial may have made it while this one waited.
                outcome = self._found(stage) or self._make(stage)
        self.outcomes[stage.key] = outcome
        self._resources.on_stage(outcome.run)
        log_warnings(outcome.stored.facts, reused=outcome.reused)
        for warning in warnings_of(outcome.stored.facts.split_rows):
            self._resources.on_left_out(warning)
        return outcome

    def _found(self, stage: Stage) -> StageOutcome | None:
        found = self._store.find(stage.key)
        return StageOutcome(stage=stage, stored=found, reused=True) if found else None

    @contextlib.contextmanager
    def _lease(self, key: str) -> Generator[None]:
        if self._resources.waits:
            with self._store.lease(key):
                yield
            return
        lease = self._store.try_lease(key, expired=self._resources.expired)
        if lease is None:
            raise StageBusyError(key)
        with lease:
            yield

    def _make(self, stage: Stage) -> StageOutcome:
        """Make a stage; if its ranks are lost or run out of memory, try again from its last checkpoint."""
        attempts = Attempts(may_leave=not self._resources.waits)
        while True:
            if self._resources.stop.is_made:
                raise StoppedError(0)
            try:
                return self._try_to_make(stage, attempts)
            except NonFiniteLossError as error:
                error.stage = stage.key
                raise
            except _TryAgainError:
                continue
            except BugError as error:
                attempts.add(error, reached=self._reached(stage))
                self._try_again(stage, error)
            except DeviceFaultError as error:
                self._resources.on_lost(stage.key, error)  # each fault counts against its device, also the last one
                attempts.add(error, reached=self._reached(stage))
                log.warning("%s; stage %s is tried again", error, stage.key[:12])
            except RankLostError as error:
                if self._resources.stop.is_made:  # the stop request has ended the ranks
                    raise StoppedError(0) from error
                self._raise_if_disk_full(error)
                attempts.add(error, reached=self._reached(stage))
                self._try_again(stage, error)

    def _try_again(self, stage: Stage, error: RunError) -> None:
        log.warning("%s; stage %s is tried again from step %d", error, stage.key[:12], self._reached(stage))
        self._resources.on_lost(stage.key, error)

    def _reached(self, stage: Stage) -> int:
        kept = self._store.newest_checkpoint(stage.key)
        return kept.step if kept else 0

    def _raise_if_disk_full(self, error: RankLostError) -> None:
        """Raise DiskFullError if a full disk can have ended a rank: a write into a memory map ends the process."""
        if shutil.disk_usage(self._store.root).free < _FULL_BYTES:
            place = f"the store's disk, {str(self._store.root)!r}"
            raise DiskFullError(place, "less than 1 MiB is free") from error

    def _try_to_make(self, stage: Stage, attempts: Attempts) -> StageOutcome:
        with self._store.work_folder(stage.key) as output:
            started = time.monotonic()
            trunk = self.outcomes[stage.continues] if stage.continues else None
            job = self._job(stage, places=self._places(stage, output=output))
            result = self._run_within_memory(job, stage=stage, trunk=trunk, attempts=attempts)
            seconds = result.seconds_before + time.monotonic() - started
            facts = self._facts(stage, result, seconds=seconds)
            shutil.rmtree(output / WATCHED)
            begun = job.places.at(job.places.encoder)
            stored = self._store.commit(stage.key, folder=output, facts=facts, start=begun)
            if job.places.predicted is not None:
                shutil.rmtree(job.places.predicted, ignore_errors=True)
        return StageOutcome(stage=stage, stored=stored, reused=False)

    def _run_within_memory(
        self, asked: Job, *, stage: Stage, trunk: StageOutcome | None, attempts: Attempts
    ) -> JobResult:
        """Run a job on the ranks in passes that fit, or in larger passes when these are due.

        Raises:
            _TryAgainError: The passes did not fit; run the job again.
            MemoryExhaustedError: The passes did not fit, and no smaller pass is possible.
        """
        known = self._resources.micro_batches
        trains = stage.combination is None  # otherwise it only scores: what fits there says nothing about training
        fitting, larger = known.fitting(asked), known.larger(asked) if trains else None
        if larger is not None:
            self._report_memory(stage, "enlarged", fitting, larger)
        try:
            result = self._run(larger or fitting, stage=stage, trunk=trunk)
        except MemoryExhaustedError as error:
            if larger is not None:
                known.record_refusal(asked)
                self._report_memory(stage, "halved", larger, known.fitting(asked), reason=error.reason)
            elif attempts.may_retry_memory():
                self._report_memory(stage, "memory_retry", fitting, fitting, reason=error.reason)
            elif trains and (kind := known.shrink(fitting)):
                self._report_memory(stage, kind, fitting, known.fitting(asked), reason=error.reason)
            else:
                raise
            raise _TryAgainError from error
        if trains:
            known.record_success(larger or fitting)
        return result

    def _report_memory(self, stage: Stage, kind: MemoryKind, before: Job, after: Job, *, reason: str = "") -> None:
        change = MemoryChange(kind=kind, tokens_before=tokens_of(before), tokens_after=tokens_of(after), reason=reason)
        log.warning("stage %s: %s", stage.key[:12], change)
        self._resources.on_memory(stage.key, change)

    def _run(self, job: Job, *, stage: Stage, trunk: StageOutcome | None) -> JobResult:
        """Run a job on the ranks; training continues from the stage's last checkpoint, and leaves new ones."""
        group, store = self._resources.group, self._store
        watch = self._watch(job)
        job = job.model_copy(update={"watch": watch})
        if isinstance(job, EvaluateJob) or job.combination is not None:
            return group.run(job)
        folder = job.places.output.with_name(f"{job.places.output.name}-checkpoints")
        before = store.newest_checkpoint(stage.key) or (trunk.stored if trunk else None)
        places = {"checkpoints": folder} | ({"state": before.folder} if before else {})
        job = job.model_copy(update={"places": job.places.model_copy(update=places)})
        made_from = [one for one in (stage.parent, stage.continues) if one]
        stop = self._resources.stop
        with keeping_checkpoints(store, key=stage.key, made_from=made_from, folder=folder, stop=stop):
            return group.run(job)

    def _watch(self, job: Job) -> Watch:
        folder = job.places.output / WATCHED
        folder.mkdir()
        return Watch(folder=folder, seconds=self._config.engine.hang_seconds)

    def _places(self, stage: Stage, *, output: Path) -> JobPlaces:
        encoder = self._config.encoder
        start = encoder_folder(encoder.name, revision=encoder.revision)
        is_scored = not isinstance(stage.work, PhaseConfig)
        base, adapters = self._start(stage.parent, start=start)
        scored = adapters.pop() if is_scored and adapters else None
        trained = self._asked_with(stage) if is_scored else stage.work
        vision = trained.vision if isinstance(trained, PhaseConfig) else None
        teacher: str | None = getattr(stage.work, "teacher", None)
        parts = {key: self.outcomes[key].stored.folder for key in stage.made_of} if stage.combination else {}
        read = {base, scored, *parts.values()}
        found = (outcome.stored for outcome in self.outcomes.values() if outcome.stored.folder in read)
        return JobPlaces(
            encoder=base,
            adapters=tuple(adapters),
            scored=scored,
            tokenizer=start,
            output=output,
            cache=self._resources.cache,
            progress=self._resources.progress,
            vision=vision_folder(vision.tower) if vision else None,
            teacher=teacher_folder(teacher) if teacher else None,
            predicted=self._resources.cache / "predicted" / stage.key if is_scored else None,
            parts=parts,
            shared={str(stored.folder): stored.shared for stored in found if stored.shared},
        )

    def _asked_with(self, stage: Stage) -> PhaseConfig | EvaluationConfig | None:
        """Return the phase whose vision tower an evaluation of a task with images needs."""
        work = stage.work
        has_images = isinstance(work, EvaluationConfig) and self._provenance.specs[work.task].has_images
        return self._plan[stage.parent].work if has_images and stage.parent else None

    def _start(self, key: str | None, *, start: Path) -> tuple[Path, list[Path]]:
        """Return the folder of the encoder below a stage, and those of the adapters on it; None is the trial's own."""
        adapters: list[Path] = []
        while key is not None:
            stored = self.outcomes[key].stored
            if stored.facts.adapter is None:
                return stored.folder, adapters
            adapters.insert(0, stored.folder)
            key = stored.facts.parent
        return start, adapters

    def _job(self, stage: Stage, *, places: JobPlaces) -> Job:
        specs = self._provenance.specs
        if isinstance(stage.work, EvaluationConfig):
            spec = specs[stage.work.task]
            parent = self._plan[stage.parent] if stage.parent else None
            target = None if spec.is_retrieval or parent is None else parent.work
            assert not isinstance(target, EvaluationConfig)  # noqa: S101  (nothing starts from an evaluation)
            head_spec = specs[next(iter(target.mixture))] if target else spec
            return EvaluateJob(
                work=in_passes(stage.work, engine=self._config.engine),
                target=target,
                spec=spec,
                head_spec=head_spec,
                precision=self._config.engine.scoring,
                places=places,
            )
        return TrainJob(
            phase=stage.phase,
            work=stage.work,
            specs={name: specs[name] for name in phase_tasks(stage.work)},
            engine=self._config.engine,
            is_trunk=stage.is_trunk,
            stop_share=stage.stop_share,
            combination=stage.combination,
            places=places,
        )

    def _facts(self, stage: Stage, result: JobResult, *, seconds: float) -> StageFacts:
        before = [self.outcomes[key].stored.facts for key in stage.made_of]
        # A checkpoint of an average continues another one of its parts, which is counted by itself.
        firsts = [facts for facts in before if facts.trunk not in stage.made_of]
        steps_before = sum(facts.steps for facts in before) + sum(facts.steps_before for facts in firsts)
        measured = {name: getattr(result, name) for name in StageMeasurements.model_fields}
        if stage.combination is not None:
            continued = {facts.trunk for facts in before}
            are_ends = [key not in continued for key in stage.made_of]
            weights = list(stage.combination.weights.values())
            measured |= combined_training(before, weights=weights, are_ends=are_ends)
        return StageFacts(
            phase=stage.phase,
            parent=stage.parent,
            is_trunk=stage.is_trunk,
            trunk=stage.continues,
            parts=stage.made_of if stage.combination else (),
            adapter=None if stage.is_trunk else getattr(stage.work, "adapter", None),
            steps=0 if stage.combination else result.steps - steps_before,
            seconds=seconds,
            steps_before=steps_before,
            seconds_before=sum(facts.seconds for facts in before) + sum(facts.seconds_before for facts in firsts),
            **measured,
        )
