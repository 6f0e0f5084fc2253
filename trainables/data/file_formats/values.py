"""Values that no encoder takes: half a character, numbers of thousands of digits, objects in objects in objects.

They are looked for only in the columns that a task names. Whether a value fits its column is for
`trainables.data.cells`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, cast  # Any: a cell holds what the user's file holds

from trainables.data.file_formats.data_file import DataFile, half_a_character, top_column
from trainables.tasks.formats import FORMATS

MAX_DIGITS = 100
"""Longest whole number that is read as one. No label, character or number of a tag has as many digits."""

MAX_DEPTH = 32
"""Lists and objects within each other that a cell may hold; the kinds need 2."""

_NUMBERS = {"class", "classes", "choice"}
"""Contents of columns whose texts are read as whole numbers."""


class LongNumber(str):
    """A whole number as it is written, of more than MAX_DIGITS digits."""

    __slots__ = ()


class WrittenFloat(float):
    """A number that is no finite float, such as 1e400, shown as it is written."""

    _written: str

    def __new__(cls, written: str) -> Self:
        """Return the float that a text stands for; it remembers the text."""
        number = super().__new__(cls, written)
        number._written = written
        return number

    def __repr__(self) -> str:
        return self._written


class Doubled(dict[str, Any]):
    """A JSON object that names some of its columns twice; it holds the last of each."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.twins = frozenset(name for name, count in counts.items() if count > 1)
        """Names that stand there twice."""


def value_checks(file: DataFile) -> Callable[[Mapping[str, Any], str], None]:
    """Return what refuses a row of JSON whose named columns hold what cannot be read at all.

    It takes the row and its place, and raises TaskDataError, which names file, line or row, and column.

    Args:
        file: The file.
    """
    named = [(ours, theirs, top_column(theirs, ())) for ours, theirs in file.named_columns()]

    def check(row: Mapping[str, Any], where: str) -> None:
        for ours, theirs, top in named:
            column = theirs if theirs in row else top
            value = row.get(column)
            if isinstance(row, Doubled) and column in row.twins:
                problem = "stands twice in this object; remove one"
            elif isinstance(value, str) and value.isascii() and not isinstance(value, LongNumber):
                continue
            else:
                problem = _problem(value, depth=0)
            if problem:
                raise file.wrong_cell(problem, where=where, ours=ours, theirs=theirs)

    return check


def number_checks(file: DataFile, header: Sequence[str]) -> Callable[[Sequence[str], str], None]:
    """Return what refuses texts of a csv row that stand for a number that is too long.

    Args:
        file: The file.
        header: Its columns.
    """
    contents = FORMATS[file.spec.kind].columns
    named = [
        (ours, theirs, header.index(top_column(theirs, header)))
        for ours, theirs in file.named_columns()
        if contents[ours] in _NUMBERS or (contents[ours] == "answers" and theirs == file.spec.columns[ours][-1])
    ]

    def check(cells: Sequence[str], where: str) -> None:
        for ours, theirs, number in named:
            cell = cells[number]
            if len(cell) > MAX_DIGITS and (problem := _too_long(cell)):
                raise file.wrong_cell(problem, where=where, ours=ours, theirs=theirs)

    return check


def _too_long(cell: str) -> str | None:
    longest = max((len(word) for word in cell.split() if word.isdigit()), default=0)
    return _digits(longest) if longest > MAX_DIGITS else None


def _digits(number: int) -> str:
    return f"holds a number of {number:,} digits, and {MAX_DIGITS} are the most that are read; correct it"


def _problem(value: Any, *, depth: int) -> str | None:
    """Return what is wrong with a value, or None."""
    if isinstance(value, LongNumber):
        return _digits(len(value.lstrip("-")))
    if isinstance(value, str):
        return half_a_character(value)
    if not isinstance(value, Mapping | list):
        return None
    if depth == MAX_DEPTH:
        return f"nests lists and objects more than {MAX_DEPTH} deep, and kinds need 2; flatten it"
    if isinstance(value, Doubled):
        return f"holds an object that names {min(value.twins)!r} twice; remove one"
    parts = cast("list[Any]", [*value, *value.values()] if isinstance(value, Mapping) else value)
    return next((problem for part in parts if (problem := _problem(part, depth=depth + 1))), None)
