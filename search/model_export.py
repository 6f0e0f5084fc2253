"""Writes the model of a finished trial as a folder that transformers loads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from search.errors import InputError, RunError
from search.new_folder import check_new_folder
from search.publication.card_facts import CardFacts, read_card_facts
from search.publication.licences import TaskLicence
from search.publication.model_card import card_body, card_metadata
from search.record import Record, TrialRow
from spaces.own_tasks import adopt_tasks
from trainables.errors import StoreUnusableError
from trainables.plan.starting_weights import encoder_folder
from trainables.ranks.jobs import HEADS
from trainables.stage_store import Place, StageStore, StoredStage, is_there
from trainables.tasks.registry import task


class NotFinishedError(InputError):
    """The trial has no trained model yet."""


class StageMissingError(RunError):
    """The target stage of a finished trial is not in this store."""


def export_trial(record: Record, *, sweep: str, number: int, folder: Path, store: str) -> None:
    """Write the classifier of a finished trial, with its pooling, as a folder for `from_pretrained`.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        number: Number of the trial.
        folder: Folder to write; created with its parents. It must not hold files.
        store: Path or URL of the store with the trial's stages.

    Raises:
        InputError: There is no such sweep or trial, the trial has not finished, its target is not a classification
            task of sentence pairs, or the folder holds files or cannot be written.
        RunError: The store does not have the trial's target stage.
    """
    trial = record.trial(sweep, number=number)
    check_new_folder(folder, what="export")
    _check_finished(trial)
    adopt_tasks(record.sweep(sweep).own_tasks)
    target = task(next(iter(trial.trial_config.target.mixture)))
    if target.kind != "sentence_pair":
        msg = (
            f"cannot export trial {number} of {sweep!r}: its target {target.name!r} is {target.kind}, and only a "
            "sentence_pair target is a classifier; `xstilts stages copy KEY FOLDER` writes its encoder (`xstilts show` "
            "prints the stage's key)"
        )
        raise InputError(msg)
    facts = read_card_facts(record, trial)
    with _opened(store) as opened:
        _write(record, trial, store=opened, place=store, folder=folder, facts=facts)


def _write(
    record: Record, trial: TrialRow, *, store: StageStore | None, place: str, folder: Path, facts: CardFacts
) -> None:
    def find(key: str) -> StoredStage:
        return _stage(key, trial, store=store, place=place)

    key = _target_key(record, trial)
    stage = find(key)
    target = task(next(iter(trial.trial_config.target.mixture)))
    # Importing torch takes seconds, so it comes after all checks.
    from trainables.models.hugging_face_folder import CardParts, TrainedEncoder, export_classifier
    from trainables.models.task_model import head_state
    from trainables.models.weights import read_weights

    place_of_encoder, adapters = _encoder_of(stage, trial, find=find)
    try:
        export_classifier(
            TrainedEncoder(place=place_of_encoder, adapters=adapters),
            head=head_state(read_weights(stage.folder / HEADS), task=target.name),
            pooling=trial.trial_config.target.pooling,
            labels=target.labels,
            folder=folder,
            card=CardParts(metadata=card_metadata(facts), sections=card_body(facts)),
        )
    except FileNotFoundError as error:  # a store that may not be written cannot keep what is read
        raise _missing(key, trial, place=place) from error


def _encoder_of(
    stage: StoredStage, trial: TrialRow, *, find: Callable[[str], StoredStage]
) -> tuple[Place, tuple[Path, ...]]:
    """Return where a whole encoder is, and the folders of the adapters on it: together they are a stage's encoder."""
    adapters: tuple[Path, ...] = ()
    while stage.facts.adapter is not None:
        adapters = (stage.folder, *adapters)
        if stage.facts.parent is None:
            encoder = trial.trial_config.encoder
            return Place(encoder_folder(encoder.name, revision=encoder.revision)), adapters
        stage = find(stage.facts.parent)
    return stage.place, adapters


def training_licences(record: Record, *, sweep: str, number: int) -> tuple[TaskLicence, ...]:
    """Return the licence of each task that a finished trial was trained on.

    Raises:
        InputError: There is no such sweep or trial, it has not finished, or a task is not known here.
    """
    trial = record.trial(sweep, number=number)
    _check_finished(trial)
    adopt_tasks(record.sweep(sweep).own_tasks)
    return read_card_facts(record, trial).licences


def _check_finished(trial: TrialRow) -> None:
    if trial.state != "finished":
        msg = (
            f"trial {trial.number} of {trial.sweep!r} is {trial.state}, and only a finished trial has a model; "
            f"`xstilts best {trial.sweep}` lists finished trials"
        )
        raise NotFinishedError(msg)


def _target_key(record: Record, trial: TrialRow) -> str:
    lineage = record.measurements(trial.sweep, number=trial.number)[-1].trial_result.stages
    return next(stage.key for stage in lineage if stage.phase == "target" and not stage.further and not stage.is_trunk)


@contextlib.contextmanager
def _opened(place: str) -> Generator[StageStore | None]:
    """Open the store, None if there is none. If it may be written, no process removes the stages that are read."""
    if not is_there(place):
        yield None
        return
    try:
        store = StageStore(place)
    except StoreUnusableError:
        yield StageStore(place, read_only=True)
        return
    with store.using():
        yield store


def _stage(key: str, trial: TrialRow, *, store: StageStore | None, place: str) -> StoredStage:
    found = None if store is None else store.find(key)
    if found is None:
        raise _missing(key, trial, place=place)
    return found


def _missing(key: str, trial: TrialRow, *, place: str) -> StageMissingError:
    msg = (
        f"the store {place!r} does not have stage {key[:12]} of trial {trial.number}; give the sweep's store with "
        "--store, or make the stage again: `xstilts run` with the configuration that `xstilts show` prints"
    )
    return StageMissingError(msg)
