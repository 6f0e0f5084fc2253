"""Rows of csv and tsv files, with or without quoting.

Read by Python's own csv, not by pandas as `datasets` does: pandas takes the first column for an index when a row has a
cell too many, fills up rows that are short, and guesses types (a text `01` becomes 1); here such a row is refused.

A row is never lost in silence (docs/decisions/0022): without quoting a line is a row; with it, a quoted cell that goes
over a line's end and holds a delimiter is refused unless the task says that its quotes are meant.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainables.data.file_formats.data_file import DataFile, Row
from trainables.data.file_formats.quotes import QUOTE, QuotedCell, quoted_cells
from trainables.data.file_formats.text import text_lines
from trainables.data.file_formats.values import number_checks
from trainables.errors import TaskDataError

MAX_CELL_CHARACTERS = 2**31 - 1
"""Python's csv reads 131,072 at most unless it is told otherwise."""

_NOT_QUOTES = "set source.quoting: none if quotes are part of the text"


class Record(NamedTuple):
    """The cells of a row, or of the header."""

    line: int
    """Line of the file where it begins, from 1."""
    cells: list[str]
    """Its cells, unquoted."""
    lines: list[str]
    """Its lines as they are written; one without quoting."""


def delimited_rows(file: DataFile) -> Iterator[Row]:
    """Yield the rows of a csv or tsv file.

    Args:
        file: The file; its source names delimiter, quoting and encoding.

    Raises:
        TaskDataError: It cannot be decoded or parsed, or lacks a column; names file and line.
    """
    records = records_of(file)
    header = next(records, None)
    if header is None:
        raise file.wrong("is empty, it needs a line with the columns' names and rows below; fill it")
    names = header.cells
    file.check_columns(names, where=f"line {header.line}")
    check_numbers = number_checks(file, names)
    for record in records:
        where = f"line {record.line}"
        if len(record.cells) != len(names):
            raise _ragged(record, num_columns=len(names), file=file)
        if record.cells == names and len(names) > 1:
            raise file.wrong("repeats the header; remove it, or name each file by itself in source.files", where=where)
        check_numbers(record.cells, where)
        yield file.place(where), dict(zip(names, record.cells, strict=True))


def records_of(file: DataFile) -> Iterator[Record]:
    """Yield the header and the rows of a csv or tsv file; empty lines are left out.

    Args:
        file: The file.

    Raises:
        TaskDataError: It cannot be decoded or parsed; names file and line.
    """
    return _raw_records(file) if file.source.quoting == "none" else _quoted_records(file)


def long_cells(file: DataFile) -> list[int]:
    """Return the lines where quoted cells open that hold a line break and the delimiter, as the task says they may.

    Args:
        file: The file.

    Raises:
        TaskDataError: It cannot be decoded or parsed; names file and line.
    """
    found: list[int] = []
    num_columns = 0
    for record in records_of(file):
        num_columns = num_columns or len(record.cells)
        if len(record.lines) > 1:
            cells = _suspects(record.lines, is_single=num_columns == 1, file=file)
            found += [record.line + cell.opens for cell in cells]
    return found


def _raw_records(file: DataFile) -> Iterator[Record]:
    delimiter = file.source.delimiter
    for number, line in enumerate(text_lines(file.text), 1):
        if text := line.rstrip("\r\n"):
            yield Record(number, text.split(delimiter), [line])


def _quoted_records(file: DataFile) -> Iterator[Record]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    lines: list[str] = []  # of the record that is being read
    reader = csv.reader(_kept(text_lines(file.text), lines), delimiter=file.source.delimiter, strict=True)
    first, num_columns = 1, None
    try:
        for cells in reader:
            num_columns = num_columns or len(cells) or None
            if len(lines) > 1 and file.source.quoting is None:
                _check_swallowed(lines, first=first, is_single=num_columns == 1, file=file)
            if cells:
                yield Record(first, cells, list(lines))
            first += len(lines)
            lines.clear()
    except csv.Error as error:
        raise _broken(lines, first=first, error=error, file=file) from None


def _kept(lines: Iterator[str], kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line


def _check_swallowed(lines: Sequence[str], *, first: int, is_single: bool, file: DataFile) -> None:
    """Return when no quoted cell of a record looks as if it had swallowed the rows below it."""
    for cell in _suspects(lines, is_single=is_single, file=file):
        holds = "a line break" if is_single else "a line break and the delimiter"
        last = first + (cell.closes or cell.opens)
        problem = (
            f"a quote opens cell {cell.number + 1}, which runs to line {last} and holds {holds}: rows would be lost if "
            f"the quote is part of the text; {_NOT_QUOTES}, or source.quoting: standard if it encloses the cell"
        )
        raise file.wrong(problem, where=f"line {first + cell.opens}")


def _suspects(lines: Sequence[str], *, is_single: bool, file: DataFile) -> list[QuotedCell]:
    delimiter = file.source.delimiter
    cells = quoted_cells(lines, delimiter=delimiter)
    # One column needs no delimiter: each of its lines could be a row.
    return [cell for cell in cells if cell.has_line_break and (is_single or delimiter in cell.text)]


def _broken(lines: Sequence[str], *, first: int, error: csv.Error, file: DataFile) -> TaskDataError:
    cells = quoted_cells(lines, delimiter=file.source.delimiter)
    last = cells[-1] if cells else None
    if last is None or not (last.closes is None or last.is_followed):
        return file.wrong(f"is no csv ({error}); correct its quotes", where=f"line {first}")
    return file.wrong(f"is no csv: {_quote_problem(last, first=first)}", where=f"line {first + last.opens}")


def _quote_problem(cell: QuotedCell, *, first: int) -> str:
    if cell.closes is None:
        return f"a quote opens cell {cell.number + 1}, and none closes it; close it, or {_NOT_QUOTES}"
    return (
        f"a quote opens cell {cell.number + 1}, and text follows the quote that closes it in line "
        f"{first + cell.closes}; double quotes within a quoted cell, or {_NOT_QUOTES}"
    )


def _ragged(record: Record, *, num_columns: int, file: DataFile) -> TaskDataError:
    step = _ragged_step(record, num_columns=num_columns, file=file)
    problem = f"has {len(record.cells)} cells, the header has {num_columns}; {step}"
    return file.wrong(problem, where=f"line {record.line}")


def _ragged_step(record: Record, *, num_columns: int, file: DataFile) -> str:
    if len(record.cells) == num_columns + 1 and record.cells[-1] == "":
        return "remove the delimiter at its end"
    if file.source.quoting != "none" and len(record.cells) < num_columns:
        return "add the cells that it lacks, empty ones too, or remove the line"
    if file.source.quoting != "none":
        return "put a cell that holds the delimiter in quotes, or set source.delimiter"
    if any(cell.startswith(QUOTE) for cell in record.cells):
        return "without quoting a line is a row: set source.quoting: standard if quotes enclose its cells"
    return "without quoting a line is a row: correct it, or set source.delimiter or source.quoting"
