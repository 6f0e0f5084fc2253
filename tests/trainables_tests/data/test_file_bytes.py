"""How bytes become text: encodings and marks, gzip, binary files by their first bytes, and the line of a bad byte."""

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

from tests.trainables_tests.data_file_tasks import TEXT, read, refusal
from trainables.data.file_formats.signatures import signature
from trainables.data.sources.loader import load_rows
from trainables.errors import InputError
from trainables.tasks.registry import task
from trainables.tasks.spec import FileSource, TaskSpec
from trainables.tasks.texts_source import TextsSource

LARGE = 30_000
"""Lines that go over the blocks of any reader."""


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
        ("utf-8-sig", "latin-1", ["mark of UTF-8", "remove source.encoding"]),
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
    assert f"d.csv, line {line}: byte 0xfc is not valid utf-8; set source.encoding" in message


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [("utf-16-le", b"\x00\xdc"), ("shift_jis", b"\x81\x00"), ("utf-8", b"\xed\xa0\xbd"), ("utf-8", b"\xc3")],
)
def test_the_line_is_right_in_encodings_of_other_widths(tmp_path: Path, encoding: str, bad: bytes) -> None:
    content = "a,b,gold\nx,y,ja\n".encode(encoding) + bad + "x,y,ja\n".encode(encoding)
    assert f"d.csv, line 3: byte 0x{bad[-2 if encoding == 'utf-16-le' else 0]:02x} is not valid {encoding}" in refusal(
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
    "bzip2": (bz2.compress(b"a,b\n"), "a bzip2 file", "pack it with gzip"),
    "xz": (lzma.compress(b"a,b\n"), "an xz file", "pack it with gzip"),
    "zstd": (pa.compress(b"a,b\n", codec="zstd", asbytes=True), "a zstd file", "pack it with gzip"),
    "tar": (tarred(), "a tar archive", "unpack it"),
    "tar.gz": (gzip.compress(tarred()), "a tar archive (inside gzip)", "unpack it"),
    "gzip twice": (gzip.compress(gzip.compress(b"a,b\n")), "a gzip file (inside gzip)", "unpack it once"),
    "parquet": (arrow(pq.write_table), "a Parquet file", "set source.format: parquet"),
    "arrow": (ipc(pa.ipc.new_file), "an Arrow file", "as Parquet"),
    "arrow stream": (ipc(pa.ipc.new_stream), "an Arrow stream", "as Parquet"),
    "feather": (arrow(pyarrow.feather.write_feather), "an Arrow file", "as Parquet"),
    "orc": (arrow(pyarrow.orc.write_table), "an ORC file", "as Parquet"),
    "numpy": (b"\x93NUMPY" + np.arange(3).tobytes(), "a NumPy array", "as Parquet"),
    "sqlite": (database(), "an SQLite database", "export the table as CSV"),
    **{f"pickle {n}": (pickle.dumps({"a": [1]}, protocol=n), "a pickle", "can run code") for n in range(2, 6)},
    "pickle 0": (pickle.dumps([1, 2], protocol=0), "a pickle", "can run code"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    "web page": (b"\n<!DOCTYPE html><html>", "a web page", "download the file itself"),
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
    assert ", and xstilts cannot read that format; " in message


@pytest.mark.parametrize("name", ["d.csv.gz", "d.csv", "d.CSV.GZ"])
def test_gzip_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, gzip.compress(b"a,b,gold\nx,y,ja\n")) == [["x", "y", 0]]


@pytest.mark.parametrize("cut", [8, 20, 1000])
def test_gzip_that_is_cut_off_or_damaged_is_refused_by_the_line_where_its_text_ends(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(b"a,b,gold\n" + b"".join(b"x%d,y,ja\n" % n for n in range(2000)))
    damaged = [content[:-cut], content[: -cut - 8] + bytes(cut) + content[-8:]]
    messages = [refusal(tmp_path, "d.csv.gz", one) for one in damaged]
    assert ["the gzip file is truncated or damaged in this line" in message for message in messages] == [True, True]
    assert all("d.csv.gz, line " in message for message in messages)


def test_parquet_in_gzip_is_told_to_be_unpacked(tmp_path: Path) -> None:
    assert "d.parquet: is packed with gzip" in refusal(tmp_path, "d.parquet", gzip.compress(arrow(pq.write_table)))


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
    with pytest.raises(InputError, match=r"cannot read texts in 'en': en\.txt, line 3: byte 0xfc is not valid utf-8"):
        load_rows(spec, split="train")


def test_a_corpus_is_refused_by_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path))
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_bytes(b"\xef\xbb\xbfa|NP\r\nb|NP\n\xfc|NP\n")
    with pytest.raises(InputError, match=r"train\.txt.*: line 3 holds byte 0xfc, which is not UTF-8"):
        load_rows(task("ccg"), split="train")
