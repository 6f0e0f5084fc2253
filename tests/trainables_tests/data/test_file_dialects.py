"""How csv and tsv files are read: quoting, delimiters, ragged rows, and the task fields that say so."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.own_task import write_fields
from tests.trainables_tests.data_file_tasks import PAIR, TEXT, read, refusal, task_of
from trainables.data.file_formats.quotes import QuotedCell, is_surely_quoted, quoted_cells
from trainables.errors import InputError
from trainables.own_tasks.task_file import load_task_file, make_task
from trainables.own_tasks.task_report import examine_task

RAW = 'a\tb\tgold\ner isst\ter isst\tja\n"Ich weiss\tsie weiss\tja\nnicht ganz"\tvielleicht\tnein\n'
RAW_CELLS = [["er isst", "er isst", 0], ['"Ich weiss', "sie weiss", 0], ['nicht ganz"', "vielleicht", 1]]

READ: dict[str, tuple[str, str, dict[str, Any], list[list[Any]]]] = {
    "a tsv whose text begins with a quote": ("d.tsv", RAW, {}, RAW_CELLS),
    "the same with CR LF": ("d.tsv", RAW.replace("\n", "\r\n"), {}, RAW_CELLS),
    "the same with CR": ("d.tsv", RAW.replace("\n", "\r"), {}, RAW_CELLS),
    "the same as txt": ("d.txt", RAW, {"format": "csv", "delimiter": "\t"}, RAW_CELLS),
    "the same as tsv.gz": ("d.tsv.gz", RAW, {}, RAW_CELLS),
    "a csv that is said to have no quoting": ("d.csv", RAW.replace("\t", ","), {"quoting": "none"}, RAW_CELLS),
    "a tsv with a whole cell in quotes": ("d.tsv", 'a\tb\tgold\n"Ja"\tnein\tja\n', {}, [['"Ja"', "nein", 0]]),
    "a tsv with a quoted word at the start": (
        "d.tsv",
        'a\tb\tgold\n"Ja" sagt er\tx\tja\n',
        {},
        [['"Ja" sagt er', "x", 0]],
    ),
    "a tsv with a quote in the middle": ("d.tsv", 'a\tb\tgold\n5" breit\tx\tja\n', {}, [['5" breit', "x", 0]]),
    "a csv with a quote in the middle": ("d.csv", 'a,b,gold\n5" breit,x,ja\n', {}, [['5" breit', "x", 0]]),
    "a csv with a delimiter and a quote in quotes": ("d.csv", 'a,b,gold\n"x, ""y""",z,ja\n', {}, [['x, "y"', "z", 0]]),
    "a csv with a line break in quotes": ("d.csv", 'a,b,gold\n"x\ny",z,ja\n', {}, [["x\ny", "z", 0]]),
    "a csv that is said to mean its quotes": (
        "d.csv",
        'a,b,gold\n"x, y\nu, v",z,ja\n',
        {"quoting": "standard"},
        [["x, y\nu, v", "z", 0]],
    ),
    "a quoted tsv that is said to be": (
        "d.tsv",
        '"a"\t"b"\t"gold"\n"x\ty"\t"sagt ""ja"""\t"ja"\n',
        {"quoting": "standard"},
        [["x\ty", 'sagt "ja"', 0]],
    ),
    "a delimiter of the user's": ("d.tsv", 'a;b;gold\n"x;y;ja\n', {"delimiter": ";"}, [['"x', "y", 0]]),
    "a tab as YAML reads it in single quotes": (
        "d.csv",
        "a\tb\tgold\nx\ty\tja\n",
        {"delimiter": r"\t"},
        [["x", "y", 0]],
    ),
    "empty lines": ("d.csv", "\n\na,b,gold\n\nx,y,ja\n\n\n", {}, [["x", "y", 0]]),
    "a delimiter at the end of every line": ("d.csv", "a,b,gold,\nx,y,ja,\n", {}, [["x", "y", 0]]),
    "other columns twice": ("d.csv", "a,n,b,n,gold,,\nx,1,y,2,ja,,\n", {}, [["x", "y", 0]]),
    "no line end at the end": ("d.csv", "a,b,gold\nx,y,ja", {}, [["x", "y", 0]]),
    "ndjson": ("d.ndjson", '{"a": "x", "b": "y", "gold": "ja"}\n', {}, [["x", "y", 0]]),
}


