"""A user's task file: what is read from it, and how each mistake in it is told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.own_task import NUM_ROWS, own_fields, write_fields, write_own_task
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.source import source_fingerprint
from trainables.errors import InputError, TaskDataError, TaskFileError
from trainables.own_tasks.task_file import FOLDERS, load_task_file, make_task
from trainables.tasks.catalogue.all import CATALOGUE
from trainables.tasks.formats import FORMATS
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.rules import check_task
from trainables.tasks.spec import FileSource, KindName, TaskSpec

PAIR = {
    "name": "paare",
    "kind": "sentence_pair",
    "columns": {"premise": "a", "hypothesis": "b", "label": "gold"},
    "labels": ["ja", "nein"],
}
PAIR_ROWS = [{"a": "Es regnet.", "b": "Es ist nass.", "gold": "ja"}, {"a": "Es regnet.", "b": "Sonne.", "gold": "nein"}]


def check_file(path: Path) -> TaskSpec:
    """Check a task file and all its rows."""
    spec = load_task_file(path)
    for split in spec.splits:
        check_readable(spec, split=split, language=spec.training_language)
    return spec


def written(folder: Path, name: str, content: str | bytes) -> dict[str, Any]:
    """Write a file of rows for both splits; returns the fields of a pair task that reads it."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return {**PAIR, "source": {"files": {"train": name, "validation": name}}}


def refused(folder: Path, fields: dict[str, Any]) -> str:
    """Return the message that refuses a task file."""
    with pytest.raises(InputError) as caught:
        check_file(write_fields(folder / "my.task.yaml", **fields))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_csv_in_another_kind_and_language_is_read(tmp_path: Path) -> None:
    spec = check_file(write_own_task(tmp_path))
    rows = load_rows(spec, split="train", language="de")

    assert (spec.splits, spec.training_language, spec.metric) == (
        {"train": ("train",), "validation": ("validation",)},
        "de",
        "accuracy",
    )
    assert len(rows) == NUM_ROWS["train"]
    assert set(rows.column_names) == {"question", "choices", "label"}
    assert rows[0]["choices"][rows[0]["label"]] in rows[0]["question"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    header = ["a", "b", "gold"]
    lines = {
        "csv": [",".join(header), *(",".join(row.values()) for row in PAIR_ROWS)],
        "tsv": ["\t".join(header), *("\t".join(row.values()) for row in PAIR_ROWS)],
        "json": [json.dumps(PAIR_ROWS, indent=1)],
        "jsonl": [json.dumps(row) for row in PAIR_ROWS],
        "parquet": [],
    }
    fields = written(tmp_path, f"rows.{ending}", "\n".join(lines[ending]))
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(PAIR_ROWS), tmp_path / "rows.parquet")
    rows = load_rows(check_file(write_fields(tmp_path / "my.task.yaml", **fields)), split="train")

    assert rows.to_list() == [
        {"premise": "Es regnet.", "hypothesis": "Es ist nass.", "label": 0},
        {"premise": "Es regnet.", "hypothesis": "Sonne.", "label": 1},
    ]


def test_answers_stand_in_two_columns_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "fragen.csv").write_text("text,frage,antwort,ab\nDer Ball ist rot.,Wie?,rot,13\nDer Ball.,Wie?,,\n")
    columns = {"answers": ["antwort", "ab"], "question": "frage", "context": "text"}
    fields = {"name": "fragen", "kind": "span_qa", "source": {"files": {"train": "fragen.csv"}}, "columns": columns}
    rows = load_rows(check_file(write_fields(tmp_path / "my.task.yaml", **fields)), split="train")

    assert [row["answers"] for row in rows.to_list()] == [
        {"text": ["rot"], "answer_start": [13]},
        {"text": [], "answer_start": []},
    ]


def test_each_language_has_its_files(tmp_path: Path) -> None:
    for language in ("de", "sw"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "rows.csv").write_text(f"a,b,gold\n{language},x,ja\n")
    fields = {**PAIR, "languages": ["de", "sw"], "source": {"files": {"validation": "{language}/rows.csv"}}}
    spec = check_file(write_fields(tmp_path / "my.task.yaml", **fields))

    assert [load_rows(spec, split="validation", language=name)[0]["premise"] for name in spec.languages] == ["de", "sw"]


def test_files_are_identified_by_content_and_never_by_their_place(tmp_path: Path) -> None:
    here = load_task_file(write_own_task(tmp_path / "here"))
    there = load_task_file(write_own_task(tmp_path / "there"))

    assert source_fingerprint(here) == source_fingerprint(there)
    os.utime(tmp_path / "here" / "train.csv", (1, 1))
    assert source_fingerprint(here) == source_fingerprint(there)


