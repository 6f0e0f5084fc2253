"""Reads the identity of a trial's inputs: encoder, tasks, rows, vision towers and teachers."""

from __future__ import annotations

from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.data.sources.source import source_fingerprint
from trainables.plan.stage_plan import TRAINING_PHASES, Provenance
from trainables.plan.starting_weights import encoder_folder, folder_identity, teacher_folder, vision_folder
from trainables.tasks.auxiliary_mlm import phase_specs
from trainables.tasks.registry import task


def phases_of(config: TrialConfig) -> dict[str, PhaseConfig]:
    """Return path in the configuration -> training phase, in order."""
    phases: dict[str, PhaseConfig | None] = {name: getattr(config, name) for name in TRAINING_PHASES}
    for name, further in config.further.items():
        phases |= {f"further.{name}.target.{number}": work for number, work in enumerate(further.target)}
    return {name: work for name, work in phases.items() if work is not None}


def evaluations_of(config: TrialConfig) -> dict[str, EvaluationConfig]:
    """Return path in the configuration -> evaluation, the trial's own first."""
    others = {f"further.{name}.evaluation": further.evaluation for name, further in config.further.items()}
    return {"evaluation": config.evaluation} | others


def task_names(config: TrialConfig) -> tuple[str, ...]:
    """Return the names of every task that a trial trains or scores, each once."""
    trained = [name for work in phases_of(config).values() for name in work.mixture]
    return tuple(dict.fromkeys([*trained, *(work.task for work in evaluations_of(config).values())]))


def read_provenance(config: TrialConfig) -> Provenance:
    """Return the identity of a trial's encoder, tasks, rows, vision towers and teachers.

    Raises:
        InputError: A task is unknown, or something cannot be found.
    """
    specs = {name: task(name) for name in task_names(config)}
    for work in phases_of(config).values():
        specs |= phase_specs(work)
    towers = {work.vision.tower for work in phases_of(config).values() if work.vision}
    folders = {tower: vision_folder(tower) for tower in towers}
    teachers = {work.teacher for work in phases_of(config).values() if work.teacher is not None}
    return Provenance(
        encoder=folder_identity(encoder_folder(config.encoder.name, revision=config.encoder.revision)),
        specs=specs,
        # A hub repository without a pinned revision is identified only by its name; its card notes this.
        data={name: source_fingerprint(spec) or "unpinned" for name, spec in specs.items()},
        vision={tower: folder_identity(folder) for tower, folder in folders.items() if folder is not None},
        teachers={name: folder_identity(teacher_folder(name)) for name in teachers},
    )
