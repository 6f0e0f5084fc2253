"""Items that share a premise or a paragraph are told apart from independent ones, and files keep it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import trainables
from trainables.evaluation.correctness import read_units
from trainables.evaluation.items import items_of
from trainables.evaluation.predictions import read_predictions, write_predictions
from trainables.models.encoder import load_tokenizer
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import EncodingContext
from trainables.tasks.registry import task

TOKENIZER = load_tokenizer(Path(trainables.__file__).parent / "miniature" / "assets" / "encoder")
PARAGRAPH = "the red star is above the blue box " * 40
PREMISES = ["a red star", "a red star", "a red star and a box", "a red star", "a red"]


def opened(name: str, rows: dict[str, list[Any]]) -> Any:
    spec = task(name)
    columns = kind(spec.kind).encode(rows, EncodingContext(spec=spec, tokenizer=TOKENIZER, max_length=48))
    return SimpleNamespace(spec=spec, columns=columns, lengths=np.array(columns["length"]))


def pairs(hypotheses: list[str] | None = None) -> Any:
    hypotheses = hypotheses or ["a star", "no star", "a box", "a blue star " * 5, "star"]
    return opened("xnli", {"premise": PREMISES, "hypothesis": hypotheses, "label": [0, 1, 2, 0, 1]})


def test_hypotheses_of_one_premise_are_one_unit() -> None:
    items = items_of(pairs(), outputs={"logits": np.eye(5, 3)})

    assert [item.unit for item in items] == ["0", "0", "2", "0", "4"]


def test_questions_on_one_paragraph_are_one_unit_however_long_they_are() -> None:
    rows = {
        "context": [PARAGRAPH, PARAGRAPH, "another", PARAGRAPH],
        "question": ["where?", "where is the red star that is above the box?", "where?", "what?"],
        "answers": [{"text": ["red"], "answer_start": [4]}] * 2 + [None, {"text": ["star"], "answer_start": [8]}],
        "id": ["q1", "q2", "q3", "q4"],
    }
    split = opened("xquad", {**rows, "answers": rows["answers"]})
    split.columns["id"] = [rows["id"][row] for row in split.columns["row"]]
    num = len(split.columns["row"])
    outputs = {name: np.zeros(num, dtype=np.int64) + 20 for name in ("starts", "ends")}

    items = items_of(split, outputs=outputs | {"span_logits": np.zeros(num), "null_logits": np.zeros(num)})

    assert num > 4
    assert [item.unit for item in items] == ["q1", "q1", "q3", "q1"]


def test_units_survive_their_file_and_files_without_them_are_read(tmp_path: Path) -> None:
    items = items_of(pairs(), outputs={"logits": np.eye(5, 3)})
    path = tmp_path / "predictions.parquet"
    write_predictions({"de": items}, path)

    assert read_predictions(path) == {"de": items}
    units = read_units(path, language="de")
    assert units is not None
    assert units.tolist() == [0, 0, 1, 0, 2]

    pq.write_table(pq.read_table(path).drop_columns(["unit"]), path)
    assert read_units(path, language="de") is None
    assert [item.unit for item in read_predictions(path)["de"]] == [""] * 5
