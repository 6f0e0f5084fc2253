"""The size of micro-batches that fits a host's memory, learnt from ranks that ran out of memory.

A step's gradient does not depend on how the step is cut (`training`), so a job that does not fit is repeated with half
the tokens in a pass and the same batch. The size that fitted is kept in a file for each shape of job and host, beside
the encoded data: the next trial of that shape starts with it. If the files are lost, one more attempt fails.

A size that did not fit once can fit later: another process has ended, or memory was fragmented. So after some jobs, or
some hours, one job gets twice the tokens. If it does not fit, the job returns to the smaller size at once, and the next
attempt waits twice as long.

Trials of one host share a file, and hosts may share the folder, each with files of its own. A file is replaced as a
whole. If two trials write at the same time, the count of one job is lost, which only delays an attempt.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig
from trainables.config.frozen import FrozenModel, canonical_json
from trainables.ranks.jobs import Job, TrainJob
from trainables.tasks.spec import TaskSpec

log = logging.getLogger(__name__)

MIN_TOKENS = 64
"""Smallest number of tokens in a pass; a single example can exceed any bound."""

JOBS_BEFORE_LARGER = 20
"""Jobs with a smaller pass, after which a larger one is tried again."""

SECONDS_BEFORE_LARGER = 24 * 3600.0
"""Time after which a larger pass is tried again, however few jobs there were."""

MAX_REFUSED = 6
"""Each failed attempt doubles the wait for the next one, up to this many."""


LEAST_USUAL_TOKENS = 1024
"""Where a pass would get smaller than this, activations are recomputed first: small passes leave a GPU idle, which
costs more than the third of time that recomputing takes."""


_TIMES_IN_SCORING, MOST_SCORED = 4, 65_536
"""Tokens of an evaluation's pass on a GPU: those of a training pass so many times, and at most."""

MemoryKind = Literal["memory_retry", "recompute", "halved", "enlarged"]
"""How the next pass differs: `memory_retry` is the same size again, in fresh ranks; `recompute` is the same size with
activations that are recomputed."""


class _Known(FrozenModel):
    """A file's content; older files hold only the tokens."""

    tokens_per_micro_batch: int = Field(ge=MIN_TOKENS)
    """Tokens of a pass that did not run out of memory, or were not tried yet."""
    recomputes: bool = False
    """Whether activations are recomputed where the configuration leaves it open."""
    num_good: int = Field(default=0, ge=0)
    """Jobs that ran with this size since it was written, or since a larger one was last tried."""
    since: float = 0.0
    """When counting started, in seconds since 1970, by the host's clock."""
    num_refused: int = Field(default=0, ge=0)
    """How often a larger pass was tried since then and did not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """A change of the size of a pass, because of memory."""

    kind: MemoryKind
    """How it changes."""
    tokens_before: int
    """Tokens of the pass that was tried."""
    tokens_after: int
    """Tokens of the pass that is tried next."""
    reason: str = ""
    """The allocator's message; empty where the pass grows."""

    def __str__(self) -> str:
        """Return a sentence for the log."""
        before, after = self.tokens_before, self.tokens_after
        if self.kind == "enlarged":
            return f"a pass of {after} tokens is tried again, after {before} tokens have fitted for a while"
        if self.kind == "recompute":
            return f"a pass of {before} tokens does not fit the memory; from now on its activations are recomputed"
        if self.kind == "memory_retry":
            return f"a pass of {before} tokens ran out of memory; it is tried again in fresh ranks"
        return f"a pass of {before} tokens does not fit the memory; from now on it has {after} tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatches:
    """The sizes that fit this host.

    Args:
        folder: Holds a file for each shape; made when the first file is written.
        clock: Seconds since 1970.
    """

    folder: Path
    clock: Callable[[], float] = time.time

    def fitting(self, job: Job) -> Job:
        """Return the job with the tokens that are known to fit, at most those that it asks for."""
        known = self._known(job)
        return job if known is None else _as_known(job, known, tokens=known.tokens_per_micro_batch)

    def larger(self, job: Job) -> Job | None:
        """Return the job with twice the tokens that are known to fit, if a larger pass is due now; else None.

        The caller tries it: for others it is not due again until as many jobs, or as much time, have passed.

        Args:
            job: The job, with the tokens of its configuration.
        """
        known = self._known(job)
        if known is None or known.tokens_per_micro_batch >= tokens_of(job) or not self._is_due(known):
            return None
        self._write(job, known.model_copy(update={"num_good": 0, "since": self.clock()}))
        return _as_known(job, known, tokens=2 * known.tokens_per_micro_batch)

    def record_success(self, job: Job) -> None:
        """Note that a job fitted with the tokens that it has."""
        known, tokens = self._known(job), tokens_of(job)
        if known is None or tokens < known.tokens_per_micro_batch:
            return  # it has fewer tokens than are known to fit, so there is nothing to learn
        if tokens > 2 * known.tokens_per_micro_batch:
            return  # another trial has halved the size since this job doubled it: the newer fact counts
        if tokens == known.tokens_per_micro_batch:
            update: dict[str, float] = {"num_good": known.num_good + 1}
        else:
            update = {"tokens_per_micro_batch": tokens, "num_good": 0, "since": self.clock(), "num_refused": 0}
        with contextlib.suppress(OSError):  # a full disk does not undo the job
            self._write(job, known.model_copy(update=update))

    def record_refusal(self, job: Job) -> None:
        """Note that a job ran out of memory with more tokens than were known to fit."""
        known = self._known(job)
        if known is not None:
            refused = min(known.num_refused + 1, MAX_REFUSED)
            self._write(job, known.model_copy(update={"num_good": 0, "since": self.clock(), "num_refused": refused}))

    def shrink(self, job: Job) -> MemoryKind | None:
        """Note that a job ran out of memory; return how the next pass needs less, or None where none is possible.

        Args:
            job: The job as it was tried, from `fitting`.
        """
        known, tokens = self._known(job), tokens_of(job) // 2
        is_smallest = tokens < MIN_TOKENS or tokens_of(job) <= job.work.max_length or _is_coupled(job)
        if _may_recompute(job) and (is_smallest or tokens < LEAST_USUAL_TOKENS):
            size = min(tokens_of(job), known.tokens_per_micro_batch) if known else tokens_of(job)
            self._write(job, _Known(tokens_per_micro_batch=size, since=self.clock(), recomputes=True))
            return "recompute"
        if is_smallest:
            return None
        if known is not None:  # another trial may have halved it further meanwhile
            tokens = min(tokens, known.tokens_per_micro_batch)
        recomputes = isinstance(job, TrainJob) and job.saves_memory
        self._write(job, _Known(tokens_per_micro_batch=tokens, since=self.clock(), recomputes=recomputes))
        return "halved"

    def _is_due(self, known: _Known) -> bool:
        patience = 2**known.num_refused
        waited = self.clock() - known.since  # negative if the clock was set back: then the number of jobs decides
        return known.num_good >= JOBS_BEFORE_LARGER * patience or waited >= SECONDS_BEFORE_LARGER * patience

    def _known(self, job: Job) -> _Known | None:
        try:
            return _Known.model_validate_json(self._file(job).read_text())
        except (OSError, ValueError):
            return None

    def _write(self, job: Job, known: _Known) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._file(job).with_suffix(f".{uuid.uuid4().hex}.part")
        part.write_text(known.model_dump_json())
        part.replace(self._file(job))

    def _file(self, job: Job) -> Path:
        return self.folder / f"{hashlib.sha256(canonical_json(_shape(job)).encode()).hexdigest()[:32]}.json"


