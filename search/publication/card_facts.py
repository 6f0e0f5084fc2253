"""The facts of a model card, from the record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from search.publication.licences import TaskLicence, read_licences
from search.record import JsonObject, Record, SweepRow, TrialRow
from trainables.config import PhaseConfig, TrialConfig
from trainables.results import TrialResult
from trainables.tasks.auxiliary_mlm import beside_spec
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_PATH = re.compile(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:")
"""The start of a path, absolute or relative to a folder of the user's: specs have absolute ones for their folders."""


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
    def label_languages(self) -> tuple[str, ...]:
        """Languages of the labels that it was trained with: that of the evaluated task first, then translations."""
        translated = [
            code for _, work in _phases(self.config) for code in (work.beside.translations if work.beside else ())
        ]
        return tuple(dict.fromkeys([self.evaluated.training_language, *translated]))

    @property
    def published_config(self) -> JsonObject:
        """Its configuration; of a path on the user's machine, the last part alone."""
        encoder = {**_section(self.trial.config, "encoder"), "name": self.base_model or self.encoder_name}
        return {name: _without_folders(value) for name, value in {**self.trial.config, "encoder": encoder}.items()}

    @property
    def encoder_name(self) -> str:
        """Name of the encoder, without the folders above it."""
        return self.base_model or _last_part(self.config.encoder.name)


def _without_folders(value: JsonValue) -> JsonValue:
    match value:
        case str() if _PATH.match(value):
            return _last_part(value)
        case dict():
            return {name: _without_folders(one) for name, one in value.items()}
        case list():
            return [_without_folders(one) for one in value]
        case _:
            return value


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


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
        trained=tuple(_trained(config)),
        evaluated=task(config.evaluation.task),
        place=1 + sum((row.score or 0.0) > (trial.score or 0.0) for row in finished),
        num_finished=len(finished),
        num_trials=sum(record.count_states(trial.sweep).values()),
    )


def _trained(config: TrialConfig) -> Iterator[tuple[str, TaskSpec]]:
    """Yield phase and task of all that the target's encoder and head are trained on, texts beside a phase too."""
    for phase, work in _phases(config):
        for name in work.mixture:
            yield phase, task(name)
        if work.beside and work.beside.masked_lm:  # its folder may be on another machine
            yield phase, beside_spec(work.beside.masked_lm, must_exist=False)


def _phases(config: TrialConfig) -> Iterator[tuple[str, PhaseConfig]]:
    for phase, work in (
        ("pretraining", config.pretraining),
        ("intermediate", config.intermediate),
        ("target", config.target),
    ):
        if work is not None:
            yield phase, work


def _section(config: JsonObject, name: str) -> JsonObject:
    section = config.get(name)
    return section if isinstance(section, dict) else {}
