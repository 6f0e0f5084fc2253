"""Finds where the quoted cells of a csv record start and end, which Python's csv module does not report. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

QUOTE = '"'


class QuotedCell(NamedTuple):
    """A cell that starts with a quote."""

    number: int
    """Number of the cell in its record, from 0."""
    opens: int
    """Line of the record with the opening quote, from 0."""
    closes: int | None
    """Line of the record with the closing quote; None if there is none."""
    text: str
    """Text between the quotes, as it is written in the file."""
    is_followed: bool
    """Whether something other than a delimiter or a line end follows the closing quote."""

    @property
    def has_line_break(self) -> bool:
        """Whether the cell holds a line break."""
        return "\n" in self.text or "\r" in self.text


def quoted_cells(lines: Sequence[str], *, delimiter: str) -> list[QuotedCell]:
    """Return the quoted cells of one record, in order, up to the first that is not valid.

    Args:
        lines: The record's lines with their ends; a doubled quote inside quotes is one quote, as in RFC 4180.
        delimiter: Character between two cells.
    """
    text, ends = "".join(lines), list(accumulate(map(len, lines)))
    stop = re.compile(f"[{re.escape(delimiter)}\r\n]")
    found: list[QuotedCell] = []
    position = number = 0
    while position < len(text):
        if text[position] == QUOTE:
            end = _closing_quote(text, position + 1)
            after = text[end + 1 : end + 2] if end >= 0 else ""
            cell = QuotedCell(
                number,
                opens=bisect_right(ends, position),
                closes=bisect_right(ends, end) if end >= 0 else None,
                text=text[position + 1 : end] if end >= 0 else text[position + 1 :],
                is_followed=after not in {"", delimiter, "\r", "\n"},
            )
            found.append(cell)
            if cell.closes is None or cell.is_followed:
                break
            position = end + 1
        else:
            match = stop.search(text, position)
            position = match.start() if match else len(text)
        if text[position : position + 1] != delimiter:
            break  # the record's end
        number, position = number + 1, position + 1
    return found


def is_surely_quoted(cell: str) -> bool:
    """Return whether a cell, as it is written in the file, is almost certainly quoted.

    It is enclosed in quotes, and all quotes inside it are doubled. Programs that quote only where they must (Python's
    csv, pandas) write every text with a quote in this way; a text that looks so without quoting is rare.
    """
    inner = cell[1:-1]
    is_enclosed = len(cell) > 1 and cell[0] == cell[-1] == QUOTE
    return is_enclosed and QUOTE in inner and QUOTE not in inner.replace(QUOTE * 2, "")


def _closing_quote(text: str, start: int) -> int:
    """Return the position of a cell's closing quote, or -1."""
    position = text.find(QUOTE, start)
    while position >= 0 and text[position + 1 : position + 2] == QUOTE:
        position = text.find(QUOTE, position + 2)
    return position