def in_passes(work: EvaluationConfig, *, engine: EngineConfig) -> EvaluationConfig:
    """Return an evaluation with the tokens of a pass; without gradients, a GPU has room for more than in training.

    Args:
        work: The evaluation.
        engine: The trial's engine, with its settled device.
    """
    if work.tokens_per_micro_batch != "auto" or engine.device != "cuda":
        return work
    return work.model_copy(update={"tokens_per_micro_batch": min(_TIMES_IN_SCORING * engine.pass_tokens, MOST_SCORED)})


def tokens_of(job: Job) -> int:
    """Return the tokens, padding included, of one pass of a job."""
    return job.engine.pass_tokens if isinstance(job, TrainJob) else job.work.pass_tokens


def _may_recompute(job: Job) -> bool:
    """Return whether a job's activations are kept, and its configuration lets them be recomputed."""
    return isinstance(job, TrainJob) and job.engine.gradient_checkpointing == "auto" and not job.saves_memory


def _as_known(job: Job, known: _Known, *, tokens: int) -> Job:
    """Return the job with passes of so many tokens, at most those that it asks for."""
    update = {"tokens_per_micro_batch": min(tokens, tokens_of(job))}
    if isinstance(job, TrainJob):
        engine = job.engine.model_copy(update=update)
        return job.model_copy(update={"engine": engine, "saves_memory": known.recomputes})
    return job.model_copy(update={"work": job.work.model_copy(update=update)})


def _shape(job: Job) -> Mapping[str, object]:
    """Return the fields that decide how much memory a pass takes and that are cheap to read."""
    specs = job.specs.values() if isinstance(job, TrainJob) else (job.spec,)
    return {
        "host": platform.node(),
        "type": job.type,
        "encoder": str(job.places.tokenizer),
        "tasks": sorted(_task_shape(spec) for spec in specs),
        "work": _work_shape(job.work),
        "engine": _engine_shape(job.engine) if isinstance(job, TrainJob) else None,
    }


def _task_shape(spec: TaskSpec) -> str:
    return f"{spec.kind} {spec.has_images}"


def _work_shape(work: PhaseConfig | EvaluationConfig) -> object:
    if isinstance(work, EvaluationConfig):
        return work.max_length
    vision = work.vision.model_dump(mode="json") if work.vision else None
    # Later fields count only if they are set: older files stay valid.
    adapter = [] if work.adapter is None else [work.adapter.model_dump(mode="json")]
    return [work.max_length, work.freeze_embeddings, work.freeze_layers, work.dropout > 0, vision, *adapter]


def _engine_shape(engine: EngineConfig) -> object:
    # Fields of later versions count only if they are not the default: older files stay valid.
    default = EngineConfig()
    later = {name for name in _LATER_MEMORY_FIELDS if getattr(engine, name) != getattr(default, name)}
    fields = {"num_workers", "zero_stage", "precision", "gradient_checkpointing", "offload", "device"}
    settled = {"precision": engine.arithmetic, "zero_stage": engine.stage, "offload": engine.offloaded}
    return engine.model_dump(mode="json", include=fields | later) | settled


_LATER_MEMORY_FIELDS = ("gpus_per_worker", "accelerator_type", "reduction", "deepspeed")
"""Fields of an engine: its share of a GPU, and the types and sizes of the buffers that gradients are summed in."""


def _is_coupled(job: Job) -> bool:
    """Return whether all tasks of a job have losses over whole batches, which cannot be cut."""
    from trainables.tasks.kinds.by_name import kind

    return isinstance(job, TrainJob) and all(kind(spec.kind).couples_examples for spec in job.specs.values())
