"""Reads the points of sampler `given` from a file that a spec names: a csv table, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue

from trainables.errors import ConfigError

FIELD = "sampler.points"

MAX_BYTES = 100_000_000
"""A million points of five parameters are smaller."""


def read_points(sampler: JsonValue, *, folder: Path) -> None:
    """Replace the name of a file under `points` by the points in it.

    A csv file has one column for each parameter (`target.learning_rate`) and, if wanted, a column `name`. An empty cell
    leaves the parameter out. A cell is read as JSON, or else as a word. A line of a `.jsonl` file is an object with the
    same keys.

    Args:
        sampler: The sampler's fields as the user wrote them, which are changed.
        folder: Folder that the name is relative to.

    Raises:
        ConfigError: The file cannot be read, or a line of it holds no point.
    """
    if not isinstance(sampler, dict) or not isinstance(name := sampler.get("points"), str):
        return
    file = folder / name
    kinds = {".csv": _csv_rows, ".jsonl": _json_rows}
    if file.suffix not in kinds:
        _refuse(f"{name!r} is neither a .csv nor a .jsonl file; give one, or list the points here")
    try:
        if (num_bytes := file.stat().st_size) > MAX_BYTES:
            _refuse(f"{name!r} has {num_bytes:,} bytes, and at most {MAX_BYTES:,} are read; give fewer points")
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _refuse(f"{name!r} cannot be read: it is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        _refuse(f"{name!r} cannot be read: {error.strerror or error}; its path is relative to the spec's folder")
    rows = enumerate(kinds[file.suffix](text, name), start=1)
    points: list[JsonValue] = [_point(row, number=number) for number, row in rows]
    if not points:
        _refuse(f"{name!r} has no points; write one in each line")
    sampler["points"] = points


def _csv_rows(text: str, name: str) -> Iterator[Mapping[str, JsonValue]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        if doubled := sorted({column for column in header if header.count(column) > 1}):
            _refuse(f"{name!r} has {doubled[0]!r} in two columns; remove one")
        for row in rows:
            if len(row) not in {0, len(header)}:
                cells = f"line {rows.line_num} has {len(row)} cells, and the first line has {len(header)}"
                _refuse(f"{name!r}: {cells}; write one cell for each column")
            if row:
                yield {column: _value(cell) for column, cell in zip(header, row, strict=True) if cell.strip()}
    except csv.Error as error:
        _refuse(f"{name!r}: line {rows.line_num} cannot be read as csv ({error}); correct it")


def _json_rows(text: str, name: str) -> Iterator[Mapping[str, JsonValue]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            _refuse(f"{name!r}: line {number} is not JSON ({error}); write one object in each line")
        if not isinstance(row, dict):
            _refuse(f"{name!r}: line {number} is no object; write {{parameter: value}} in each line")
        yield row


def _value(cell: str) -> JsonValue:
    try:
        return json.loads(cell, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return cell.strip()


def _point(row: Mapping[str, JsonValue], *, number: int) -> JsonValue:
    assignment = {key: value for key, value in row.items() if key != "name"}
    return {"name": str(row.get("name", f"point {number}")), "assignment": assignment}


def _no_number(word: str) -> NoReturn:
    msg = f"{word} is no number"
    raise ValueError(msg)


def _refuse(message: str) -> NoReturn:
    raise ConfigError(FIELD, message)
