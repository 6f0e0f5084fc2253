"""The facts of a model card, from the record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from search.publication.licences import TaskLicence, read_licences
from search.record import JsonObject, Record, SweepRow, TrialRow
from trainables.config import TrialConfig
from trainables.results import TrialResult
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card says of a finished trial."""

    sweep: SweepRow
    trial: TrialRow
    config: TrialConfig
    result: TrialResult
    """At its highest rung."""
    trained: tuple[tuple[str, TaskSpec], ...]
    """Phase and task, in the order of training."""
    evaluated: TaskSpec
    """Task that it was scored on."""
    place: int
    """Its place among the finished trials by the objective, from 1."""
    num_finished: int
    """Finished trials that are not excluded."""
    num_trials: int
    """All trials of the sweep."""

    @property
    def base_model(self) -> str | None:
        """Repository of the encoder; None for the shipped encoder or a folder of the user's."""
        name = self.config.encoder.name
        return name if _REPOSITORY.fullmatch(name) else None

    @property
    def licences(self) -> tuple[TaskLicence, ...]:
        """Licence of each task that it was trained on, once."""
        return read_licences({task.name: task for _, task in self.trained}.values())

    @property
    def is_miniature(self) -> bool:
        """Whether its target is of the generated world."""
        return self.evaluated.source.type == "generated"

    @property
    def published_config(self) -> JsonObject:
        """Its configuration without the path of a folder on the user's machine."""
        encoder = {**_section(self.trial.config, "encoder"), "name": self.base_model or self.encoder_name}
        return {**self.trial.config, "encoder": encoder}

    @property
    def encoder_name(self) -> str:
        """Name of the encoder, without the folders above it."""
        return self.base_model or re.split(r"[/\\]", self.config.encoder.name.rstrip("/\\"))[-1]


def read_card_facts(record: Record, trial: TrialRow) -> CardFacts:
    """Return the facts of a finished trial. The sweep's own tasks must be registered.

    Args:
        record: Record with the trial.
        trial: The trial.

    Raises:
        InputError: One of its tasks is not known here.
    """
    finished = [row for row in record.trials(trial.sweep, states=("finished",)) if row.set_aside is None]
    config = trial.trial_config
    return CardFacts(
        sweep=record.sweep(trial.sweep),
        trial=trial,
        config=config,
        result=record.measurements(trial.sweep, number=trial.number)[-1].trial_result,
        trained=tuple((phase, task(name)) for phase, name in _trained(config)),
        evaluated=task(config.evaluation.task),
        place=1 + sum((row.score or 0.0) > (trial.score or 0.0) for row in finished),
        num_finished=len(finished),
        num_trials=sum(record.count_states(trial.sweep).values()),
    )


def _trained(config: TrialConfig) -> Iterator[tuple[str, str]]:
    """Yield phase and name of each task that the target's encoder and head are trained on."""
    for phase, section in (
        ("pretraining", config.pretraining),
        ("intermediate", config.intermediate),
        ("target", config.target),
    ):
        for name in section.mixture if section else ():
            yield phase, name


def _section(config: JsonObject, name: str) -> JsonObject:
    section = config.get(name)
    return section if isinstance(section, dict) else {}
