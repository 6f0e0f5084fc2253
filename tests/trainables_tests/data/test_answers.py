"""Answers: an empty one says that there is none; what says nothing is refused, and not taken for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainables.data.labels.squad_answers import NoAnswersError, squad_answers
from trainables.data.sources.loader import load_rows
from trainables.errors import TaskDataError
from trainables.own_tasks.task_file import load_task_file

CONTEXT = "0 Grad, rot"
NONE: dict[str, list[Any]] = {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    "value",
    [
        *(["", 0], [None, None], ["", -1], [None, ""]),
        *({"text": [], "answer_start": []}, {"text": [""], "answer_start": [0]}, {"text": "", "answer_start": None}),
        *([], [{"text": "", "answer_start": -1}]),
    ],
)
def test_an_empty_text_is_no_answer_in_every_form(value: Any) -> None:
    assert squad_answers(value, context=CONTEXT) == NONE


@pytest.mark.parametrize(
    "value",
    [
        *([0, 0], [False, 0], [[], 0], [{}, 0], [0, "rot"]),
        *([None, 3], ["", 3], ["", "xx"], ["", 1.5], {"text": [""], "answer_start": [4]}),
        *(
            {"text": ["rot", ""], "answer_start": [8, 0]},
            [{"text": "rot", "answer_start": 8}, {"text": "", "answer_start": 0}],
        ),
    ],
)
def test_what_is_neither_an_answer_nor_none_is_refused(value: Any) -> None:
    with pytest.raises(NoAnswersError, match="holds"):
        squad_answers(value, context=CONTEXT)


@pytest.mark.parametrize("inner", ["rot", 3, ["rot"], [{"text": "rot"}], True])
def test_a_dotted_column_reaches_into_objects_alone(tmp_path: Path, inner: Any) -> None:
    fields = {
        "name": "dotted",
        "kind": "sentence_pair",
        "labels": ["ja", "nein"],
        "columns": {"premise": "a", "hypothesis": "b", "label": "m.gold"},
        "source": {"files": {"train": "train.jsonl"}},
    }
    (tmp_path / "my.task.yaml").write_text(yaml.safe_dump(fields))
    rows = [{"a": "x", "b": "y", "m": {"gold": "ja"}}, {"a": "x", "b": "y", "m": inner}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))

    with pytest.raises(
        TaskDataError,
        match=r"line 2: column 'm\.gold' .* an object with the field 'gold', because the task reads 'm\.gold'",
    ):
        load_rows(load_task_file(tmp_path / "my.task.yaml"), split="train")
