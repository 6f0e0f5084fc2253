"""Rejects values that cannot be read: half of a surrogate pair, numbers with many digits, deeply nested objects.

Only the columns that a task names are checked. `trainables.data.sources.cells` checks whether a value fits its column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, cast  # Any: a cell holds what the user's file holds

from trainables.data.file_formats.data_file import DataFile, surrogate_problem, top_column
from trainables.tasks.formats import FORMATS

MAX_DIGITS = 100
"""Most digits of a whole number. No label, position or tag number has so many."""

MAX_DEPTH = 32
"""Most levels of nested lists and objects in a cell; the kinds need 2."""

_NUMBERS = {"class", "classes", "choice"}
"""Contents of columns whose texts can be read as whole numbers."""


class LongNumber(str):
    """A whole number of more than MAX_DIGITS digits, as it is written."""

    __slots__ = ()


class WrittenFloat(float):
    """A number that is not a finite float, such as 1e400, with the text as it is written."""

    _written: str

    def __new__(cls, written: str) -> Self:
        """Return the float of a text; it keeps the text."""
        number = super().__new__(cls, written)
        number._written = written
        return number

    def __repr__(self) -> str:
        return self._written


class Doubled(dict[str, Any]):
    """A JSON object in which some names occur twice; it holds the last value of each."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.twins = frozenset(name for name, count in counts.items() if count > 1)
        """Names that occur twice."""


def value_checks(file: DataFile) -> Callable[[Mapping[str, Any], str], None]:
    """Return a function that checks the values in a JSON row's named columns.

    The function gets the row and its position. It raises TaskDataError, which names file, line or row, and column.

    Args:
        file: The file.
    """
    named = [(ours, theirs, top_column(theirs, ())) for ours, theirs in file.named_columns()]

    def check(row: Mapping[str, Any], where: str) -> None:
        for ours, theirs, top in named:
            column = theirs if theirs in row else top
            value = row.get(column)
            if isinstance(row, Doubled) and column in row.twins:
                problem = "occurs twice in this object; remove one of the two"
            elif isinstance(value, str) and value.isascii() and not isinstance(value, LongNumber):
                continue
            else:
                problem = _problem(value, depth=0)
            if problem:
                raise file.cell_error(problem, where=where, ours=ours, theirs=theirs)

    return check


def number_checks(file: DataFile, header: Sequence[str]) -> Callable[[Sequence[str], str], None]:
    """Return a function that checks a csv row for numbers with too many digits; arguments as in `value_checks`.

    Args:
        file: The file.
        header: Columns of the file.
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
                raise file.cell_error(problem, where=where, ours=ours, theirs=theirs)

    return check


def _too_long(cell: str) -> str | None:
    longest = max((len(word) for word in cell.split() if word.isdigit()), default=0)
    return _digits_problem(longest) if longest > MAX_DIGITS else None


def _digits_problem(number: int) -> str:
    return f"holds a number with {number:,} digits, but at most {MAX_DIGITS} digits are read; correct it"


def _problem(value: Any, *, depth: int) -> str | None:
    """Return what is wrong with a value, or None."""
    if isinstance(value, LongNumber):
        return _digits_problem(len(value.lstrip("-")))
    if isinstance(value, str):
        return surrogate_problem(value)
    if not isinstance(value, Mapping | list):
        return None
    if depth == MAX_DEPTH:
        return f"has more than {MAX_DEPTH} levels of nested lists and objects, but kinds need only 2; flatten it"
    if isinstance(value, Doubled):
        return f"holds an object in which {min(value.twins)!r} occurs twice; remove one of the two"
    parts = cast("list[Any]", [*value, *value.values()] if isinstance(value, Mapping) else value)
    return next((problem for part in parts if (problem := _problem(part, depth=depth + 1))), None)
