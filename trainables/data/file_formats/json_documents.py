"""Reads rows from JSON files: one row a line (jsonl), or one list of rows (json)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast  # Any: what a document holds

from trainables.data.file_formats.data_file import MAX_SHOWN_CHARACTERS, DataFile, Row, shown
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.file_formats.values import MAX_DIGITS, Doubled, LongNumber, WrittenFloat, value_checks
from trainables.errors import TaskDataError

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"\r\n|\r|\n")

_TO_LIST = 'write a list of rows such as {"premise": "..."}, or one row a line'
_NESTED = (
    "SQuAD's nested articles (`data`, `paragraphs`, `qas`); write one row for each question, with its context, "
    "question and answers"
)
_TOO_DEEP = "has lists and objects that are nested too deeply; flatten it"


def jsonl_rows(file: DataFile) -> Iterator[Row]:
    """Yield the rows of a file with one JSON object a line; empty lines are skipped.

    Args:
        file: The file.

    Raises:
        TaskDataError: A line is not a JSON object, or a value cannot be encoded; the message names file and line.
    """
    check, first = value_checks(file), True
    for number, line in enumerate(text_lines(file.text), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        if first and line.lstrip().startswith("["):
            raise _list_in_lines(line, file=file, where=where)
        row = _parsed_line(line, file=file, where=where)
        columns = _columns(row, file=file, where=where, first=first)
        check(columns, where)
        yield file.place(where), columns
        first = False


def json_rows(file: DataFile) -> Iterator[Row]:
    """Yield the rows of a file that holds one JSON list of objects.

    Args:
        file: The file.

    Raises:
        TaskDataError: It is not such a list, or a value cannot be encoded; the message names file and row.
    """
    text = "".join(text_lines(file.text))
    start = _after_space(text, 0)
    if text[start : start + 1] != "[":
        raise _not_a_list(text, start=start, file=file)
    check, number, position = value_checks(file), 0, _after_space(text, start + 1)
    while text[position : position + 1] != "]" or number > 0:
        number += 1
        where = f"row {number}"
        row, position = _parsed(text, position, file=file, where=where)
        columns = _columns(row, file=file, where=where, first=number == 1)
        check(columns, where)
        yield file.place(where), columns
        position = _after_space(text, position)
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            raise _not_json("',' or ']' is missing after the row", text=text, position=position, file=file, where=where)
        position = _after_space(text, position + 1)
    rest = _after_space(text, position + 1)
    if rest < len(text):
        raise _not_json("text follows the list", text=text, position=rest, file=file, where=f"row {number}")


def _columns(row: Any, *, file: DataFile, where: str, first: bool) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise file.error(f"holds {shown(row)}, but a row must be an object of columns; correct it", where=where)
    columns = cast("dict[str, Any]", row)
    if first:
        _check_first(columns, file=file, where=where)
    return columns


def _check_first(columns: Mapping[str, Any], *, file: DataFile, where: str) -> None:
    try:
        file.check_columns(list(columns), where=where)
    except TaskDataError:
        if layout := _layout(columns):
            raise file.error(f"holds {layout}", where=where) from None
        raise


def _parsed_line(line: str, *, file: DataFile, where: str) -> Any:
    try:
        return _DECODER.decode(line)
    except RecursionError:
        raise file.error(_TOO_DEEP, where=where) from None
    except json.JSONDecodeError as error:
        step = "correct it"
        if line.strip() in {"{", "["}:
            step = "write each row on one line, or write all rows as one list and set source.format: json"
        raise file.error(f"is not valid JSON ({error.msg} at character {error.colno}); {step}", where=where) from None


def _parsed(text: str, position: int, *, file: DataFile, where: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except RecursionError:
        raise file.error(_TOO_DEEP, where=where) from None
    except json.JSONDecodeError as error:
        raise _not_json(error.msg, text=text, position=error.pos, file=file, where=where) from None


def _not_json(problem: str, *, text: str, position: int, file: DataFile, where: str) -> TaskDataError:
    line = 1 + len(_LINE_END.findall(text, 0, position))
    end = "; the end of the file is missing" if position >= len(text) else ""
    return file.error(f"is not valid JSON in line {line} ({problem}{end}); correct it", where=where)


def _list_in_lines(line: str, *, file: DataFile, where: str) -> TaskDataError:
    text = line.strip()[:MAX_SHOWN_CHARACTERS]
    shown_text = text if text.isprintable() else repr(text)
    return file.error(f"holds {shown_text}, which is a list and not a row; set source.format: json", where=where)


def _not_a_list(text: str, *, start: int, file: DataFile) -> TaskDataError:
    """Return the error for a document that is not a list: what it is, and the next step."""
    if start == len(text):
        return file.error("is empty; it must hold a list of rows; add rows")
    value, end = _parsed(text, start, file=file, where="")
    if _after_space(text, end) < len(text):
        problem = "is not valid JSON (text follows its first value)"
        is_jsonl = isinstance(value, dict) and text[_after_space(text, end) :][:1] == "{"
        return file.error(
            f"{problem}; if it holds one row a line, set source.format: jsonl" if is_jsonl else f"{problem}; correct it"
        )
    layout = _layout(cast("dict[str, Any]", value)) if isinstance(value, dict) else None
    return file.error(f"holds a {type(value).__name__}, not a list of rows: {layout or f'{shown(value)}; {_TO_LIST}'}")


def _layout(document: Mapping[str, Any]) -> str | None:
    """Return a description of a known layout with nested rows, and the next step; None for other layouts."""
    rows = document.get("data")
    if isinstance(rows, list):
        first: Any = rows[0] if rows else None
        if isinstance(first, dict) and "paragraphs" in first:
            return _NESTED
        return "its rows in `data`; write only that list"
    inner = [name for name, value in document.items() if isinstance(value, list) and _are_objects(value)]
    if len(inner) == 1 and len(document) == 1:
        return f"its rows in {inner[0]!r}; write only that list"
    if len(document) > 1 and all(isinstance(value, dict) and _are_numbered(value) for value in document.values()):
        return "columns of numbered cells, as pandas writes them; write rows instead: `to_json(orient='records')`"
    return None


def _are_objects(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _are_numbered(values: Mapping[str, Any]) -> bool:
    return bool(values) and all(name.isdigit() for name in values)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _whole_number(written: str) -> int | LongNumber:
    return int(written) if len(written) <= MAX_DIGITS else LongNumber(written)


def _number(written: str) -> float:
    number = float(written)
    return number if abs(number) < float("inf") else WrittenFloat(written)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number, parse_float=_number)