def test_files_that_changed_since_are_refused(tmp_path: Path) -> None:
    spec = load_task_file(write_own_task(tmp_path))
    with (tmp_path / "train.csv").open("a") as file:
        file.write("Neu?;rot;blau;gelb;A\n")

    with pytest.raises(
        TaskDataError, match=r"'farben' in .* have changed: .*restore the files, or give the changed task a new name"
    ):
        source_fingerprint(spec)


def test_a_task_that_was_written_out_is_read_from_anywhere_as_long_as_its_files_are_the_same(tmp_path: Path) -> None:
    spec = load_task_file(write_own_task(tmp_path / "task"))
    document = spec.model_dump(mode="json")

    assert make_task(document, folder=tmp_path, where="elsewhere") == spec
    (tmp_path / "task" / "dev.csv").write_text("frage;a;b;c;antwort\n")
    with pytest.raises(TaskFileError, match="have changed"):
        make_task(document, folder=tmp_path, where="elsewhere")


def test_a_file_outside_is_read_when_its_folder_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_own_task(tmp_path / "task")
    (tmp_path / "task" / "dev.csv").rename(tmp_path / "dev.csv")
    fields = own_fields()
    fields["source"]["files"]["validation"] = "../dev.csv"
    monkeypatch.setenv(FOLDERS, str(tmp_path))

    check_file(write_fields(path, **fields))


def change(**changes: Any) -> Callable[[Path], dict[str, Any]]:
    """Return what makes the fields of the German task with some replaced; `source` is changed in part."""
    source = changes.pop("source", {})

    def fields(folder: Path) -> dict[str, Any]:
        del folder
        changed = own_fields() | changes
        return changed | {"source": changed["source"] | source} if isinstance(source, dict) else changed

    return fields


def without(name: str) -> Callable[[Path], dict[str, Any]]:
    """Return what makes the fields of the German task but one."""
    return lambda _: {field: value for field, value in own_fields().items() if field != name}


def rows(name: str, content: str | bytes) -> Callable[[Path], dict[str, Any]]:
    """Return what makes the fields of a pair task with this file."""
    return lambda folder: written(folder, name, content)


def link_outside(folder: Path) -> dict[str, Any]:
    """Make the dev file a link that leads out of the folder."""
    outside = folder.parent / "outside.csv"
    shutil.move(folder / "dev.csv", outside)
    (folder / "dev.csv").symlink_to(outside)
    return own_fields()


COLUMNS = own_fields()["columns"]
TAGGING = {"kind": "tagging", "columns": {"tokens": "w", "tags": "t"}, "labels": ["N", "V"]}
HUB = {"repository": "me/nli"}

