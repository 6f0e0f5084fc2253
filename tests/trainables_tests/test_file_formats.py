"""How the bytes of a user's file become rows: quoting, encodings, binary files, odd values of JSON."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from tests.own_task import write_fields
from trainables.data.file_formats.quotes import QuotedCell, is_surely_quoted, quoted_cells
from trainables.data.file_formats.signatures import signature
from trainables.data.load import load_rows
from trainables.data.readable import check_readable
from trainables.errors import InputError
from trainables.examine import examine_task
from trainables.task_file import load_task_file, make_task
from trainables.tasks.registry import task
from trainables.tasks.spec import FileSource, TaskSpec
from trainables.tasks.texts_source import TextsSource

PAIR = {
    "name": "paare",
    "kind": "sentence_pair",
    "columns": {"premise": "a", "hypothesis": "b", "label": "gold"},
    "labels": ["ja", "nein"],
}
TEXT = {"name": "texte", "kind": "masked_lm", "columns": {"text": "a"}, "masking": {}}
LARGE = 30_000
"""Lines that go over the blocks of any reader."""


def task_of(folder: Path, name: str, content: str | bytes, *, task: dict[str, Any] = PAIR, **source: Any) -> TaskSpec:
    """Return a task that reads one file, with all its rows checked."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    fields = {**task, "source": {"files": {"train": name}, **source}}
    spec = load_task_file(write_fields(folder / "my.task.yaml", **fields))
    check_readable(spec, split="train", language="en")
    return spec


def read(folder: Path, name: str, content: str | bytes, **options: Any) -> list[list[Any]]:
    """Return the cells of the rows that a task reads from a file."""
    return [list(row.values()) for row in load_rows(task_of(folder, name, content, **options), split="train").to_list()]


