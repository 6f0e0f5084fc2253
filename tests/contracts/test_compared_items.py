"""A comparison reads the items of trials from a store on a disk and in a bucket alike, and says where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from search.compare.comparison import Question, compare
from search.compare.comparison_result import Comparison
from search.compare.protocols import selection_protocols
from search.record import Record, open_record
from tests.contracts.stores import Place
from tests.search_tests.building import proposal
from trainables.config import PhaseConfig
from trainables.evaluation.items import Item
from trainables.evaluation.predictions import PREDICTIONS, write_predictions
from trainables.results import Family, StageRun, TrialResult
from trainables.stage_store import StageFacts, StageStore

LANGUAGES = ("de", "en", "sw")
NUM_ITEMS, NUM_SEEDS = 60, 4


def answered(right: Sequence[bool], *, has_units: bool) -> list[Item]:
    """Three items for each premise."""
    return [
        Item(
            item=str(number),
            gold=["yes"],
            prediction=["yes" if is_right else "no"],
            scores=[],
            unit=str(number // 3 * 3) if has_units else "",
        )
        for number, is_right in enumerate(right)
    ]


def add(record: Record, store: StageStore, family: Family, *, seed: int, has_units: bool) -> None:
    generator = np.random.default_rng([seed, family == "none"])
    items = {language: answered(generator.random(NUM_ITEMS) < 0.7, has_units=has_units) for language in LANGUAGES}
    scores = {
        language: float(np.mean([one.prediction == one.gold for one in of_language]))
        for language, of_language in items.items()
    }
    keys = {phase: f"{family} {phase} {seed}".encode().hex().ljust(64, "0") for phase in ("target", "evaluation")}
    facts = StageFacts(phase="evaluation", parent=None, steps=0, seconds=1.0, scores=scores, counts={}, made_with={})
    with store.lease(keys["evaluation"]), store.work_folder(keys["evaluation"]) as folder:
        write_predictions(items, folder / PREDICTIONS)
        store.commit(keys["evaluation"], folder=folder, facts=facts)
    proposed = proposal(family)
    phase = None if family == "none" else PhaseConfig(mixture={"hellaswag": 1.0}, steps=10, seed=seed)
    config = proposed.config.model_copy(
        update={"intermediate": phase, "target": proposed.config.target.model_copy(update={"seed": seed})}
    )
    number = record.propose("sweep", proposal=proposed.model_copy(update={"config": config})).number
    stages = tuple(StageRun(phase=phase, key=key, steps=0, seconds=1.0, reused=False) for phase, key in keys.items())
    record.start("sweep", number=number)
    result = TrialResult(languages=scores, num_items=NUM_ITEMS, task_scores={}, stages=stages)
    record.finish("sweep", number=number, result=result)


def filled(place: Place, *, has_units: bool = True) -> Path:
    where, store = place.folder / "record.db", place.open()
    with open_record(where) as record:
        record.put_sweep("sweep", spec={"sampler": {"name": "random"}}, objective="average", planned_trials=1)
        for seed in range(NUM_SEEDS):
            for family in ("none", "text"):
                add(record, store, family, seed=seed, has_units=has_units)
    return where


def compared(place: Place, where: Path, *, metric: str = "average", store: str | None = None) -> Comparison:
    with open_record(where, read_only=True) as record:
        question = Question(sweep="sweep", metric=metric)
        return compare(record, question, store=store or place.url, downloads=place.folder / "downloads")


def test_items_are_read_and_drawn_by_premise(place: Place) -> None:
    found = compared(place, filled(place))

    assert (found.num_items, found.num_units) == (NUM_ITEMS, NUM_ITEMS // 3)
    assert found.groups[1].item_error is not None
    assert found.notes == ()


def test_half_of_the_items_selects_and_the_other_half_judges(place: Place) -> None:
    with open_record(filled(place), read_only=True) as record:
        rows = selection_protocols(record, sweep="sweep", store=place.url, downloads=place.folder / "downloads")

    average = next(row for row in rows if row.protocol == "average")
    generator = np.random.default_rng([average.trial // 2, average.trial % 2 == 0])
    right = np.mean([generator.random(NUM_ITEMS) < 0.7 for _ in LANGUAGES], axis=0)
    # Premises are numbered in the order of their names.
    order = np.unique([str(number // 3 * 3) for number in range(NUM_ITEMS)], return_inverse=True)[1]
    assert average.selected_by == pytest.approx(right[order % 2 == 0].mean())
    assert average.average == pytest.approx(right[order % 2 == 1].mean())


def test_predictions_of_an_earlier_version_are_drawn_one_by_one_and_it_is_said(place: Place) -> None:
    found = compared(place, filled(place, has_units=False))

    assert (found.num_items, found.num_units) == (NUM_ITEMS, NUM_ITEMS)
    assert "do not say which items share a premise" in found.notes[0]


def test_a_comparison_says_why_it_has_no_items(place: Place) -> None:
    where = filled(place)

    assert "'worst' is not a mean over items" in compared(place, where, metric="worst").notes[0]
    assert "there is no store at" in compared(place, where, store=str(place.folder / "none")).notes[0]
    StageStore(place.folder / "empty")
    assert "does not have the predictions" in compared(place, where, store=str(place.folder / "empty")).notes[0]


def test_a_bucket_that_cannot_be_reached_leaves_the_comparison_of_the_record(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(url=bucket, folder=tmp_path)
    where = filled(place)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")

    found = compared(place, where, store="s3://no-such-bucket/store")

    assert found.num_items is None
    assert "no-such-bucket" in found.notes[0]
    assert found.groups[1].low is not None