@pytest.mark.parametrize("what", READ)
def test_a_file_is_read_as_it_is_written(tmp_path: Path, what: str) -> None:
    name, text, source, cells = READ[what]
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    assert read(tmp_path, name, content, **source) == cells


QUOTED_ROW = "x,y,ja\n"
REFUSED: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "a quote that swallows a row": (
        "d.csv",
        "a,b,gold\nx,y,ja\n" + '"x,y,ja\nz",y,nein\nu,v,ja\n',
        {},
        ["d.csv, line 3", "cell 1", "to line 4", "source.quoting: none", "source.quoting: standard"],
    ),
    "one in a later cell, after a quoted one": (
        "d.csv",
        'a,b,gold\n"x\nx","y,ja\nz",nein\n',
        {},
        ["d.csv, line 3: cell 2 starts with a quote", "to line 4"],
    ),
    "one in a single column": ("d.csv", 'a\n"x\ny"\nz\n', {"task": TEXT}, ["d.csv, line 2", "a line break:"]),
    "one in the header": ("d.csv", '"a,b,gold\nx",y,ja\n', {}, ["d.csv, line 1", "cell 1", "to line 2"]),
    "a quote that nothing closes": (
        "d.csv",
        "a,b,gold\nx,y,ja\nx," + '"y,ja\n' + QUOTED_ROW * 3,
        {},
        ["d.csv, line 3: is not valid csv", "cell 2 has an opening quote", "no closing quote"],
    ),
    "text after a closing quote": (
        "d.csv",
        'a,b,gold\n"x,y,ja\n"z" u,y,nein\n',
        {},
        ["d.csv, line 2: is not valid csv", "closing quote of cell", "in line 3", "source.quoting: none"],
    ),
    "a tsv that is surely quoted": (
        "d.tsv",
        'a\tb\tgold\nx\ty\tja\n"sagt ""ja"""\tx\tja\n',
        {},
        ["d.tsv, line 3", "source.quoting: standard, or none"],
    ),
    "a tsv with a quoted header": ("d.tsv", '"a"\t"b"\t"gold"\n"x"\t"y"\t"ja"\n', {}, ["set source.quoting: standard"]),
    "a tsv with a line break in quotes": (
        "d.tsv",
        'a\tb\tgold\n"x\nu"\ty\tja\n',
        {},
        ["d.tsv, line 2", "has 1 cells", "source.quoting: standard"],
    ),
    "too few cells": (
        "d.tsv",
        "a\tb\tgold\nx\ty\tja\nx\ty\n",
        {},
        ["d.tsv, line 3", "has 2 cells, but the header has 3"],
    ),
    "too many cells": ("d.csv", "a,b,gold\nx,y,z,ja\n", {}, ["d.csv, line 2", "has 4 cells", "in quotes"]),
    "a delimiter at the end": (
        "d.csv",
        "a,b,gold\nx,y,ja,\n",
        {},
        ["d.csv, line 2", "remove the delimiter at the end of the line"],
    ),
    "the header again": ("d.csv", "a,b,gold\nx,y,ja\na,b,gold\n", {}, ["d.csv, line 3", "repeats the header"]),
    "a NUL": ("d.csv", "a,b,gold\nx,y,ja\nx,\0y,ja\n", {}, ["d.csv, line 3", "NUL"]),
    "a tab-separated csv": ("d.csv", "a\tb\tgold\nx\ty\tja\n", {}, [r'set source.delimiter: "\t"']),
    "a column of the task twice": (
        "d.csv",
        "a,b,b,gold\nx,y,z,ja\n",
        {},
        ["line 1", "two columns 'b'", "columns.hypothesis"],
    ),
    "a name with a blank": ("d.csv", "a,b, gold\nx,y,ja\n", {}, ["has no column 'gold'", "a, b, ' gold'"]),
    "5,000 digits in a csv": ("d.csv", f"a,b,gold\nx,y,{'9' * 5000}\n", {}, ["line 2", "'gold'", "5,000 digits"]),
    "quoting of a json": ("d.json", "[]", {"quoting": "none"}, ["source", "quoting has no effect on json"]),
    "a quote as delimiter": ("d.csv", "a", {"delimiter": '"'}, ["source.delimiter", "cannot be the delimiter"]),
    "an unknown quoting": ("d.csv", "a", {"quoting": "all"}, ["source.quoting: 'all'", "'none'", "'standard'"]),
    "an encoding of bytes": (
        "d.csv",
        "a",
        {"encoding": "base64"},
        ["source.encoding: 'base64' is not a text encoding"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_could_lose_something_is_refused_by_its_line(tmp_path: Path, what: str) -> None:
    name, content, options, parts = REFUSED[what]
    message = refusal(tmp_path, name, content, **options)
    assert [part for part in parts if part not in message] == [], message


def test_quoting_that_is_said_and_swallows_is_told_by_the_check(tmp_path: Path) -> None:
    content = 'a,b,gold\nx,y,ja\n"x,y,ja\nz",y,nein\n'
    warnings = examine_task(
        task_of(tmp_path, "d.csv", content, quoting="standard"), encoder="miniature", max_length=32
    ).warnings
    (warning,) = [one for one in warnings if "quoted cells" in one]
    assert warning.startswith(
        "train en: 1 quoted cells hold a line break and the delimiter, the first in d.csv, line 3;"
    )


def test_quoting_is_part_of_a_key_only_where_it_changes_rows(tmp_path: Path) -> None:
    plain, raw = "a\tb\tgold\nx\ty\tja\n", 'a\tb\tgold\n"x\ty\tja\n'
    without, with_quotes = task_of(tmp_path, "d.tsv", plain), task_of(tmp_path, "e.tsv", raw)
    said = task_of(tmp_path, "d.tsv", plain, quoting="standard")

    assert "'quoting'" not in str(without.identity()) + str(without.model_dump(mode="json"))
    assert said.identity() == without.identity()
    assert with_quotes.identity()["source"] == {
        "type": "files",
        "format": "csv",
        "delimiter": "\t",
        "quoting": "none",
        "encoding": "utf-8",
    }
    assert make_task(with_quotes.model_dump(mode="json"), folder=tmp_path, where="elsewhere") == with_quotes


@pytest.mark.parametrize(
    ("name", "near"),
    [("Meine Farben", "'meine_farben'"), ("XNLI-de", "'xnli_de'"), ("мой", ""), ("a/b", "'a_b'"), ("", ""), ("..", "")],
)
def test_a_name_that_is_none_is_told_with_the_rule_that_it_breaks(tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        load_task_file(
            write_fields(tmp_path / "my.task.yaml", **{**PAIR, "name": name}, source={"files": {"train": "d.csv"}})
        )
    message = str(caught.value)
    assert f"name: {name!r} is not a valid task name; use lower-case letters a to z, digits and `_`" in message
    assert message.endswith(f", such as {near}" if near else "digits and `_`")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b.csv", "\ud83d.csv", "d.csv/e.csv", "sub"])
def test_a_name_of_a_file_that_cannot_be_is_told_by_its_field(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "d.csv").write_text("a,b,gold\n")
    document: dict[str, Any] = {**PAIR, "source": {"files": {"train": name}, "format": "csv"}}
    with pytest.raises(InputError, match=r"source\.files\.train|source\.files"):
        make_task(document, folder=tmp_path, where="here")


def test_the_places_of_quotes_are_found() -> None:
    lines = ['"x\n', 'y",plain,"a""b,\n', 'c",d\n']
    assert quoted_cells(lines, delimiter=",") == [
        QuotedCell(number=0, opens=0, closes=1, text="x\ny", is_followed=False),
        QuotedCell(number=2, opens=1, closes=2, text='a""b,\nc', is_followed=False),
    ]
    assert quoted_cells(['a,"b\n', "c\n"], delimiter=",")[-1].closes is None
    assert quoted_cells(['a,"b"c\n'], delimiter=",")[-1].is_followed


@pytest.mark.parametrize(
    ("cell", "is_quoted"),
    [
        ('"sagt ""ja"""', True),
        ('""""', True),
        ('"ja"', False),
        ('""', False),
        ('"', False),
        ('""ja""', False),
        ("x", False),
    ],
)
def test_a_cell_is_surely_quoted_when_quotes_enclose_it_and_those_within_are_doubled(
    cell: str, *, is_quoted: bool
) -> None:
    assert is_surely_quoted(cell) == is_quoted
