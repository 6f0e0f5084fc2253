"""A finished trial as a model folder that transformers loads."""

from __future__ import annotations

from pathlib import Path

from search.errors import InputError, RunError
from search.record import Record, TrialRow
from spaces.own_tasks import adopt_tasks
from trainables.ranks.jobs import HEADS
from trainables.stage_store import StageStore, StoredStage, is_there, why_not_writable
from trainables.tasks.registry import task


class NotFinishedError(InputError):
    """A trial that has no trained model yet."""


class StageMissingError(RunError):
    """A finished trial's stage is not in this store."""


def export_trial(record: Record, *, sweep: str, number: int, folder: Path, store: str) -> None:
    """Write a finished trial's classifier, pooling included, as a folder for `from_pretrained`.

    Args:
        record: Holds the sweep.
        sweep: Name of the sweep.
        number: The trial's number.
        folder: Made, with its parents; must not hold files yet.
        store: Path or URL of the store that holds the trial's stages.

    Raises:
        InputError: There is no such sweep or trial, it has not finished, or the folder holds files.
        RunError: The store lacks its target stage.
    """
    trial = record.trial(sweep, number=number)
    if folder.is_dir() and any(folder.iterdir()):
        msg = f"cannot export to {str(folder)!r}: it holds files already; name a new folder"
        raise InputError(msg)
    if problem := why_not_writable(folder):
        msg = f"cannot export to {str(folder)!r}: {problem}; name another folder"
        raise InputError(msg)
    adopt_tasks(record.sweep(sweep).own_tasks)
    target = task(next(iter(trial.trial_config.target.mixture)))
    if target.kind != "sentence_pair":
        msg = (
            f"cannot export trial {number} of {sweep!r}: its target {target.name!r} is {target.kind}, and only a "
            "sentence_pair target is a classifier; its encoder lies in the store (`xstilts show` names the stage)"
        )
        raise InputError(msg)
    stage = _target_stage(record, trial, store=store)
    # Torch takes seconds: what is wrong has been said by now.
    from trainables.models.export import export_classifier
    from trainables.models.task_model import head_state
    from trainables.models.weights import read_weights

    export_classifier(
        stage.folder,
        head=head_state(read_weights(stage.folder / HEADS), task=target.name),
        labels=target.labels,
        folder=folder,
        summary=f"Trial {number} of the xstilts sweep `{sweep}`, family `{trial.family}`, objective {trial.score}.",
    )


def _target_stage(record: Record, trial: TrialRow, *, store: str) -> StoredStage:
    if trial.state != "finished":
        msg = (
            f"trial {trial.number} of {trial.sweep!r} is {trial.state}, only a finished one has a model; "
            f"`xstilts best {trial.sweep}` lists those"
        )
        raise NotFinishedError(msg)
    lineage = record.measurements(trial.sweep, number=trial.number)[-1].trial_result.stages
    key = next(stage.key for stage in lineage if stage.phase == "target" and not stage.further)
    found = StageStore(store, read_only=True).find(key) if is_there(store) else None
    if found is None:
        msg = (
            f"the store {store!r} lacks stage {key[:12]} of trial {trial.number}; name the sweep's store by --store, "
            f"or make it again with `xstilts run` on the configuration that `xstilts show` prints"
        )
        raise StageMissingError(msg)
    return found
