"""One contract, every way of reading: a label, a tag, a choice or an answer means the same wherever it is written."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contracts.sources import FIELDS, LABELS, SOURCES, Rows, cells_of, read, texts_of, write_classes, write_rows
from trainables.errors import InputError

CLASSES: dict[str, tuple[list[Any], list[int]]] = {
    "names": (["nein", "ja", "offen"], [1, 0, 2]),
    "numbers": ([1, 0, 2], [1, 0, 2]),
    "texts": (["1", "0", "2"], [1, 0, 2]),
    "floats": ([1.0, 0.0, 2.0], [1, 0, 2]),
    "float texts": (["1.0", "0.0", "2.0"], [1, 0, 2]),
    "empty": (["nein", None, "ja"], [1, -1, 0]),
    "a dash": (["nein", "-", "ja"], [1, -1, 0]),
    "minus one": ([1, -1, 0], [1, -1, 0]),
    "minus one as float": ([1.0, -1.0, None], [1, -1, -1]),
    "minus one as text": (["nein", "-1", "ja"], [1, -1, 0]),
}
"""What the source holds, and the class numbers that it means."""

REFUSED: dict[str, list[Any]] = {
    "an unknown name": ["nein", "vielleicht", "ja"],
    "a number beyond": [0, 3, 1],
    "a number below": [0, -2, 1],
    "a part of a class": [0.0, 1.5, 1.0],
    "another case": ["nein", "Ja", "offen"],
    "a number as text beyond": ["0", "3", "1"],
}
ANSWERS: dict[str, tuple[Any, Any]] = {
    "names": (("rot", 9), {"text": ["rot"], "answer_start": [9]}),
    "numbers": (("Ball", 4), {"text": ["Ball"], "answer_start": [4]}),
    "floats": (("rot", 9.0), {"text": ["rot"], "answer_start": [9]}),
    "texts": (("rot", "9"), {"text": ["rot"], "answer_start": [9]}),
    "float texts": (("rot", "9.0"), {"text": ["rot"], "answer_start": [9]}),
    "missing": ((None, None), {"text": [], "answer_start": []}),
    "an empty text": (("", 0), {"text": [], "answer_start": []}),
}
REFUSED_ANSWERS = {
    "unknown": ("gelb", 9),
    "elsewhere": ("rot", 8),
    "part of a character": ("rot", 8.5),
    "before": ("rot", -1),
}
every_source = pytest.mark.parametrize("source", SOURCES)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")


def rows_of(kind: str, values: list[Any], *, source: str) -> Rows:
    """Return a row for each value, or for tags one row of them all."""
    golds = [values] if kind == "tags" else values
    return [texts_of(kind, source=source) | cells_of(kind, gold, source=source) for gold in golds]


def fields_of(kind: str, *, case: str) -> dict[str, Any]:
    """Return the task's fields; where choices are numbers the task gives them no names."""
    fields = dict(FIELDS[kind])
    if kind == "choices" and case not in {"names", "empty", "a dash", "minus one as text"}:
        del fields["label_values"]
    return fields


@every_source
@pytest.mark.parametrize("kind", ["label", "tags", "choices"])
@pytest.mark.parametrize("case", CLASSES)
def test_a_class_means_the_same_in_every_source(tmp_path: Path, source: str, kind: str, case: str) -> None:
    values, expected = CLASSES[case]
    if kind == "tags" and source in {"csv", "tsv"}:
        values = ["-" if value is None else value for value in values]  # words in a cell stand between blanks
    write = partial(write_rows, rows=rows_of(kind, values, source=source))
    found = read(tmp_path, fields_of(kind, case=case), source=source, write=write)
    assert found == ([expected] if kind == "tags" else expected)