BROKEN: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "unknown kind": (change(kind="multiple_choise"), ["kind: 'multiple_choise'", "did you mean 'multiple_choice'"]),
    "no kind": (without("kind"), ["kind: field required", "add it"]),
    "no name": (without("name"), ["name: field required"]),
    "a name that is none": (change(name="Meine Farben"), ["name: 'Meine Farben'"]),
    "a reserved name": (change(name="check"), ["name: 'check' is a subcommand of `xstilts tasks`"]),
    "unknown field": (change(label_value=["A"]), ["label_value:", "did you mean 'label_values'"]),
    "unknown field of the source": (
        change(source={"delimeter": ";"}),
        ["source.delimeter", "did you mean 'delimiter'"],
    ),
    "wrong type": (change(languages="de"), ["languages: 'de'", "valid array"]),
    "unknown column of the kind": (
        change(columns={**COLUMNS, "choice": "a"}),
        ["columns.choice: kind multiple_choice has no column 'choice'", "did you mean 'choices'"],
    ),
    "missing column of the kind": (change(columns={"question": "frage", "label": "antwort"}), ["columns: 'choices'"]),
    "column that the file lacks": (
        change(columns={**COLUMNS, "question": "fragen"}),
        ["columns.question: train.csv has no column 'fragen'", "did you mean 'frage'", "frage, a, b, c, antwort"],
    ),
    "one csv column for a list": (change(columns={**COLUMNS, "choices": "a"}), ["columns.choices", "[a, b, c]"]),
    "many columns for one": (change(columns={**COLUMNS, "label": ["a", "b"]}), ["columns.label", "name one column"]),
    "missing file": (
        change(source={"files": {"train": "tain.csv"}}),
        ["source.files.train: the file 'tain.csv' does not exist", "did you mean 'train.csv'"],
    ),
    "a folder for a file": (change(source={"files": {"train": "."}, "format": "csv"}), ["source.files.train"]),
    "no file": (change(source={"files": {"train": []}, "format": "csv"}), ["source.files", "'train' has 0 files"]),
    "no split": (change(source={"files": {}, "format": "csv"}), ["source.files"]),
    "unknown format": (change(source={"format": "xlsx"}), ["source.format: 'xlsx'"]),
    "no format": (change(source={"files": {"train": "rows.txt"}}), ["source.format", "'rows.txt'"]),
    "a delimiter of json": (
        change(source={"files": {"train": "rows.json"}}),
        ["source: delimiter has no effect on json files"],
    ),
    "unknown encoding": (change(source={"encoding": "utf-9"}), ["source.encoding: 'utf-9'"]),
    "path out of the folder": (change(source={"files": {"train": "../x.csv"}}), ["source.files.train", FOLDERS]),
    "absolute path": (change(source={"files": {"train": "/etc/x.csv"}}), ["source.files.train", "outside"]),
    "link out of the folder": (link_outside, ["source.files.validation: 'dev.csv' is outside"]),
    "a URL": (change(source={"files": {"train": "https://x.org/a.csv"}}), ["source.files.train", "is a URL"]),
    "a folder of one's own": (change(source={"folder": "/etc"}), ["source.folder", "remove it"]),
    "a digest of one's own": (change(source={"digest": "0" * 64}), ["source.digest", "remove it"]),
    "generated": (change(source={"type": "generated"}), ["source.type: 'generated'"]),
    "unknown source": (change(source={"type": "sql"}), ["source", "'sql'"]),
    "a revision of files": (change(source={"revision": "abc"}), ["source.revision: there is no such field"]),
    "hub without splits": (
        lambda _: {**PAIR, "source": HUB},
        ["splits: field required"],
    ),
    "unknown split": (change(splits={"trian": ["train"]}), ["splits.trian", "did you mean 'train'"]),
    "split that has no files": (change(splits={"train": ["trian"]}), ["splits.train", "did you mean 'train'"]),
    "language that is none": (change(languages=["German"]), ["languages: 'German'", "de"]),
    "language twice": (change(languages=["de", "de"]), ["languages: 'de' is listed twice"]),
    "languages without files of their own": (change(languages=["de", "sw"]), ["languages", "{language}"]),
    "labels of a kind without": (change(labels=["a", "b"]), ["labels: has no effect on kind multiple_choice"]),
    "label values twice": (change(label_values=["A", "A"]), ["label_values: 'A' is listed twice"]),
    "duplicate labels": (
        lambda folder: written(folder, "a.csv", "a,b,gold\nx,y,ja\n") | {"labels": ["ja", "ja"]},
        ["labels: 'ja' is listed twice"],
    ),
    "no labels": (
        lambda folder: written(folder, "a.csv", "a,b,gold\nx,y,ja\n") | {"labels": []},
        ["labels: has 0 classes", "at least 2", "such as labels: [entailment, neutral, contradiction]"],
    ),
    "label values that do not fit": (
        lambda folder: written(folder, "a.csv", "a,b,gold\nx,y,ja\n") | {"label_values": ["j"]},
        ["label_values: lists 1 values for 2 labels"],
    ),
    "masking on a kind that has none": (change(masking={"mask_rate": 0.2}), ["masking", "masked_lm"]),
    "unknown field of masking": (
        change(kind="masked_lm", masking={"mask_rte": 0.2}),
        ["masking.mask_rte", "did you mean 'mask_rate'"],
    ),
    "metric that does not fit": (
        change(metric="f1"),
        ["metric: 'f1' cannot score a task of kind multiple_choice", "accuracy"],
    ),
    "unknown metric": (change(metric="acuracy"), ["metric: 'acuracy'", "did you mean 'accuracy'"]),
    "label that is none": (
        rows("a.csv", "a,b,gold\nx,y,ja\nx,y,niet\n"),
        ["a.csv, line 3", "column 'gold' (columns.label)", "'niet'", "ja, nein"],
    ),
    "class number out of range": (
        rows("a.jsonl", '{"a": "x", "b": "y", "gold": 2}'),
        ["a.jsonl, line 1", "(columns.label)", "holds 2"],
    ),
    "a tag too few": (
        lambda folder: written(folder, "a.csv", "w,t\nDas ist gut,N V\n") | TAGGING,
        ["a.csv, line 2", "(columns.tags) holds 2 tags for 3 words"],
    ),
    "a tag that is none": (
        lambda folder: written(folder, "a.csv", "w,t\nDas ist,N X\n") | TAGGING,
        ["a.csv, line 2", "(columns.tags) holds 'X'", "N, V"],
    ),
    "empty cell": (rows("a.csv", "a,b,gold\nx,,ja\n"), ["a.csv, line 2", "'b' (columns.hypothesis) is empty"]),
    "missing cell": (rows("a.jsonl", '{"a": "x", "b": null, "gold": 0}'), ["line 1", "(columns.hypothesis) is empty"]),
    "number for a text": (rows("a.json", '[{"a": 3, "b": "y", "gold": 0}]'), ["row 1", "(columns.premise) holds 3"]),
    "row that is too short": (rows("a.csv", "a,b,gold\nx,y\n"), ["line 2", "has 2 cells, but the header has 3"]),
    "row that is too long": (rows("a.csv", "a,b,gold\nx,y,z,ja\n"), ["line 2", "in quotes", "source.delimiter"]),
    "quote that is not closed": (rows("a.csv", 'a,b,gold\n"x,y,ja\n'), ["a.csv, line 2", "is not valid csv"]),
    "wrong delimiter": (
        rows("a.csv", "a;b;gold\nx;y;ja\n"),
        ["columns.premise", "set source.delimiter: ';'"],
    ),
    "column twice": (rows("a.csv", "a,b,b,gold\nx,y,z,ja\n"), ["a.csv, line 1: has two columns 'b'"]),
    "empty file": (rows("a.csv", ""), ["source.files: a.csv: is empty"]),
    "no rows": (rows("a.csv", "a,b,gold\n"), ["splits.train", "0 rows"]),
    "no labelled row": (rows("a.csv", "a,b,gold\nx,y,\n"), ["splits.train", "1 row in a.csv, 0 of them with a label"]),
    "not UTF-8": (
        rows("a.csv", "a,b,gold\nx,y,ja\ngrün,y,ja\n".encode("cp1252")),
        ["a.csv, line 3", "0xfc", "source.encoding", "cp1252"],
    ),
    "no JSON": (rows("a.jsonl", '{"a": "x"\n'), ["a.jsonl, line 1: is not valid JSON"]),
    "JSON that is no list": (rows("a.json", "{}"), ["a.json: holds a dict, not a list of rows"]),
    "lines of JSON called json": (rows("a.json", "{}\n{}\n"), ["a.json: is not valid JSON", "source.format: jsonl"]),
    "row that is no object": (rows("a.jsonl", "[1]\n"), ["a.jsonl, line 1: holds [1]"]),
    "no parquet": (rows("a.parquet", "x"), ["a.parquet: is not valid parquet"]),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_mistake_is_told_by_its_field(tmp_path: Path, mistake: str) -> None:
    make, parts = BROKEN[mistake]
    folder = tmp_path / "task"
    write_own_task(folder)
    message = refused(folder, make(folder))
    assert [part for part in parts if part not in message] == [], message


