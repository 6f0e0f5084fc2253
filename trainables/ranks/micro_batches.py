"""Micro-batches that fit: what a host has learnt from ranks that ran out of memory.

A step's gradient does not depend on how the step is cut (`training`), so a job that does not fit is done with half the
tokens in a pass and the same batch. What fitted is kept in a file for each shape of job and host, beside the encoded
data: the next trial of that shape begins with it. Losing the files costs one more failed attempt.

What did not fit once may fit later: a neighbour has gone, or memory was in pieces. So after some jobs, or some hours,
one job is given twice the tokens. Where it does not fit, it goes straight back, and the next attempt waits twice as
long.

Trials of one host share a file, and hosts may share the folder, each with files of its own. A file is replaced as a
whole; of two trials that write at once, one's count of a job is lost, which delays an attempt and nothing else.
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
"""Least tokens of a pass; a single example may exceed any bound."""

JOBS_BEFORE_LARGER = 20
"""Jobs done with a smaller pass, after which a larger one is tried again."""

SECONDS_BEFORE_LARGER = 24 * 3600.0
"""Time after which it is tried again, however few jobs there were."""

MAX_REFUSED = 6
"""Attempts in vain, up to which each doubles how long the next one waits."""


MemoryKind = Literal["memory_retry", "halved", "enlarged"]
"""What is done about a pass: `memory_retry` is the same size again, in fresh ranks."""


class _Known(FrozenModel):
    """A file's content; older ones have the tokens alone."""

    tokens_per_micro_batch: int = Field(ge=MIN_TOKENS)
    """Tokens of a pass that did not run out of memory, or were not tried yet."""
    num_good: int = Field(default=0, ge=0)
    """Jobs that were done with so many since that was written, or since more were last tried."""
    since: float = 0.0
    """When that was, in seconds since 1970, by the host's clock."""
    num_refused: int = Field(default=0, ge=0)
    """How often more were tried since that did not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """What is done about a pass because of memory."""

    kind: MemoryKind
    """What is done."""
    tokens_before: int
    """Tokens of the pass that was tried."""
    tokens_after: int
    """Tokens of the pass that is tried next."""
    said: str = ""
    """What the allocator said; empty where the pass grows."""

    def __str__(self) -> str:
        """Return it in words."""
        before, after = self.tokens_before, self.tokens_after
        if self.kind == "enlarged":
            return f"a pass of {after} tokens is tried again, after {before} have fitted for a while"
        if self.kind == "memory_retry":
            return f"a pass of {before} tokens ran out of memory; it is tried again in fresh ranks"
        return f"a pass of {before} tokens does not fit the memory; from now on {after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatches:
    """What is known of this host.

    Args:
        folder: Holds a file for each shape; made when the first is written.
        clock: Seconds since 1970.
    """

    folder: Path
    clock: Callable[[], float] = time.time

    def fitting(self, job: Job) -> Job:
        """Return the job with the tokens that are known to fit, at most those that it asks for."""
        known = self._known(job)
        return job if known is None else _with_tokens(job, min(known.tokens_per_micro_batch, tokens_of(job)))

    def larger(self, job: Job) -> Job | None:
        """Return the job with twice the tokens that are known to fit, where that is to be tried now; else None.

        Whoever is given it tries it: for others it is not due again until as many jobs, or as much time, have passed.

        Args:
            job: With the tokens that its configuration asks for.
        """
        known = self._known(job)
        if known is None or known.tokens_per_micro_batch >= tokens_of(job) or not self._is_due(known):
            return None
        self._write(job, known.model_copy(update={"num_good": 0, "since": self.clock()}))
        return _with_tokens(job, min(2 * known.tokens_per_micro_batch, tokens_of(job)))

    def did(self, job: Job) -> None:
        """Note that a job was done with the tokens that it has."""
        known, tokens = self._known(job), tokens_of(job)
        if known is None or tokens < known.tokens_per_micro_batch:
            return  # it asked for fewer than fit, which tells nothing
        if tokens > 2 * known.tokens_per_micro_batch:
            return  # what it had doubled was halved meanwhile, by another trial: that is news, and this is not
        if tokens == known.tokens_per_micro_batch:
            update: dict[str, float] = {"num_good": known.num_good + 1}
        else:
            update = {"tokens_per_micro_batch": tokens, "num_good": 0, "since": self.clock(), "num_refused": 0}
        with contextlib.suppress(OSError):  # what is done is done, on a full disk too
            self._write(job, known.model_copy(update=update))

    def refuse(self, job: Job) -> None:
        """Note that a job which was given more tokens than were known to fit ran out of memory."""
        known = self._known(job)
        if known is not None:
            refused = min(known.num_refused + 1, MAX_REFUSED)
            self._write(job, known.model_copy(update={"num_good": 0, "since": self.clock(), "num_refused": refused}))

    def halve(self, job: Job) -> bool:
        """Note that a job ran out of memory; returns False when no smaller pass is possible."""
        tokens = tokens_of(job) // 2
        if tokens < MIN_TOKENS or tokens_of(job) <= job.work.max_length or _is_coupled(job):
            return False
        known = self._known(job)
        if known is not None:  # another trial may have halved it further meanwhile
            tokens = min(tokens, known.tokens_per_micro_batch)
        self._write(job, _Known(tokens_per_micro_batch=tokens, since=self.clock()))
        return True

    def _is_due(self, known: _Known) -> bool:
        patience = 2**known.num_refused
        waited = self.clock() - known.since  # negative where the clock was set back: then jobs decide
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


def tokens_of(job: Job) -> int:
    """Return the tokens, padding included, of one pass of a job."""
    return job.engine.tokens_per_micro_batch if isinstance(job, TrainJob) else job.work.tokens_per_micro_batch


def _with_tokens(job: Job, tokens: int) -> Job:
    update = {"tokens_per_micro_batch": tokens}
    if isinstance(job, TrainJob):
        return job.model_copy(update={"engine": job.engine.model_copy(update=update)})
    return job.model_copy(update={"work": job.work.model_copy(update=update)})


def _shape(job: Job) -> Mapping[str, object]:
    """Return what decides how much memory a pass of so many tokens takes, as far as it is cheap to say."""
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
    return [work.max_length, work.freeze_embeddings, work.freeze_layers, work.dropout > 0, vision]


def _engine_shape(engine: EngineConfig) -> object:
    # What decides memory since later versions is named where it is not the default: older files stay valid.
    default = EngineConfig()
    later = {name for name in _DECIDES_MEMORY_TOO if getattr(engine, name) != getattr(default, name)}
    return engine.model_dump(
        mode="json",
        include={"num_workers", "zero_stage", "precision", "gradient_checkpointing", "offload", "device"} | later,
    )


_DECIDES_MEMORY_TOO = ("gpus_per_worker", "accelerator_type", "reduction", "deepspeed")
"""Fields of an engine: its share of a GPU, and the types and sizes of the buffers that gradients are summed in."""


def _is_coupled(job: Job) -> bool:
    """Return whether all tasks of a job have losses over whole batches, which cannot be cut."""
    from trainables.tasks.kinds.by_name import kind

    return isinstance(job, TrainJob) and all(kind(spec.kind).couples_examples for spec in job.specs.values())