@every_source
@pytest.mark.parametrize("kind", ["label", "tags", "choices"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_class_is_refused_with_the_classes(tmp_path: Path, source: str, kind: str, case: str) -> None:
    write = partial(write_rows, rows=rows_of(kind, REFUSED[case], source=source))
    with pytest.raises(InputError, match=r"not one of ja, nein, offen"):
        read(tmp_path, FIELDS[kind], source=source, write=write)


@every_source
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_means_the_same_in_every_source(tmp_path: Path, source: str, case: str) -> None:
    gold, expected = ANSWERS[case]
    rows = rows_of("answers", [("Der", type(gold[1])(0) if gold[1] is not None else 0), gold], source=source)
    write = partial(write_rows, rows=rows)
    assert read(tmp_path, FIELDS["answers"], source=source, write=write)[1] == expected


@every_source
@pytest.mark.parametrize("case", REFUSED_ANSWERS)
def test_an_answer_that_does_not_stand_there_is_refused(tmp_path: Path, source: str, case: str) -> None:
    rows = rows_of("answers", [REFUSED_ANSWERS[case]], source=source)
    with pytest.raises(InputError, match=r"mein.*(row|line)"):
        read(tmp_path, FIELDS["answers"], source=source, write=partial(write_rows, rows=rows))


SQUAD = [
    {"text": ["rot"], "answer_start": [9]},
    [{"text": "rot", "answer_start": 9}],
    [{"text": "rot", "answer_start": 9}, {"text": "Ball", "answer_start": 4}],
    {"text": ["rot"], "answer_start": [9.0]},
]


@pytest.mark.parametrize("source", ["json", "jsonl", "parquet", "hub"])
@pytest.mark.parametrize("answers", SQUAD, ids=map(json.dumps, SQUAD))
def test_answers_are_one_object_of_lists_or_a_list_of_objects(tmp_path: Path, source: str, answers: Any) -> None:
    fields = {**FIELDS["answers"], "columns": {"question": "b", "context": "a", "answers": "gold"}}
    rows = [texts_of("answers", source=source) | {"gold": gold} for gold in (answers, None)]
    found = read(tmp_path, fields, source=source, write=partial(write_rows, rows=rows))
    assert (found[0]["text"][0], found[0]["answer_start"][0], found[1]) == ("rot", 9, None)


@pytest.mark.parametrize("source", ["json", "jsonl"])
@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("at", [0, 2])
def test_an_absent_key_is_refused_by_its_line(tmp_path: Path, source: str, kind: str, at: int) -> None:
    gold = {"answers": ("rot", 9), "tags": ["ja", "nein", "ja"]}.get(kind, "ja")
    rows = [texts_of(kind, source=source) | cells_of(kind, gold, source=source) for _ in range(3)]
    rows[at]["gold_label"] = rows[at].pop("gold")
    place = f"{'row' if source == 'json' else 'line'} {at + 1}"
    with pytest.raises(InputError, match=rf"train\.{source}, {place}: .*gold_label"):
        read(tmp_path, FIELDS[kind], source=source, write=partial(write_rows, rows=rows))


@every_source
@pytest.mark.parametrize("kind", FIELDS)
def test_a_column_that_is_missing_as_a_whole_is_named(tmp_path: Path, source: str, kind: str) -> None:
    rows = [texts_of(kind, source=source) | {"gold_label": "ja"}] * 2
    with pytest.raises(InputError, match=r"'gold'.*gold_label"):
        read(tmp_path, FIELDS[kind], source=source, write=partial(write_rows, rows=rows))


@every_source
@pytest.mark.parametrize("kind", ["label", "choices"])
def test_a_task_says_itself_what_stands_for_no_label(tmp_path: Path, source: str, kind: str) -> None:
    write = partial(write_rows, rows=rows_of(kind, ["ja", "??", "nein"], source=source))
    assert read(tmp_path, {**FIELDS[kind], "unlabelled": ["??"]}, source=source, write=write) == [0, -1, 1]


@every_source
@pytest.mark.parametrize("value", ["-", None, "-1"])
def test_what_a_task_does_not_name_as_unlabelled_is_refused(tmp_path: Path, source: str, value: Any) -> None:
    write = partial(write_rows, rows=rows_of("label", ["ja", value], source=source))
    with pytest.raises(InputError, match="not one of ja, nein, offen"):
        read(tmp_path, {**FIELDS["label"], "unlabelled": ["??"]}, source=source, write=write)


@every_source
def test_a_class_may_be_called_by_what_else_stands_for_no_label(tmp_path: Path, source: str) -> None:
    write = partial(write_rows, rows=rows_of("label", ["-", "+", "-"], source=source))
    assert read(tmp_path, {**FIELDS["label"], "labels": ["+", "-"]}, source=source, write=write) == [1, 0, 1]


@every_source
@pytest.mark.parametrize("values", [[1, 3, 2], ["1", "3", "2"], [1.0, 3.0, 2.0]])
def test_a_number_that_is_a_classs_name_is_that_class(tmp_path: Path, source: str, values: list[Any]) -> None:
    write = partial(write_rows, rows=rows_of("label", values, source=source))
    assert read(tmp_path, {**FIELDS["label"], "labels": ["1", "2", "3"]}, source=source, write=write) == [0, 2, 1]


@every_source
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["nein", "ja"], [1, 0]),
        (["true", "false"], [0, 1]),
        (["False", "True"], [1, 0]),
        (["yes", "no"], [0, 1]),
        (["1", "0"], [0, 1]),
    ],
)
def test_a_boolean_is_its_name_or_the_second_of_two_classes(
    tmp_path: Path, source: str, labels: list[str], expected: list[int]
) -> None:
    write = partial(write_rows, rows=rows_of("label", [True, False], source=source))
    assert read(tmp_path, {**FIELDS["label"], "labels": labels}, source=source, write=write) == expected