@pytest.mark.parametrize("content", ["name: [", "a: 1\na: 2", "[1]", ""])
def test_what_is_no_mapping_is_refused_by_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "my.task.yaml").write_text(content)
    with pytest.raises(InputError, match=r"my\.task\.yaml"):
        load_task_file(tmp_path / "my.task.yaml")


def test_a_byte_order_mark_and_quoted_lines_are_part_of_csv(tmp_path: Path) -> None:
    fields = written(tmp_path, "a.csv", '\ufeffa,b,gold\n"zwei\nZeilen","mit, Komma",ja\n')
    (row,) = load_rows(check_file(write_fields(tmp_path / "my.task.yaml", **fields)), split="train").to_list()

    assert row == {"premise": "zwei\nZeilen", "hypothesis": "mit, Komma", "label": 0}


def test_an_encoding_may_be_named(tmp_path: Path) -> None:
    fields = written(tmp_path, "a.csv", "a,b,gold\ngrün,y,ja\n".encode("cp1252"))
    fields["source"]["encoding"] = "cp1252"

    assert (
        load_rows(check_file(write_fields(tmp_path / "my.task.yaml", **fields)), split="train")[0]["premise"] == "grün"
    )


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.name)
def test_every_shipped_task_keeps_the_rules_for_users(spec: TaskSpec) -> None:
    check_task(spec)


@pytest.mark.parametrize("name", get_args(KindName))
def test_a_kinds_format_names_the_columns_that_its_code_needs(name: KindName) -> None:
    assert FORMATS[name].required == kind(name).required_columns


def test_a_source_made_in_python_says_its_format() -> None:
    with pytest.raises(ValueError, match="delimiter has no effect on json files"):
        FileSource(files={"train": ("a.json",)}, format="json", delimiter=";")
