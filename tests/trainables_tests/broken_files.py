"""Data files that were good until something happened to them, and what an independent reading makes of them.

A file is written from a table of texts in one of the formats, and then one thing is done to its bytes, its rows or the
way it is named. The reading here shares no code with the package's: a state machine for csv, `split` for tsv,
`json.loads`, and `pyarrow.parquet.read_table`.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

COLUMNS = ("a", "b", "gold", "note")
"""The file's columns; the task does not name the last."""

LABELS = ("ja", "nein")

Table = list[dict[str, Any]]
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True, kw_only=True)
class BrokenFile:
    """A file, the fields of the source that reads it, and the rows that an independent reading finds in it."""

    what: str
    """What was done to it."""
    name: str
    """Its name."""
    content: bytes
    """Its bytes."""
    source: dict[str, Any]
    """Fields of the task's source beside `files`."""
    rows: Table | None
    """The right rows; None where it must be refused."""
    must_be_read: bool
    """Whether a refusal is wrong: nothing that matters was broken."""


def csv_bytes(rows: Table, *, delimiter: str = ",", columns: Sequence[str] = COLUMNS) -> bytes:
    """Return a table as a csv file writes it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([columns, *([row.get(name, "") for name in columns] for row in rows)])
    return text.getvalue().encode()


def tsv_bytes(rows: Table) -> bytes:
    """Return a table as XNLI's authors lay theirs out: no quoting at all."""
    lines = ["\t".join(COLUMNS), *("\t".join(row[name] for name in COLUMNS) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def json_bytes(rows: Table) -> bytes:
    """Return a table as one JSON list."""
    return json.dumps(rows, indent=1, ensure_ascii=False).encode()


def jsonl_bytes(rows: Table) -> bytes:
    """Return a table as a JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet_bytes(rows: Table) -> bytes:
    """Return a table as Parquet."""
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out, compression="none")
    return out.getvalue()


WRITERS: dict[str, Callable[[Table], bytes]] = {
    "csv": csv_bytes,
    "tsv": tsv_bytes,
    "json": json_bytes,
    "jsonl": jsonl_bytes,
    "parquet": parquet_bytes,
}


def read_csv(content: bytes, *, encoding: str = "utf-8") -> Table | None:
    """Return the rows of a csv file, or None where it is none: a state machine over its characters."""
    records, record, cell, state = [], [], "", "start"
    text = content.decode(encoding).removeprefix("\ufeff")
    for character in text:
        if state == "quoted":
            state, cell = ("closing", cell) if character == '"' else (state, cell + character)
        elif state == "closing" and character == '"':
            state, cell = "quoted", cell + '"'
        elif character in ",\r\n":  # CR LF gives an empty record more, which is left out
            record.append(cell)
            state, cell = "start", ""
            if character != ",":
                records.append(record)
                record = []
        elif state == "closing":
            return None
        elif state == "start" and character == '"':
            state = "quoted"
        else:
            state, cell = "plain", cell + character
    if state == "quoted":
        return None
    if record or cell or state == "closing":
        records.append([*record, cell])
    return _table([record for record in records if record != [""]])


def read_tsv(content: bytes, *, encoding: str = "utf-8") -> Table | None:
    """Return the rows of a tsv file without quoting, or None where its rows are ragged."""
    text = content.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _table([line.split("\t") for line in text.split("\n") if line])


def read_json(content: bytes, *, encoding: str = "utf-8") -> Table | None:
    """Return the rows of a JSON list."""
    return _objects(json.loads(content.decode(encoding).removeprefix("\ufeff")))


def read_jsonl(content: bytes, *, encoding: str = "utf-8") -> Table | None:
    """Return the rows of a file with an object a line."""
    lines = content.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return _objects([json.loads(line) for line in lines if line.strip()])


def read_parquet(content: bytes) -> Table | None:
    """Return the rows of a Parquet file."""
    return pq.read_table(io.BytesIO(content), columns=list(COLUMNS[:3])).to_pylist()


READERS: dict[str, Callable[..., Table | None]] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}


def right_rows(content: bytes, ending: str, **options: Any) -> Table | None:
    """Return what an independent reading finds, or None where it fails or finds no table of texts."""
    try:
        rows = READERS[ending](content, **options)
    except (ValueError, KeyError, TypeError, OSError, RecursionError, pa.ArrowException):
        return None
    may_be_empty = ending not in {"csv", "tsv"}
    fits = rows and all(
        isinstance(row.get(name), str) and (row[name] or may_be_empty) for row in rows for name in COLUMNS[:2]
    )
    return rows if fits and not any("\0" in row[name] for row in rows for name in COLUMNS[:2]) else None


def _table(records: list[list[str]]) -> Table | None:
    if not records or any(len(record) != len(records[0]) for record in records):
        return None
    return [dict(zip(records[0], record, strict=True)) for record in records[1:]]


def _objects(rows: Any) -> Table | None:
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None


texts = st.text(
    st.one_of(
        st.sampled_from("ab \"',;|-0."), st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    ),
    min_size=1,
    max_size=12,
)
tables = st.lists(
    st.fixed_dictionaries({"a": texts, "b": texts, "gold": st.sampled_from(LABELS), "note": texts}),
    min_size=2,
    max_size=5,
)


def _flip(draw: Draw, content: bytes) -> bytes:
    place, byte = draw(st.integers(0, len(content) - 1)), draw(st.integers(0, 255))
    return content[:place] + bytes([byte]) + content[place + 1 :]


def _cut(draw: Draw, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content) - 1))]


def _cut_out(draw: Draw, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content) - 1))
    return content[:start] + content[start + draw(st.integers(1, 20)) :]


def _insert(parts: list[bytes]) -> Callable[[Draw, bytes], bytes]:
    def insert(draw: Draw, content: bytes) -> bytes:
        place = draw(st.integers(0, len(content)))
        return content[:place] + draw(st.sampled_from(parts)) + content[place:]

    return insert


def _line_by_line(change: Callable[[Draw, list[bytes], int], list[bytes]]) -> Callable[[Draw, bytes], bytes]:
    def changed(draw: Draw, content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join(change(draw, lines, draw(st.integers(0, len(lines) - 1))))

    return changed


def _cell_removed(draw: Draw, lines: list[bytes], number: int) -> list[bytes]:
    mark = b"\t" if b"\t" in lines[0] else b","
    cells = lines[number].split(mark)
    del cells[draw(st.integers(0, len(cells) - 1))]
    return [*lines[:number], mark.join(cells), *lines[number + 1 :]]


DAMAGE: dict[str, Callable[[Draw, bytes], bytes]] = {
    "a byte flipped": _flip,
    "cut off": _cut,
    "a piece cut out": _cut_out,
    "quotes inserted": _insert([b'"', b'""', b'"\n', b'\n"', b"'"]),
    "control characters inserted": _insert([b"\0", b"\r", b"\n", b"\x1a", b"\x0b", b"\xc2\x85", b"\xe2\x80\xa8"]),
    "bytes of other encodings inserted": _insert([b"\xfc", b"\xff\xfe", b"\xed\xa0\xbd", b"\xef\xbb\xbf", b"\xc3"]),
    "delimiters inserted": _insert([b",", b"\t", b";", b",,", b"\n\n"]),
    "JSON inserted": _insert([b"NaN", b"1e400", b"9" * 5000, b"[" * 100_000, b'{"data": [', b"\\ud83d", b"null", b"]"]),
    "the first line again": _line_by_line(lambda _, lines, n: [*lines[: n + 1], lines[0], *lines[n + 1 :]]),
    "a line lost": _line_by_line(lambda _, lines, n: lines[:n] + lines[n + 1 :]),
    "a cell removed": _line_by_line(_cell_removed),
    "twice in one file": lambda _, content: content + content,
}
"""What can happen to the bytes of a file."""

HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda content: content,
    "a byte order mark": lambda content: codecs.BOM_UTF8 + content,
    "gzip": gzip.compress,
    "gzip in two members": lambda content: gzip.compress(content[:30]) + gzip.compress(content[30:]),
    "CR LF": lambda content: content.replace(b"\n", b"\r\n"),
    "CR": lambda content: content.replace(b"\n", b"\r"),
    "no line end at the end": lambda content: content.rstrip(b"\n"),
    "empty lines at the end": lambda content: content + b"\n\n\n",
    "an empty line at the beginning": lambda content: b"\n" + content,
}
"""What does not change what a text file says."""

ENCODINGS = ("UTF-8", "utf_8_sig", "utf-16", "UTF-16LE", "utf-16-be", "utf-32", "gb18030", "utf-7")
"""Encodings that a task can name; they have every character."""

ODD_NOTES: tuple[Any, ...] = (None, float("nan"), float("inf"), 10**90, "\ud83d", [[[[]]]], {"x": {"y": 1}})
"""Values that no text column holds, in the column that nobody reads."""

WRONG_KIND: dict[str, Callable[[bytes], bytes]] = {
    "bzip2": bz2.compress,
    "a pickle": pickle.dumps,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda content: content.decode().encode("utf-16-le"),
    "UTF-32": lambda content: content.decode().encode("utf-32"),
    "a cut gzip": lambda content: gzip.compress(content)[:-9],
    "gzip within gzip": lambda content: gzip.compress(gzip.compress(content)),
    "a zip archive": lambda content: _zipped("rows", content),
    "an Excel workbook": lambda content: _zipped("xl/workbook.xml", content),
    "an SQLite database": lambda content: b"SQLite format 3\x00" + content,
    "a pointer of Git LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a web page": lambda _: b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
    "empty": lambda _: b"",
}
"""What makes another kind of file of a text file."""


def _zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def _odd_cells(draw: Draw, table: Table, ending: str) -> tuple[str, Table]:
    """Put a value into a named cell that no text is."""
    nothing = "" if ending in {"csv", "tsv"} else draw(st.sampled_from([None, 3, 1.5, True, [], ["x"], {"x": 1}, ""]))
    row, column = draw(st.integers(0, len(table) - 1)), draw(st.sampled_from(COLUMNS[:2]))
    changed = [{**cells, column: nothing} if number == row else cells for number, cells in enumerate(table)]
    return f"{nothing!r} for a text", changed


@st.composite
def damaged(draw: Draw) -> BrokenFile:
    """Return a file with some of its bytes changed."""
    ending, table = _good(draw, WRITERS)
    what = draw(st.sampled_from(list(DAMAGE)))
    content = DAMAGE[what](draw, WRITERS[ending](table))
    return _found(what, name=f"rows.{ending}", content=content, ending=ending)


@st.composite
def odd(draw: Draw) -> BrokenFile:
    """Return a file with a value in a named column that is no text."""
    ending, table = _good(draw, TEXTS)
    what, changed = _odd_cells(draw, table, ending)
    return _found(what, name=f"rows.{ending}", content=WRITERS[ending](changed), ending=ending)


@st.composite
def misnamed(draw: Draw) -> BrokenFile:
    """Return a file whose ending is another format's, or that is another kind of file."""
    ending, table = _good(draw, WRITERS)
    other = draw(st.sampled_from([one for one in WRITERS if one != ending]))
    content = WRITERS[ending](table)
    if draw(st.booleans()):
        return _found(f"{ending} named {other}", name=f"rows.{other}", content=content, ending=other)
    what = draw(st.sampled_from(list(WRONG_KIND)))
    content = WRONG_KIND[what](WRITERS[draw(st.sampled_from(TEXTS))](table))
    return BrokenFile(what=what, name=f"rows.{other}", content=content, source={}, rows=None, must_be_read=False)


@st.composite
def quoted_unsaid(draw: Draw) -> BrokenFile:
    """Return a tab-separated file that was written with quotes where it needs them, and a task that does not say so."""
    _, table = _good(draw, ("tsv",))
    content = csv_bytes(table, delimiter="\t")
    return BrokenFile(what="quoted", name="rows.tsv", content=content, source={}, rows=table, must_be_read=False)


@st.composite
def harmless(draw: Draw) -> BrokenFile:
    """Return a file that says the same as a good one: it must be read."""
    ending, table = _good(draw, TEXTS)
    what = draw(
        st.sampled_from([*HARMLESS, *ENCODINGS, "a delimiter", "said to be quoted", "named .gz", "twins", "note"])
    )
    content, name, source = WRITERS[ending](table), f"rows.{ending}", {}
    if what in HARMLESS:
        content = HARMLESS[what](content)
    elif what in ENCODINGS:
        content, source = content.decode().encode(what), {"encoding": what}
    elif what == "named .gz":
        content, name = gzip.compress(content), f"{name}.gz"
    elif what == "a delimiter":
        mark = draw(st.sampled_from(";|\t§"))
        content, name, source = csv_bytes(table, delimiter=mark), "rows.csv", {"delimiter": mark}
    elif what == "said to be quoted":
        content, name, source = csv_bytes(table, delimiter="\t"), "rows.tsv", {"quoting": "standard"}
    elif what == "twins":
        content, name = csv_bytes(table, columns=(*COLUMNS, "note", "")), "rows.csv"
    else:
        note = draw(st.sampled_from(ODD_NOTES))
        content, name = json.dumps([{**row, "note": note} for row in table]).encode(), "rows.json"
    return BrokenFile(what=what, name=name, content=content, source=source, rows=table, must_be_read=True)


TEXTS = ("csv", "tsv", "json", "jsonl")
"""Formats that are text."""


def broken_files() -> st.SearchStrategy[BrokenFile]:
    """Return files to which one thing was done."""
    return st.one_of(damaged(), damaged(), damaged(), odd(), misnamed(), quoted_unsaid(), harmless())


def _good(draw: Draw, endings: Iterable[str]) -> tuple[str, Table]:
    """Return a format and a table that it can hold."""
    ending, table = draw(st.sampled_from(list(endings))), draw(tables)
    if ending != "tsv":
        return ending, table
    return ending, [{name: cell.replace("\t", " ") for name, cell in row.items()} for row in table]


def _found(what: str, *, name: str, content: bytes, ending: str) -> BrokenFile:
    rows = right_rows(content, ending)
    return BrokenFile(what=what, name=name, content=content, source={}, rows=rows, must_be_read=False)