def refusal(folder: Path, name: str, content: str | bytes, **options: Any) -> str:
    """Return the message that refuses a file; it is one line."""
    with pytest.raises(InputError) as caught:
        task_of(folder, name, content, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


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
        ["d.csv, line 3: a quote opens cell 2", "to line 4"],
    ),
    "one in a single column": ("d.csv", 'a\n"x\ny"\nz\n', {"task": TEXT}, ["d.csv, line 2", "a line break:"]),
    "one in the header": ("d.csv", '"a,b,gold\nx",y,ja\n', {}, ["d.csv, line 1", "cell 1", "to line 2"]),
    "a quote that nothing closes": (
        "d.csv",
        "a,b,gold\nx,y,ja\nx," + '"y,ja\n' + QUOTED_ROW * 3,
        {},
        ["d.csv, line 3: is no csv", "opens cell 2", "none closes it"],
    ),
    "text after a closing quote": (
        "d.csv",
        'a,b,gold\n"x,y,ja\n"z" u,y,nein\n',
        {},
        ["d.csv, line 2: is no csv", "closes it in line 3", "source.quoting: none"],
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
    "too few cells": ("d.tsv", "a\tb\tgold\nx\ty\tja\nx\ty\n", {}, ["d.tsv, line 3", "has 2 cells, the header has 3"]),
    "too many cells": ("d.csv", "a,b,gold\nx,y,z,ja\n", {}, ["d.csv, line 2", "has 4 cells", "in quotes"]),
    "a delimiter at the end": (
        "d.csv",
        "a,b,gold\nx,y,ja,\n",
        {},
        ["d.csv, line 2", "remove the delimiter at its end"],
    ),
    "the header again": ("d.csv", "a,b,gold\nx,y,ja\na,b,gold\n", {}, ["d.csv, line 3", "repeats the header"]),
    "a NUL": ("d.csv", "a,b,gold\nx,y,ja\nx,\0y,ja\n", {}, ["d.csv, line 3", "NUL"]),
    "a tab-separated csv": ("d.csv", "a\tb\tgold\nx\ty\tja\n", {}, [r'set source.delimiter: "\t"']),
    "a column of the task twice": (
        "d.csv",
        "a,b,b,gold\nx,y,z,ja\n",
        {},
        ["line 1", "'b' twice", "columns.hypothesis"],
    ),
    "a name with a blank": ("d.csv", "a,b, gold\nx,y,ja\n", {}, ["has no column 'gold'", "a, b, ' gold'"]),
    "5,000 digits in a csv": ("d.csv", f"a,b,gold\nx,y,{'9' * 5000}\n", {}, ["line 2", "'gold'", "5,000 digits"]),
    "quoting of a json": ("d.json", "[]", {"quoting": "none"}, ["source", "quoting has no effect on json"]),
    "a quote as delimiter": ("d.csv", "a", {"delimiter": '"'}, ["source.delimiter", "cannot stand between cells"]),
    "an unknown quoting": ("d.csv", "a", {"quoting": "all"}, ["source.quoting: 'all'", "'none'", "'standard'"]),
    "an encoding of bytes": (
        "d.csv",
        "a",
        {"encoding": "base64"},
        ["source.encoding: 'base64' is no encoding of texts"],
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
    ("spellings", "name"),
    [
        (["UTF-8", "utf8", "utf_8", "U8", "utf-8-sig", "UTF"], "utf-8"),
        (["latin-1", "ISO-8859-1", "latin1", "L1"], "latin-1"),
        (["cp1252", "windows-1252"], "cp1252"),
        (["UTF-16LE", "utf_16_le"], "utf-16-le"),
    ],
)
def test_an_encoding_has_one_name(spellings: list[str], name: str) -> None:
    files = {"train": ("d.csv",)}
    assert {FileSource(files=files, format="csv", encoding=one).encoding for one in spellings} == {name}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be", "cp1252", "gb18030"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
def test_an_encoding_that_is_named_is_read_with_and_without_a_mark(tmp_path: Path, encoding: str, ending: str) -> None:
    row = {"a": "grün", "b": "y", "gold": "ja"}
    text = {"csv": "a,b,gold\ngrün,y,ja\n", "jsonl": json.dumps(row, ensure_ascii=False), "json": json.dumps([row])}
    marked = "\ufeff" if encoding in {"utf-16-le", "utf-32-be"} else ""
    content = (marked + text[ending]).encode(encoding)
    assert read(tmp_path, f"d.{ending}", content, encoding=encoding) == [["grün", "y", 0]]


@pytest.mark.parametrize(
    ("written", "said", "parts"),
    [
        ("utf-16", "utf-8", ["mark of UTF-16-LE", "set source.encoding: utf-16"]),
        ("utf-32", "utf-8", ["mark of UTF-32-LE", "set source.encoding: utf-32"]),
        ("utf-16", "cp1252", ["mark of UTF-16-LE", "source.encoding is cp1252"]),
        ("utf-16", "utf-16-be", ["mark of UTF-16-LE", "source.encoding is utf-16-be"]),
        ("utf-8-sig", "latin-1", ["mark of UTF-8", "leave source.encoding out"]),
        ("utf-16-le", "utf-8", ["NUL", "set source.encoding: utf-16-le"]),
        ("utf-16-be", "utf-8", ["NUL", "set source.encoding: utf-16-be"]),
        ("utf-32-le", "utf-8", ["NUL", "set source.encoding: utf-32-le"]),
        ("utf-16-le", "utf-16", ["no byte order mark", "utf-16-le"]),
        ("utf-16-be", "utf-16", ["no byte order mark", "utf-16-be"]),
    ],
)
def test_a_mark_or_its_lack_is_told_by_the_encoding_it_stands_for(
    tmp_path: Path, written: str, said: str, parts: list[str]
) -> None:
    message = refusal(tmp_path, "d.csv", "a,b,gold\nx,y,ja\n".encode(written), encoding=said)
    assert [part for part in ["d.csv, line 1: ", *parts] if part not in message] == [], message


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line", [1, 2, 17, LARGE])
@pytest.mark.parametrize("packed", [False, True])
def test_the_line_of_a_bad_byte_is_the_right_one(tmp_path: Path, line_end: str, line: int, *, packed: bool) -> None:
    lines = [b"a,b,gold", *(b"gr\xc3\xbcn,y,ja" for _ in range(LARGE))]
    lines[line - 1] += b"\xfc"
    content = line_end.encode().join(lines)
    message = refusal(tmp_path, "d.csv", gzip.compress(content, 1) if packed else content)
    assert f"d.csv, line {line}: byte 0xfc is no utf-8; set source.encoding" in message


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [("utf-16-le", b"\x00\xdc"), ("shift_jis", b"\x81\x00"), ("utf-8", b"\xed\xa0\xbd"), ("utf-8", b"\xc3")],
)
def test_the_line_is_right_in_encodings_of_other_widths(tmp_path: Path, encoding: str, bad: bytes) -> None:
    content = "a,b,gold\nx,y,ja\n".encode(encoding) + bad + "x,y,ja\n".encode(encoding)
    assert f"d.csv, line 3: byte 0x{bad[-2 if encoding == 'utf-16-le' else 0]:02x} is no {encoding}" in refusal(
        tmp_path, "d.csv", content, encoding=encoding
    )


