"""How JSON and Parquet files are read: values that no encoder takes, other layouts, and answers in every form."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from tests.own_task import write_fields
from tests.trainables_tests.data_file_tasks import read, refusal
from trainables.data.sources.loader import load_rows
from trainables.own_tasks.task_file import load_task_file

GOOD_ROW = '{"a": "x", "b": "y", "gold": "ja"}'


def json_row(**cells: str) -> str:
    """Return a row of JSON with some cells as they are written here."""
    written = {"a": '"x"', "b": '"y"', "gold": '"ja"', **cells}
    return "{" + ", ".join(f'"{name}": {cell}' for name, cell in written.items()) + "}"


ODD_CELLS: dict[str, tuple[dict[str, str], list[str]]] = {
    "half a character": (
        {"a": r'"x \ud83d"'},
        ["'a' (columns.premise) holds half of a surrogate pair", r"\ud83d at character 2"],
    ),
    "its other half": ({"b": r'"\ude00"'}, ["'b' (columns.hypothesis) holds half of a surrogate pair"]),
    "5,000 digits": ({"gold": "9" * 5000}, ["'gold' (columns.label) holds a number with 5,000 digits"]),
    "-5,000 digits": ({"a": "-" + "9" * 5000}, ["'a' (columns.premise) holds a number with 5,000 digits"]),
    "1e400": ({"gold": "1e400"}, ["'gold' (columns.label)", "1e400"]),
    "Infinity for a text": ({"a": "Infinity"}, ["'a' (columns.premise) holds inf"]),
    "-Infinity for a label": ({"gold": "-Infinity"}, ["'gold' (columns.label)", "-inf"]),
    "NaN for a text": ({"a": "NaN"}, ["'a' (columns.premise)", "nan"]),
    "lists in lists": (
        {"a": "[" * 90 + "]" * 90},
        ["'a' (columns.premise) has more than 32 levels of nested lists and objects"],
    ),
    "100,000 lists": ({"a": "[" * 100_000 + "]" * 100_000}, ["has lists and objects that are nested too deeply"]),
    "100,000 lists in a column that nobody reads": ({"z": "[" * 100_000 + "]" * 100_000}, ["too deep"]),
    "100,000 lists that nothing closes": ({"a": "[" * 100_000}, ["too deep"]),
    "a column twice": ({"gold": '"ja", "gold": "nein"'}, ["'gold' (columns.label) occurs twice"]),
    "a column twice within": (
        {"a": '{"x": 1, "x": 2}'},
        ["'a' (columns.premise) holds an object in which 'x' occurs twice"],
    ),
}


@pytest.mark.parametrize("what", ODD_CELLS)
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_value_that_no_encoder_takes_is_refused_by_file_line_and_column(
    tmp_path: Path, what: str, ending: str
) -> None:
    cells, parts = ODD_CELLS[what]
    rows = [GOOD_ROW, GOOD_ROW, json_row(**cells)]
    content = "\n".join(rows) if ending == "jsonl" else f"[{', '.join(rows)}]"
    place = "d.jsonl, line 3" if ending == "jsonl" else "d.json, row 3"
    message = refusal(tmp_path, f"d.{ending}", content)
    assert [part for part in [place, *parts] if part not in message] == [], message
    assert len(message) < 400


@pytest.mark.parametrize("cell", [r'"\ud83d"', "9" * 5000, "1e400", "NaN", '1, "z": 2', "[" * 90 + "]" * 90])
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_column_that_the_task_does_not_name_may_hold_anything(tmp_path: Path, cell: str, ending: str) -> None:
    content = json_row(z=cell) if ending == "jsonl" else f"[{json_row(z=cell)}]"
    assert read(tmp_path, f"d.{ending}", content) == [["x", "y", 0]]


def test_a_parquet_text_that_is_no_text_is_refused_by_row_and_column(tmp_path: Path) -> None:
    texts = pa.array([b"x", b"\xff"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": texts, "b": ["y", "y"], "gold": ["ja", "ja"]}), tmp_path / "made.parquet")
    message = refusal(tmp_path, "d.parquet", (tmp_path / "made.parquet").read_bytes())
    assert "d.parquet, row 2: column 'a' (columns.premise) holds a value that cannot be read" in message


def test_a_parquet_file_is_read_by_the_columns_that_the_task_names(tmp_path: Path) -> None:
    names = ["n", "a", "n", "b", "gold"]
    arrays = [pa.array([value]) for value in (1, "x", 2, "y", "ja")]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), tmp_path / "made.parquet")
    assert read(tmp_path, "d.parquet", (tmp_path / "made.parquet").read_bytes()) == [["x", "y", 0]]

    pq.write_table(pa.Table.from_arrays(arrays, names=["n", "a", "a", "b", "gold"]), tmp_path / "made.parquet")
    message = refusal(tmp_path, "e.parquet", (tmp_path / "made.parquet").read_bytes())
    assert "has two columns 'a', but columns.premise needs one" in message


LAYOUTS: dict[str, tuple[str, str, list[str]]] = {
    "lines named json": ("d.json", f"{GOOD_ROW}\n{GOOD_ROW}\n", ["d.json: is not valid JSON", "source.format: jsonl"]),
    "one row named json": ("d.json", GOOD_ROW, ["holds a dict, not a list of rows"]),
    "a list named jsonl": ("d.jsonl", f"[{GOOD_ROW}]", ["d.jsonl, line 1", "source.format: json"]),
    "a list over lines named jsonl": ("d.jsonl", f"[\n{GOOD_ROW}\n]", ["d.jsonl, line 1", "source.format: json"]),
    "a row over lines named jsonl": ("d.jsonl", '{\n"a": 1\n}', ["d.jsonl, line 1", "each row on one line"]),
    "SQuAD's own": (
        "d.json",
        '{"version": "1.1", "data": [{"paragraphs": []}]}',
        ["SQuAD's nested", "one row for each question"],
    ),
    "SQuAD's own as a line": ("d.jsonl", '{"data": [{"paragraphs": []}]}', ["d.jsonl, line 1", "SQuAD's nested"]),
    "rows in data": ("d.json", f'{{"data": [{GOOD_ROW}], "n": 1}}', ["its rows in `data`", "only that list"]),
    "rows in another field": ("d.json", f'{{"rows": [{GOOD_ROW}]}}', ["its rows in 'rows'"]),
    "pandas's columns": ("d.json", '{"a": {"0": "x"}, "b": {"0": "y"}}', ["as pandas writes them", "orient='records'"]),
    "a text": ("d.json", '"x"', ["holds a str, not a list of rows"]),
    "a list of texts": ("d.json", '["x"]', ["d.json, row 1: holds 'x', but a row must be an object of columns"]),
    "a list without its end": ("d.json", f"[{GOOD_ROW}", ["d.json, row 1", "the end of the file is missing"]),
    "a list with a comma too many": ("d.json", f"[{GOOD_ROW},\n]", ["d.json, row 2: is not valid JSON in line 2"]),
    "a list without a comma": (
        "d.json",
        f"[{GOOD_ROW}\n{GOOD_ROW}]",
        ["d.json, row 1", "line 2", "missing after the row"],
    ),
    "two lists": ("d.json", f"[{GOOD_ROW}]\n[]", ["text follows the list"]),
    "nothing": ("d.json", " \n", ["d.json: is empty"]),
    "a line cut off": ("d.jsonl", f"{GOOD_ROW}\n{GOOD_ROW[:-3]}", ["d.jsonl, line 2: is not valid JSON"]),
}


@pytest.mark.parametrize("what", LAYOUTS)
def test_json_in_another_layout_is_told_with_what_to_do(tmp_path: Path, what: str) -> None:
    name, content, parts = LAYOUTS[what]
    message = refusal(tmp_path, name, content)
    assert [part for part in parts if part not in message] == [], message


@pytest.mark.parametrize("column", ["data", "rows"])
def test_a_column_may_have_a_name_of_such_a_layout(tmp_path: Path, column: str) -> None:
    task = {"name": "tags", "kind": "tagging", "columns": {"tokens": column, "tags": "t"}, "labels": ["N", "V"]}
    assert read(tmp_path, "d.jsonl", f'{{"{column}": ["x"], "t": [1]}}', task=task) == [[["x"], [1]]]


QA = {"name": "fragen", "kind": "span_qa", "columns": {"context": "c", "question": "q", "answers": "w"}}
CONTEXT = {"c": "Der Ball ist rot.", "q": "Wie?"}
ANSWERS: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "lists in an object": (
        {"text": ["rot", "ist rot"], "answer_start": [13, 9]},
        {"text": ["rot", "ist rot"], "answer_start": [13, 9]},
    ),
    "one object": ([{"text": "rot", "answer_start": 13}], {"text": ["rot"], "answer_start": [13]}),
    "two objects": (
        [{"text": "rot", "answer_start": 13}, {"text": "ist rot", "answer_start": 9}],
        {"text": ["rot", "ist rot"], "answer_start": [13, 9]},
    ),
    "objects with more in them": (
        [{"answer_start": 13, "id": 7, "text": "rot"}],
        {"text": ["rot"], "answer_start": [13]},
    ),
    "an object alone": ({"text": "rot", "answer_start": 13}, {"text": ["rot"], "answer_start": [13]}),
    "no object": ([], {"text": [], "answer_start": []}),
}


@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_answers_are_read_as_lists_and_as_objects(tmp_path: Path, what: str, ending: str) -> None:
    written, answers = ANSWERS[what]
    row = {**CONTEXT, "w": written}
    out = io.BytesIO()
    struct = pa.list_(pa.struct({"text": pa.string(), "answer_start": pa.int64()}))
    columns = {name: pa.array([value], struct if value == [] else None) for name, value in row.items()}
    pq.write_table(pa.table(columns), out)
    content = {"json": json.dumps([row]).encode(), "jsonl": json.dumps(row).encode(), "parquet": out.getvalue()}
    assert read(tmp_path, f"d.{ending}", content[ending], task=QA) == [[*CONTEXT.values(), answers]]


@pytest.mark.parametrize("what", ["lists in an object", "two objects"])
def test_answers_of_a_repository_are_read_as_lists_and_as_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    written, answers = ANSWERS[what]
    folder = tmp_path / "datasets/me/fragen"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([{**CONTEXT, "w": written}] * 2), folder / "train.parquet")
    fields = {**QA, "source": {"repository": "me/fragen"}, "splits": {"train": ["train"]}}
    spec = load_task_file(write_fields(tmp_path / "my.task.yaml", **fields))
    assert load_rows(spec, split="train")["answers"][:] == [answers] * 2


@pytest.mark.parametrize(
    "written",
    [
        [{"text": "rot"}],
        [{"text": "rot", "answer_start": 13}, {"text": "rot"}],
        [{"text": "rot", "answer_start": 12}],
        [{"text": ["rot"], "answer_start": [13]}],
        [[13, "rot"]],
        {"text": "rot", "answer_start": "x"},
        {"text": "", "answer_start": 10**14},
        {"text": [""], "answer_start": [10**14]},
        "rot",
    ],
)
def test_answers_that_are_none_are_refused_by_line_and_column(tmp_path: Path, written: Any) -> None:
    message = refusal(tmp_path, "d.jsonl", json.dumps({**CONTEXT, "w": written}), task=QA)
    assert "d.jsonl, line 1: column 'w' (columns.answers) " in message