@every_source
@pytest.mark.parametrize("labels", [["1", "2"], ["ja", "nein", "offen"]])
def test_a_boolean_that_could_be_several_classes_is_refused(tmp_path: Path, source: str, labels: list[str]) -> None:
    write = partial(write_rows, rows=rows_of("label", [True, False], source=source))
    with pytest.raises(InputError, match=f"not one of {', '.join(labels)}"):
        read(tmp_path, {**FIELDS["label"], "labels": labels}, source=source, write=write)


@every_source
def test_what_stands_for_no_label_may_be_a_boolean(tmp_path: Path, source: str) -> None:
    fields = {**FIELDS["label"], "labels": ["ja", "nein"], "unlabelled": ["False"]}
    write = partial(write_rows, rows=rows_of("label", ["ja", "False", "nein"], source=source))
    assert read(tmp_path, fields, source=source, write=write) == [0, -1, 1]


@every_source
def test_a_number_that_two_classes_are_called_by_is_refused(tmp_path: Path, source: str) -> None:
    write = partial(write_rows, rows=rows_of("label", [1, 2], source=source))
    with pytest.raises(InputError, match="not one of 1\\.0, 1\\.00, 2"):
        read(tmp_path, {**FIELDS["label"], "labels": ["1.0", "1.00", "2"]}, source=source, write=write)


ORDERS = {
    "the task's": ["ja", "nein", "offen"],
    "reversed": ["offen", "nein", "ja"],
    "with a name that no row has": ["x", "offen", "ja", "nein"],
    "with a name for no label": ["-", "nein", "offen", "ja"],
}


@pytest.mark.parametrize("source", ["parquet", "hub"])
@pytest.mark.parametrize("kind", ["label", "tags", "choices"])
@pytest.mark.parametrize("order", ORDERS)
def test_names_that_the_data_carry_decide_whatever_their_order(
    tmp_path: Path, source: str, kind: str, order: str
) -> None:
    names = ORDERS[order]
    numbers = [names.index(name) for name in ("nein", "ja", "offen")] + ([0] if "-" in names else [])
    rows = rows_of(kind, numbers, source=source)
    if kind == "tags":
        rows[0]["a"] = ["w"] * len(numbers)
    found = read(tmp_path, FIELDS[kind], source=source, write=partial(write_classes, rows=rows, names=names, kind=kind))
    expected = [1, 0, 2] + ([-1] if "-" in names else [])
    assert found == ([expected] if kind == "tags" else expected)


