"""Micro-batches that fit: what a host has learnt from ranks that ran out of memory.

A step's gradient does not depend on how the step is cut (`training`), so a job that does not fit is done with half the
tokens in a pass and the same batch. What fitted is kept in a file for each shape of job and host, beside the encoded
data: the next trial of that shape begins with it. Losing the files costs one more failed attempt.
"""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig
from trainables.config.frozen import FrozenModel, canonical_json
from trainables.jobs import Job, TrainJob
from trainables.tasks.spec import TaskSpec

log = logging.getLogger(__name__)

MIN_TOKENS = 64
"""Least tokens of a pass; a single example may exceed any bound."""


class _Known(FrozenModel):
    """A file's content."""

    tokens_per_micro_batch: int = Field(ge=MIN_TOKENS)
    """Tokens of a pass that did not run out of memory, or were not tried yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatches:
    """What is known of this host.

    Args:
        folder: Holds a file for each shape; made when the first is written.
    """

    folder: Path

    def fitting(self, job: Job) -> Job:
        """Return the job with the tokens that are known to fit, at most those that it asks for."""
        try:
            known = _Known.model_validate_json(self._file(job).read_text())
        except (OSError, ValueError):
            return job
        return _with_tokens(job, min(known.tokens_per_micro_batch, tokens_of(job)))

    def halve(self, job: Job) -> bool:
        """Note that a job ran out of memory; returns False when no smaller pass is possible."""
        tokens = tokens_of(job) // 2
        if tokens < MIN_TOKENS or tokens_of(job) <= job.work.max_length or _is_coupled(job):
            return False
        log.warning("a pass of %d tokens does not fit the memory; from now on %d", tokens_of(job), tokens)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._file(job).with_suffix(".part")
        part.write_text(_Known(tokens_per_micro_batch=tokens).model_dump_json())
        part.replace(self._file(job))
        return True

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
    return engine.model_dump(
        mode="json",
        include={"num_workers", "zero_stage", "precision", "gradient_checkpointing", "offload", "device"},
    )


def _is_coupled(job: Job) -> bool:
    """Return whether all tasks of a job have losses over whole batches, which cannot be cut."""
    from trainables.tasks.kinds import kind

    return isinstance(job, TrainJob) and all(kind(spec.kind).couples_examples for spec in job.specs.values())
