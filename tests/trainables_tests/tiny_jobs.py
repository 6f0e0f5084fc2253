"""Phases, trials and jobs on the tiny inputs of `tests.tiny`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.config import EncoderConfig, EngineConfig, EvaluationConfig, PhaseConfig, TrialConfig, VisionConfig
from trainables.plan.starting_weights import teacher_folder, vision_folder
from trainables.ranks.jobs import JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.auxiliary_mlm import phase_specs

VISION = VisionConfig(num_layers=1, hidden_size=16, image_size=16, patch_size=8)
MAX_LENGTH = 48


def phase(**fields: Any) -> PhaseConfig:
    """Return a phase on mnli of 20 steps without dropout, changed by the fields given."""
    defaults = {
        "mixture": {"mnli": 1.0},
        "steps": 20,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "max_length": MAX_LENGTH,
        "dropout": 0.0,
        "num_dev_items": 0,
    }
    return PhaseConfig(**(defaults | fields))


def engine(**fields: Any) -> EngineConfig:
    """Return an engine of one CPU rank with one thread, changed by the fields given."""
    return EngineConfig(**({"threads_per_rank": 1, "device": "cpu"} | fields))


def trial(encoder: Path, **fields: Any) -> TrialConfig:
    """Return a baseline trial scored in English and German, changed by the fields given."""
    defaults = {
        "encoder": EncoderConfig(name=str(encoder)),
        "target": phase(steps=4),
        "evaluation": EvaluationConfig(languages=("en", "de"), max_length=MAX_LENGTH),
        "engine": engine(),
    }
    return TrialConfig(**(defaults | fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where phases are trained, each in a folder of its own."""

    encoder: Path
    """The encoder to start from."""
    folder: Path
    """Holds the cache, and a folder for each job."""

    def train(
        self,
        group: LocalGroup,
        work: PhaseConfig,
        *,
        config: EngineConfig | None = None,
        is_trunk: bool = False,
        state: Path | None = None,
        checkpoints: Path | None = None,
    ) -> Trained:
        """Train a phase, the rest of it, or its trunk, and return what came of it."""
        job = self.job(work, config=config, is_trunk=is_trunk, state=state, checkpoints=checkpoints)
        return Trained(result=group.run(job), folder=job.places.output)

    def job(
        self,
        work: PhaseConfig,
        *,
        config: EngineConfig | None = None,
        is_trunk: bool = False,
        state: Path | None = None,
        checkpoints: Path | None = None,
    ) -> TrainJob:
        """Return the job of training a phase, with a folder of its own for what comes of it."""
        output = self.folder / f"job-{len(list(self.folder.glob('job-*')))}"
        output.mkdir(parents=True)
        places = JobPlaces(
            encoder=self.encoder,
            tokenizer=self.encoder,
            output=output,
            cache=self.cache,
            vision=vision_folder(work.vision.tower) if work.vision else None,
            teacher=teacher_folder(work.teacher) if work.teacher else None,
            state=state,
            checkpoints=checkpoints,
        )
        return TrainJob(
            phase="target",
            work=work,
            specs=phase_specs(work),
            engine=config or engine(),
            is_trunk=is_trunk,
            places=places,
        )

    @property
    def cache(self) -> Path:
        """Folder of encoded data sets."""
        return self.folder / "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained phase."""

    result: JobResult
    folder: Path
    """Holds its weights."""

    @property
    def losses(self) -> list[float]:
        """Loss of each step."""
        return list(self.result.losses)

    @property
    def checksum(self) -> str:
        """SHA-256 of its encoder's weights."""
        return hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()
