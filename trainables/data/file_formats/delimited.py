"""Reads the rows of csv and tsv files, with or without quoting.

Python's csv module reads the files, not pandas as in `datasets`. Pandas takes the first column as an index when a row
has one cell too many, fills up rows that are too short, and guesses types (the text `01` becomes 1). Here such a row is
an error.

No row is lost silently (docs/decisions/0022). Without quoting, each line is a row. With quoting, a quoted cell that
holds both a line break and the delimiter is an error, unless the task sets `quoting: standard`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainables.data.file_formats.data_file import DataFile, Row
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.file_formats.quotes import QUOTE, QuotedCell, quoted_cells
from trainables.data.file_formats.values import number_checks
from trainables.errors import TaskDataError

MAX_CELL_CHARACTERS = 2**31 - 1
"""Longest cell; without this setting Python's csv module reads at most 131,072 characters."""

_NO_QUOTING = "set source.quoting: none if quotes are part of the text"


class Record(NamedTuple):
    """A row, or the header."""

    line: int
    """First line of the record in the file, counted from 1."""
    cells: list[str]
    """Its cells, without quotes."""
    lines: list[str]
    """Its lines as they are written in the file; one line without quoting."""


def delimited_rows(file: DataFile) -> Iterator[Row]:
    """Yield the rows of a csv or tsv file.

    Args:
        file: The file; its source defines delimiter, quoting and encoding.

    Raises:
        TaskDataError: It cannot be decoded or parsed, or a column is missing; the message names file and line.
    """
    records = records_of(file)
    header = next(records, None)
    if header is None:
        raise file.error("is empty; the first line must hold the column names, and rows must follow; add them")
    names = header.cells
    file.check_columns(names, where=f"line {header.line}")
    check_numbers = number_checks(file, names)
    for record in records:
        where = f"line {record.line}"
        if len(record.cells) != len(names):
            raise _wrong_number_of_cells(record, num_columns=len(names), file=file)
        if record.cells == names and len(names) > 1:
            step = "remove the line; list files separately in source.files if several were joined"
            raise file.error(f"repeats the header; {step}", where=where)
        check_numbers(record.cells, where)
        yield file.place(where), dict(zip(names, record.cells, strict=True))


def records_of(file: DataFile) -> Iterator[Record]:
    """Yield the header and the rows of a csv or tsv file; empty lines are skipped.

    Args:
        file: The file.

    Raises:
        TaskDataError: It cannot be decoded or parsed; the message names file and line.
    """
    return _raw_records(file) if file.source.quoting == "none" else _quoted_records(file)


def long_cells(file: DataFile) -> list[int]:
    """Return the first lines of quoted cells that hold a line break and the delimiter; `quoting: standard` allows them.

    Args:
        file: The file.

    Raises:
        TaskDataError: It cannot be decoded or parsed; the message names file and line.
    """
    found: list[int] = []
    num_columns = 0
    for record in records_of(file):
        num_columns = num_columns or len(record.cells)
        if len(record.lines) > 1:
            cells = _suspicious_cells(record.lines, is_single=num_columns == 1, file=file)
            found += [record.line + cell.opens for cell in cells]
    return found


def _raw_records(file: DataFile) -> Iterator[Record]:
    delimiter = file.source.delimiter
    for number, line in enumerate(text_lines(file.text), 1):
        if text := line.rstrip("\r\n"):
            yield Record(number, text.split(delimiter), [line])


def _quoted_records(file: DataFile) -> Iterator[Record]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    lines: list[str] = []  # lines of the current record
    reader = csv.reader(_collected(text_lines(file.text), lines), delimiter=file.source.delimiter, strict=True)
    first, num_columns = 1, None
    try:
        for cells in reader:
            num_columns = num_columns or len(cells) or None
            if len(lines) > 1 and file.source.quoting is None:
                _check_lost_rows(lines, first=first, is_single=num_columns == 1, file=file)
            if cells:
                yield Record(first, cells, list(lines))
            first += len(lines)
            lines.clear()
    except csv.Error as error:
        raise _not_csv(lines, first=first, error=error, file=file) from None


def _collected(lines: Iterator[str], collected: list[str]) -> Iterator[str]:
    for line in lines:
        collected.append(line)
        yield line


def _check_lost_rows(lines: Sequence[str], *, first: int, is_single: bool, file: DataFile) -> None:
    """Check that no quoted cell of a record looks as if it contained the rows below it."""
    for cell in _suspicious_cells(lines, is_single=is_single, file=file):
        holds = "a line break" if is_single else "a line break and the delimiter"
        last = first + (cell.closes or cell.opens)
        problem = (
            f"cell {cell.number + 1} starts with a quote, continues to line {last} and holds {holds}: if the quote is "
            f"part of the text, rows would be lost; {_NO_QUOTING}, or source.quoting: standard if it encloses the cell"
        )
        raise file.error(problem, where=f"line {first + cell.opens}")


def _suspicious_cells(lines: Sequence[str], *, is_single: bool, file: DataFile) -> list[QuotedCell]:
    delimiter = file.source.delimiter
    cells = quoted_cells(lines, delimiter=delimiter)
    # A file with one column has no delimiters: each line of a cell could be a row.
    return [cell for cell in cells if cell.has_line_break and (is_single or delimiter in cell.text)]


def _not_csv(lines: Sequence[str], *, first: int, error: csv.Error, file: DataFile) -> TaskDataError:
    cells = quoted_cells(lines, delimiter=file.source.delimiter)
    last = cells[-1] if cells else None
    if last is None or not (last.closes is None or last.is_followed):
        return file.error(f"is not valid csv ({error}); correct its quotes", where=f"line {first}")
    return file.error(f"is not valid csv: {_quote_problem(last, first=first)}", where=f"line {first + last.opens}")


def _quote_problem(cell: QuotedCell, *, first: int) -> str:
    if cell.closes is None:
        return f"cell {cell.number + 1} has an opening quote but no closing quote; add it, or {_NO_QUOTING}"
    return (
        f"text follows the closing quote of cell {cell.number + 1} in line {first + cell.closes}; double the quotes "
        f"inside a quoted cell, or {_NO_QUOTING}"
    )


def _wrong_number_of_cells(record: Record, *, num_columns: int, file: DataFile) -> TaskDataError:
    step = _step_for_cells(record, num_columns=num_columns, file=file)
    problem = f"has {len(record.cells)} cells, but the header has {num_columns}; {step}"
    return file.error(problem, where=f"line {record.line}")


def _step_for_cells(record: Record, *, num_columns: int, file: DataFile) -> str:
    if len(record.cells) == num_columns + 1 and record.cells[-1] == "":
        return "remove the delimiter at the end of the line"
    if file.source.quoting != "none" and len(record.cells) < num_columns:
        return "add the missing cells (they can be empty), or remove the line"
    if file.source.quoting != "none":
        return "put a cell that holds the delimiter in quotes, or set source.delimiter"
    if any(cell.startswith(QUOTE) for cell in record.cells):
        return "without quoting each line is a row: set source.quoting: standard if quotes enclose the cells"
    return "without quoting each line is a row: correct the line, or set source.delimiter or source.quoting"