def zipped(name: str) -> bytes:
    """Return a zip archive of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 9000)
    return out.getvalue()


def tarred() -> bytes:
    """Return a tar archive of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.csv"))
    return out.getvalue()


def database() -> bytes:
    """Return an SQLite database."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE rows (a)")
        return connection.serialize()


def arrow(write: Callable[[pa.Table, Any], Any]) -> bytes:
    """Return a table as a format of Arrow's makes it."""
    out = io.BytesIO()
    write(pa.table({"a": ["x"]}), out)
    return out.getvalue()


def ipc(make: Callable[..., Any]) -> bytes:
    """Return a table as Arrow's file or stream."""
    out = io.BytesIO()
    table = pa.table({"a": ["x"]})
    with make(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


BINARY: dict[str, tuple[bytes, str, str]] = {
    "zip": (zipped("rows.csv"), "a zip archive", "unzip it"),
    "xlsx": (zipped("xl/workbook.xml"), "an Excel workbook", "save the sheet as CSV"),
    "docx": (zipped("word/document.xml"), "a Word document", "csv, tsv"),
    "torch": (zipped("archive/data.pkl"), "a pickle", "can run code"),
    "xls": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512), "an Excel workbook (xls)", "save the sheet as CSV"),
    "bzip2": (bz2.compress(b"a,b\n"), "a bzip2 file", "gzip, which is read"),
    "xz": (lzma.compress(b"a,b\n"), "an xz file", "gzip, which is read"),
    "zstd": (pa.compress(b"a,b\n", codec="zstd", asbytes=True), "a zstd file", "gzip, which is read"),
    "tar": (tarred(), "a tar archive", "unpack it"),
    "tar.gz": (gzip.compress(tarred()), "packed with gzip and a tar archive", "unpack it"),
    "gzip twice": (gzip.compress(gzip.compress(b"a,b\n")), "gzip within gzip", "unpack it once"),
    "parquet": (arrow(pq.write_table), "a Parquet file", "set source.format: parquet"),
    "arrow": (ipc(pa.ipc.new_file), "an Arrow file", "as Parquet"),
    "arrow stream": (ipc(pa.ipc.new_stream), "an Arrow stream", "as Parquet"),
    "feather": (arrow(pyarrow.feather.write_feather), "an Arrow file", "as Parquet"),
    "orc": (arrow(pyarrow.orc.write_table), "an ORC file", "as Parquet"),
    "numpy": (b"\x93NUMPY" + np.arange(3).tobytes(), "a NumPy array", "as Parquet"),
    "sqlite": (database(), "an SQLite database", "export the table as CSV"),
    **{f"pickle {n}": (pickle.dumps({"a": [1]}, protocol=n), "a pickle", "can run code") for n in range(2, 6)},
    "pickle 0": (pickle.dumps([1, 2], protocol=0), "a pickle", "can run code"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
    "web page": (b"\n<!DOCTYPE html><html>", "a web page", "fetch the file itself"),
}


