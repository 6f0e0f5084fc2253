"""A finished trial's predictions in the layout that XTREME's leaderboard and `evaluate.py` read.

    <folder>/<task>/test-<language>.tsv      a class, a tag or an index a line; tagging: a blank line after a sentence
    <folder>/<task>/test-<language>.json     questions: id -> answer; ranked retrieval: id -> ids, the nearest first

Source: google-research/xtreme, README.md (submissions), evaluate.py (readers), mock_test_data/predictions. The files
are called `test-` whatever was scored: a search scores dev data, and says so in `predictions.json` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import InputError, RunError
from search.record import Record
from spaces.own_tasks import adopt_tasks
from trainables.config import EvaluationConfig, TrialConfig
from trainables.stage_store import StageStore, is_there, why_not_writable
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from trainables.evaluation.items import Item
    from trainables.results import StageRun

XTREME_NAMES: Mapping[str, str] = {"paws_x": "pawsx", "bucc": "bucc2018", "mewsli_x": "mewslix"}
"""Our name of a task -> XTREME's, where they differ."""

_NUMBERED = frozenset({"paws_x"})
"""Tasks whose classes XTREME writes as numbers."""


def write_submission(record: Record, *, sweep: str, number: int, folder: Path, store: str) -> list[Path]:
    """Write the predictions of every evaluation of a trial; returns the files.

    Args:
        record: Holds the sweep.
        sweep: Name of the sweep.
        number: The trial's number.
        folder: Made, with its parents; must not hold files yet.
        store: Folder of the store that holds the trial's stages.

    Raises:
        InputError: There is no such sweep or trial, it has not finished, or the folder holds files.
        RunError: The store lacks a stage, or an earlier version made it, without predictions of items.
    """
    trial = record.trial(sweep, number=number)
    if trial.state != "finished":
        msg = f"trial {number} of {sweep!r} is {trial.state}, only a finished one has predictions; see `xstilts best`"
        raise InputError(msg)
    if folder.is_dir() and any(folder.iterdir()):
        msg = f"cannot write predictions to {str(folder)!r}: it holds files already; name a new folder"
        raise InputError(msg)
    if problem := why_not_writable(folder):
        msg = f"cannot write predictions to {str(folder)!r}: {problem}; name another folder"
        raise InputError(msg)
    adopt_tasks(record.sweep(sweep).own_tasks)
    lineage = record.measurements(sweep, number=number)[-1].trial_result.stages
    evaluations = _evaluations(trial.trial_config)
    found = {run.further: _read(run, store=store) for run in lineage if run.phase == "evaluation"}
    files = [path for name, items in found.items() for path in _write(evaluations[name], items=items, folder=folder)]
    facts = {"sweep": sweep, "trial": number, "split": {work.task: work.split for work in evaluations.values()}}
    (folder / "predictions.json").write_text(json.dumps(facts, indent=1))
    return files


def _evaluations(config: TrialConfig) -> dict[str, EvaluationConfig]:
    """Return further target, or nothing for the trial's own line -> what is scored."""
    return {"": config.evaluation} | {name: one.evaluation for name, one in config.further.items()}


def _read(run: StageRun, *, store: str) -> dict[str, list[Item]]:
    from trainables.evaluation.predictions import PREDICTIONS, read_predictions

    stage = StageStore(store, read_only=True).find(run.key) if is_there(store) else None
    if stage is None:
        msg = f"the store {store!r} lacks evaluation stage {run.key[:12]}; name the sweep's store by --store"
        raise RunError(msg)
    path = stage.folder / PREDICTIONS
    if not path.is_file():
        msg = f"stage {run.key[:12]} has no {PREDICTIONS}: an earlier version made it; evaluate under a new seed"
        raise RunError(msg)
    return read_predictions(path)


def _write(work: EvaluationConfig, *, items: Mapping[str, Sequence[Item]], folder: Path) -> list[Path]:
    spec = task(work.task)
    parent = folder / XTREME_NAMES.get(spec.name, spec.name)
    parent.mkdir(parents=True)
    files: list[Path] = []
    for language, of_language in items.items():
        text, suffix = submission_text(of_language, spec=spec)
        files.append(parent / f"test-{language}.{suffix}")
        files[-1].write_text(text, encoding="utf-8")
    return files


def submission_text(items: Sequence[Item], *, spec: TaskSpec) -> tuple[str, str]:
    """Return a language's file and its suffix.

    Args:
        items: What was predicted, in the source's order.
        spec: The evaluation task.
    """
    if spec.kind == "span_qa":
        return json.dumps({one.item: one.prediction[0] for one in items}, ensure_ascii=False), "json"
    if spec.metric == "map_at_20":
        return json.dumps({one.item: one.prediction for one in items}), "json"
    lines = [line for one in items for line in _lines(one, spec=spec)]
    return "".join(f"{line}\n" for line in lines), "tsv"


def _lines(one: Item, *, spec: TaskSpec) -> list[str]:
    if spec.kind == "tagging":
        return [*one.prediction, ""]
    if spec.metric == "mining_f1":
        return [f"{one.item}\t{candidate}" for candidate in one.prediction]
    if spec.name in _NUMBERED:
        return [str(spec.labels.index(one.prediction[0]))]
    return one.prediction[:1]
