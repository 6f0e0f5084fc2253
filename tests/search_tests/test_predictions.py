"""Predictions as XTREME's leaderboard and its evaluate.py read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.errors import InputError
from search.record import Record
from search.xtreme_predictions import submission_text, write_submission
from tests.search_tests.building import proposal
from trainables.evaluation.items import Item
from trainables.evaluation.predictions import PREDICTIONS, write_predictions
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageFacts, StageStore
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

TAGGING = task("xnli").model_copy(update={"name": "panx", "kind": "tagging", "metric": "seqeval_f1"})
MINING = task("tatoeba").model_copy(update={"name": "bucc", "metric": "mining_f1"})


def item(name: str, prediction: list[str]) -> Item:
    return Item(item=name, gold=[], prediction=prediction, scores=[])


@pytest.mark.parametrize(
    ("spec", "items", "text", "suffix"),
    [
        (task("xnli"), [item("0", ["neutral"]), item("1", ["entailment"])], "neutral\nentailment\n", "tsv"),
        (task("paws_x"), [item("0", ["paraphrase"]), item("1", ["different"])], "1\n0\n", "tsv"),
        (task("xquad"), [item("a1", ["東京"])], '{"a1": "東京"}', "json"),
        (TAGGING, [item("0", ["O", "B-LOC"]), item("1", ["O"])], "O\nB-LOC\n\nO\n\n", "tsv"),
        (task("tatoeba"), [item("0", ["2", "0"]), item("1", ["1", "2"])], "2\n1\n", "tsv"),
        (MINING, [item("de-1", ["en-7"]), item("de-2", [])], "de-1\ten-7\n", "tsv"),
    ],
    ids=["classes", "numbered classes", "answers", "tags", "nearest", "mined"],
)
def test_each_task_has_the_lines_that_xtreme_reads(spec: TaskSpec, items: list[Item], text: str, suffix: str) -> None:
    assert submission_text(items, spec=spec) == (text, suffix)


def test_a_finished_trials_predictions_are_laid_out_by_task_and_language(record: Record, tmp_path: Path) -> None:
    store = StageStore(tmp_path / "store")
    key = "a" * 64
    facts = StageFacts(
        phase="evaluation", parent=None, steps=0, seconds=1.0, scores={"de": 1.0}, counts={"de": 1}, made_with={}
    )
    with store.lease(key), store.work_folder(key) as folder:
        write_predictions({"de": [item("0", ["neutral"])]}, folder / PREDICTIONS)
        store.commit(key, folder=folder, facts=facts)
    run = StageRun(phase="evaluation", key=key, steps=0, seconds=1.0, reused=False)
    record.put_sweep("sweep", spec={}, objective="average", planned_trials=1)
    record.propose("sweep", proposal=proposal())
    result = TrialResult(languages={"de": 1.0}, num_items=1, task_scores={}, stages=(run,))
    with pytest.raises(InputError, match="only a finished trial has predictions"):
        write_submission(record, sweep="sweep", number=0, folder=tmp_path / "out", store=str(store.root))
    record.start("sweep", number=0)
    record.finish("sweep", number=0, result=result)

    files = write_submission(record, sweep="sweep", number=0, folder=tmp_path / "out", store=str(store.root))

    assert files == [tmp_path / "out/xnli/test-de.tsv"]
    assert files[0].read_text() == "neutral\n"
    assert json.loads((tmp_path / "out/predictions.json").read_text())["split"] == {"xnli": "validation"}