NOT_IN_PARQUET = {"parquet", "tar.gz", "gzip twice"}
"""Kinds that a file named .parquet is told of in other words, or is."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in ("d.csv", "d.jsonl", "d.json", "d.parquet", "d.tsv")
        for kind in BINARY
        if name != "d.parquet" or kind not in NOT_IN_PARQUET
    ],
)
def test_what_is_no_table_of_texts_is_known_by_its_first_bytes(tmp_path: Path, name: str, kind: str) -> None:
    content, is_called, step = BINARY[kind]
    message = refusal(tmp_path, name, content)
    assert [part for part in [f"{name}: ", is_called, step] if part not in message] == [], message


@pytest.mark.parametrize("text", ["PAR1,b\n", "ORC\t", "BZh9,x", "PK", "(lp,", "Obj,", "id,<html>", "", "a"])
def test_a_text_that_begins_like_a_format_is_text(text: str) -> None:
    assert signature(text.encode()) is None


@pytest.mark.parametrize("ending", ["xlsx", "zip", "pkl", "sqlite", "zst"])
def test_an_ending_that_is_not_read_is_told_with_what_to_do(tmp_path: Path, ending: str) -> None:
    message = refusal(tmp_path, f"d.{ending}", b"x")
    assert f"source.files: 'd.{ending}' is " in message
    assert "by its ending, which is not read; " in message


@pytest.mark.parametrize("name", ["d.csv.gz", "d.csv", "d.CSV.GZ"])
def test_gzip_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, gzip.compress(b"a,b,gold\nx,y,ja\n")) == [["x", "y", 0]]


@pytest.mark.parametrize("cut", [8, 20, 1000])
def test_gzip_that_is_cut_off_or_damaged_is_refused_by_the_line_where_its_text_ends(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(b"a,b,gold\n" + b"".join(b"x%d,y,ja\n" % n for n in range(2000)))
    damaged = [content[:-cut], content[: -cut - 8] + bytes(cut) + content[-8:]]
    messages = [refusal(tmp_path, "d.csv.gz", one) for one in damaged]
    assert ["packed with gzip, and cut off or damaged in this line" in message for message in messages] == [True, True]
    assert all("d.csv.gz, line " in message for message in messages)


GOOD_ROW = '{"a": "x", "b": "y", "gold": "ja"}'


def json_row(**cells: str) -> str:
    """Return a row of JSON with some cells as they are written here."""
    written = {"a": '"x"', "b": '"y"', "gold": '"ja"', **cells}
    return "{" + ", ".join(f'"{name}": {cell}' for name, cell in written.items()) + "}"


ODD_CELLS: dict[str, tuple[dict[str, str], list[str]]] = {
    "half a character": (
        {"a": r'"x \ud83d"'},
        ["'a' (columns.premise) holds half a character", r"\ud83d at character 2"],
    ),
    "its other half": ({"b": r'"\ude00"'}, ["'b' (columns.hypothesis) holds half a character"]),
    "5,000 digits": ({"gold": "9" * 5000}, ["'gold' (columns.label) holds a number of 5,000 digits"]),
    "-5,000 digits": ({"a": "-" + "9" * 5000}, ["'a' (columns.premise) holds a number of 5,000 digits"]),
    "1e400": ({"gold": "1e400"}, ["'gold' (columns.label)", "1e400"]),
    "Infinity for a text": ({"a": "Infinity"}, ["'a' (columns.premise) holds inf"]),
    "-Infinity for a label": ({"gold": "-Infinity"}, ["'gold' (columns.label)", "-inf"]),
    "NaN for a text": ({"a": "NaN"}, ["'a' (columns.premise)", "nan"]),
    "lists in lists": ({"a": "[" * 90 + "]" * 90}, ["'a' (columns.premise) nests lists and objects more than 32 deep"]),
    "100,000 lists": ({"a": "[" * 100_000 + "]" * 100_000}, ["nests lists and objects too deep"]),
    "100,000 lists in a column that nobody reads": ({"z": "[" * 100_000 + "]" * 100_000}, ["too deep"]),
    "100,000 lists that nothing closes": ({"a": "[" * 100_000}, ["too deep"]),
    "a column twice": ({"gold": '"ja", "gold": "nein"'}, ["'gold' (columns.label) stands twice"]),
    "a column twice within": (
        {"a": '{"x": 1, "x": 2}'},
        ["'a' (columns.premise) holds an object that names 'x' twice"],
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


def test_parquet_in_gzip_is_told_to_be_unpacked(tmp_path: Path) -> None:
    assert "d.parquet: is packed with gzip" in refusal(tmp_path, "d.parquet", gzip.compress(arrow(pq.write_table)))


def test_a_parquet_text_that_is_no_text_is_refused_by_row_and_column(tmp_path: Path) -> None:
    texts = pa.array([b"x", b"\xff"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": texts, "b": ["y", "y"], "gold": ["ja", "ja"]}), tmp_path / "made.parquet")
    message = refusal(tmp_path, "d.parquet", (tmp_path / "made.parquet").read_bytes())
    assert "d.parquet, row 2: column 'a' (columns.premise) holds what cannot be read" in message


def test_a_parquet_file_is_read_by_the_columns_that_the_task_names(tmp_path: Path) -> None:
    names = ["n", "a", "n", "b", "gold"]
    arrays = [pa.array([value]) for value in (1, "x", 2, "y", "ja")]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), tmp_path / "made.parquet")
    assert read(tmp_path, "d.parquet", (tmp_path / "made.parquet").read_bytes()) == [["x", "y", 0]]

    pq.write_table(pa.Table.from_arrays(arrays, names=["n", "a", "a", "b", "gold"]), tmp_path / "made.parquet")
    message = refusal(tmp_path, "e.parquet", (tmp_path / "made.parquet").read_bytes())
    assert "names column 'a' twice, and columns.premise reads it" in message


LAYOUTS: dict[str, tuple[str, str, list[str]]] = {
    "lines named json": ("d.json", f"{GOOD_ROW}\n{GOOD_ROW}\n", ["d.json: is no JSON", "source.format: jsonl"]),
    "one row named json": ("d.json", GOOD_ROW, ["holds a dict, not a list of rows"]),
    "a list named jsonl": ("d.jsonl", f"[{GOOD_ROW}]", ["d.jsonl, line 1", "source.format: json"]),
    "a list over lines named jsonl": ("d.jsonl", f"[\n{GOOD_ROW}\n]", ["d.jsonl, line 1", "source.format: json"]),
    "a row over lines named jsonl": ("d.jsonl", '{\n"a": 1\n}', ["d.jsonl, line 1", "each row on one line"]),
    "SQuAD's own": (
        "d.json",
        '{"version": "1.1", "data": [{"paragraphs": []}]}',
        ["SQuAD's nested", "a row for each question"],
    ),
    "SQuAD's own as a line": ("d.jsonl", '{"data": [{"paragraphs": []}]}', ["d.jsonl, line 1", "SQuAD's nested"]),
    "rows in data": ("d.json", f'{{"data": [{GOOD_ROW}], "n": 1}}', ["its rows in `data`", "that list alone"]),
    "rows in another field": ("d.json", f'{{"rows": [{GOOD_ROW}]}}', ["its rows in 'rows'"]),
    "pandas's columns": ("d.json", '{"a": {"0": "x"}, "b": {"0": "y"}}', ["as pandas writes them", "orient='records'"]),
    "a text": ("d.json", '"x"', ["holds a str, not a list of rows"]),
    "a list of texts": ("d.json", '["x"]', ["d.json, row 1: holds 'x', not an object of columns"]),
    "a list without its end": ("d.json", f"[{GOOD_ROW}", ["d.json, row 1", "its end is missing"]),
    "a list with a comma too many": ("d.json", f"[{GOOD_ROW},\n]", ["d.json, row 2: is no JSON in line 2"]),
    "a list without a comma": (
        "d.json",
        f"[{GOOD_ROW}\n{GOOD_ROW}]",
        ["d.json, row 1", "line 2", "missing after the row"],
    ),
    "two lists": ("d.json", f"[{GOOD_ROW}]\n[]", ["text follows the list"]),
    "nothing": ("d.json", " \n", ["d.json: is empty"]),
    "a line cut off": ("d.jsonl", f"{GOOD_ROW}\n{GOOD_ROW[:-3]}", ["d.jsonl, line 2: is no JSON"]),
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
    assert f"name: {name!r} is no name of a task; write it with small letters a to z, digits and `_`" in message
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


def test_plain_texts_are_refused_by_file_and_line(tmp_path: Path) -> None:
    source = TextsSource(folder=str(tmp_path), num_texts=2)
    spec = TaskSpec.model_validate(
        {
            **TEXT,
            "source": source,
            "splits": dict.fromkeys(("train", "validation"), ("t",)),
            "licence": "",
            "citation": "",
        }
    )
    (tmp_path / "en.txt").write_bytes(b"\xef\xbb\xbfx\r\n\r\ny\r\n")
    assert load_rows(spec, split="validation")["text"][:] == ["x"]
    (tmp_path / "en.txt").write_bytes(b"x\ny\nz \xfc\n")
    with pytest.raises(InputError, match=r"cannot read texts in 'en': en\.txt, line 3: byte 0xfc is no utf-8"):
        load_rows(spec, split="train")


def test_a_corpus_is_refused_by_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path))
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_bytes(b"\xef\xbb\xbfa|NP\r\nb|NP\n\xfc|NP\n")
    with pytest.raises(InputError, match=r"train\.txt.*: line 3 holds byte 0xfc, which is no UTF-8"):
        load_rows(task("ccg"), split="train")
