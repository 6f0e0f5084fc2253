"""Writes the predictions of a finished trial in the format that XTREME's leaderboard and `evaluate.py` read.

    <folder>/<task>/test-<language>.tsv      a class, tag or index in each line; tagging: a blank line after a sentence
    <folder>/<task>/test-<language>.json     questions: id -> answer; ranked retrieval: id -> ids, the nearest first
    <folder>/<task>/test-<language>.jsonl    XCOPA: an object with the number of the choice, `label`, in each line

Source: google-research/xtreme, README.md (submissions), evaluate.py (readers of XTREME and XTREME-R),
mock_test_data/predictions. evaluate.py scores no LAReQA; its files have the form of Mewsli-X's. The names of the files
start with `test-` for every split. A search scores dev data; `predictions.json` in the folder names the split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import InputError, RunError
from search.new_folder import check_new_folder
from search.record import Record
from spaces.own_tasks import adopt_tasks
from trainables.config import EvaluationConfig, TrialConfig
from trainables.names import inside
from trainables.stage_store import StageStore, is_there
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from trainables.evaluation.items import Item
    from trainables.results import StageRun

XTREME_NAMES: Mapping[str, str] = {"paws_x": "pawsx", "bucc": "bucc2018", "mewsli_x": "mewslix"}
"""Name of a task here -> its name in XTREME, where they differ."""

_NUMBERED = frozenset({"paws_x"})
"""Tasks whose classes XTREME writes as numbers."""

_JSON_LINES = frozenset({"xcopa"})
"""Tasks that XTREME-R reads as objects, one in each line."""


def write_submission(record: Record, *, sweep: str, number: int, folder: Path, store: str) -> list[Path]:
    """Write the predictions of all evaluations of a trial, and return the files.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        number: Number of the trial.
        folder: Folder to write; created with its parents. It must not hold files.
        store: Path or URL of the store with the trial's stages.

    Raises:
        InputError: There is no such sweep or trial, the trial has not finished, or the folder holds files or cannot be
            written.
        RunError: The store does not have an evaluation stage, or an earlier version made it without predictions.
    """
    trial = record.trial(sweep, number=number)
    if trial.state != "finished":
        msg = (
            f"trial {number} of {sweep!r} is {trial.state}, and only a finished trial has predictions; "
            f"`xstilts best {sweep}` lists finished trials"
        )
        raise InputError(msg)
    check_new_folder(folder, what="write predictions")
    adopt_tasks(record.sweep(sweep).own_tasks)
    lineage = record.measurements(sweep, number=number)[-1].trial_result.stages
    evaluations = _evaluations(trial.trial_config)
    found = {run.further: _read(run, store=store) for run in lineage if run.phase == "evaluation"}
    files = [path for name, items in found.items() for path in _write(evaluations[name], items=items, folder=folder)]
    facts = {"sweep": sweep, "trial": number, "split": {work.task: work.split for work in evaluations.values()}}
    (folder / "predictions.json").write_text(json.dumps(facts, indent=1))
    return files


def _evaluations(config: TrialConfig) -> dict[str, EvaluationConfig]:
    """Return name of a further target, or "" for the trial's own target -> its evaluation."""
    return {"": config.evaluation} | {name: further.evaluation for name, further in config.further.items()}


def _read(run: StageRun, *, store: str) -> dict[str, list[Item]]:
    from trainables.evaluation.predictions import PREDICTIONS, read_predictions

    stage = StageStore(store, read_only=True).find(run.key) if is_there(store) else None
    if stage is None:
        msg = f"the store {store!r} does not have evaluation stage {run.key[:12]}; give the sweep's store with --store"
        raise RunError(msg)
    path = stage.folder / PREDICTIONS
    if not path.is_file():
        msg = f"stage {run.key[:12]} has no {PREDICTIONS}: an earlier version made it; evaluate again with a new seed"
        raise RunError(msg)
    return read_predictions(path)


def _write(work: EvaluationConfig, *, items: Mapping[str, Sequence[Item]], folder: Path) -> list[Path]:
    spec = task(work.task)
    where = f"what trial predicts for {spec.name[:40]!r}"
    parent = inside(folder, XTREME_NAMES.get(spec.name, spec.name), where=where)
    parent.mkdir(parents=True)
    files: list[Path] = []
    for language, of_language in items.items():
        text, suffix = submission_text(of_language, spec=spec)
        files.append(inside(parent, f"test-{language}.{suffix}", where=where))
        files[-1].write_text(text, encoding="utf-8")
    return files


def submission_text(items: Sequence[Item], *, spec: TaskSpec) -> tuple[str, str]:
    """Return the content of a language's file, and the suffix of its name.

    Args:
        items: Items with their predictions, in the order of the source.
        spec: The evaluation task.
    """
    if spec.kind == "span_qa":
        return json.dumps({item.item: item.prediction[0] for item in items}, ensure_ascii=False), "json"
    if spec.metric == "map_at_20":
        return json.dumps({item.item: item.prediction for item in items}), "json"
    if spec.name in _JSON_LINES:
        choices = [{"idx": item.item, "label": int(item.prediction[0])} for item in items]
        return "".join(f"{json.dumps(choice)}\n" for choice in choices), "jsonl"
    lines = [line for item in items for line in _lines(item, spec=spec)]
    return "".join(f"{line}\n" for line in lines), "tsv"


def _lines(item: Item, *, spec: TaskSpec) -> list[str]:
    if spec.kind == "tagging":
        return [*item.prediction, ""]
    if spec.metric == "mining_f1":
        return [f"{item.item}\t{candidate}" for candidate in item.prediction]
    if spec.name in _NUMBERED:
        return [str(spec.labels.index(item.prediction[0]))]
    return item.prediction[:1]