@pytest.mark.parametrize("source", ["parquet", "hub"])
@pytest.mark.parametrize("kind", ["label", "tags", "choices"])
@pytest.mark.parametrize("names", [["yes", "no", "open"], ["Ja", "Nein", "Offen"]])
def test_names_that_are_none_of_the_tasks_are_refused_with_both_lists(
    tmp_path: Path, source: str, kind: str, names: list[str]
) -> None:
    rows = rows_of(kind, [0, 1, 2], source=source)
    with pytest.raises(
        InputError, match=rf"not one of {', '.join(LABELS)} \(the source's classes are {', '.join(names)}"
    ):
        read(tmp_path, FIELDS[kind], source=source, write=partial(write_classes, rows=rows, names=names, kind=kind))


@pytest.mark.parametrize("source", ["parquet", "hub"])
@pytest.mark.parametrize(("names", "expected"), [(["0", "1", "2"], [2, 0, 1]), (["1", "2", "3"], [2, 0, 1])])
def test_names_that_are_numbers_say_no_more_than_an_order(
    tmp_path: Path, source: str, names: list[str], expected: list[int]
) -> None:
    rows = rows_of("label", [2, 0, 1], source=source)
    write = partial(write_classes, rows=rows, names=names, kind="label")
    assert read(tmp_path, FIELDS["label"], source=source, write=write) == expected


@pytest.mark.parametrize("source", ["parquet", "hub"])
def test_named_choices_of_a_task_without_names_are_taken_in_order_or_refused(tmp_path: Path, source: str) -> None:
    fields = {key: value for key, value in FIELDS["choices"].items() if key != "label_values"}
    (tmp_path / "two").mkdir()
    rows = rows_of("choices", [2, 0, 1], source=source)
    in_order = partial(write_classes, rows=rows, names=["A", "B", "C"], kind="choices")
    assert read(tmp_path, fields, source=source, write=in_order) == [2, 0, 1]
    if source == "parquet":
        mixed = partial(write_classes, rows=rows, names=["C", "A", "B"], kind="choices")
        with pytest.raises(InputError, match=r"the source's classes are C, A, B.*label_values"):
            read(tmp_path / "two", fields, source=source, write=mixed)


@pytest.mark.parametrize("source", ["parquet", "hub"])
@pytest.mark.parametrize("written", ["Sequence", "List"])
def test_lists_of_classes_are_known_as_every_version_of_datasets_wrote_them(
    tmp_path: Path, source: str, written: str
) -> None:
    def write(path: Path) -> None:
        write_classes(path, rows_of("tags", [0, 1, 2], source=source), names=LABELS[::-1], kind="tags")
        table = pq.read_table(path)
        said = table.schema.metadata[b"huggingface"]
        said = said.replace(b'"_type": "List"', b'"length": -1, "_type": "Sequence"') if written == "Sequence" else said
        pq.write_table(table.replace_schema_metadata({b"huggingface": said}), path)

    assert read(tmp_path, FIELDS["tags"], source=source, write=write) == [[2, 1, 0]]


@pytest.mark.parametrize("source", ["parquet", "hub"])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Categorical(["offen", "ja", None]), [2, 0, -1]),
        (pd.Series([2.0, float("nan"), 0.0]), [2, -1, 0]),
        (pd.Series([2, None, 0], dtype="Int64"), [2, -1, 0]),
        (pd.Series([2, 1, 0], dtype="uint8"), [2, 1, 0]),
    ],
    ids=["categories", "floats with NaN", "nullable numbers", "small numbers"],
)
def test_a_column_of_pandas_is_read(tmp_path: Path, source: str, column: Any, expected: list[int]) -> None:
    def write(path: Path) -> None:
        pd.DataFrame({"a": ["x"] * 3, "b": ["y"] * 3, "gold": column}).to_parquet(path)

    assert read(tmp_path, FIELDS["label"], source=source, write=write) == expected


def test_a_nan_that_stands_in_the_data_itself_is_no_label(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        golds = pa.array([1.0, float("nan")], from_pandas=False)
        pq.write_table(pa.table({"a": ["x"] * 2, "b": ["y"] * 2, "gold": golds}), path)

    assert read(tmp_path, FIELDS["label"], source="parquet", write=write) == [1, -1]
