"""Converts a label, a tag or a choice to a class number, by one rule for every source. Pure.

Names decide: the names that the source writes, and the names that its schema gives to numbers. A number without a name
is read in the order of the task's classes; such numbers are counted, so that a report can name them. Values that are
written differently are the same in every format: `1`, `1.0` and "1" are equal. docs/decisions/0021 gives the reasons.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any  # Any: a raw label is the data set's own

from trainables.errors import near_matches
from trainables.tasks.spec import TaskSpec

UNLABELLED = -1
"""Number of a value that means "no label": its row is left out, or its word is not scored."""

MAX_SHOWN_CHARACTERS = 60
"""Longest part of a value that a message shows."""

_WHOLE = re.compile(r"-?[0-9]{1,18}(\.0*)?")
_BOOLEANS = {"true": 1, "false": 0}
_SAME = {"true": ("true", "yes"), "false": ("false", "no")}
"""Boolean -> names of classes with the same meaning."""


class NoClassError(Exception):
    """A value is not a class of the task.

    Args:
        value: The value in the source, or the source's name of it.
        rule: Which values are allowed, and the next step.
    """

    def __init__(self, value: Any, rule: str) -> None:
        super().__init__(rule)
        self.shown, self.rule = shown(value), rule


@dataclass(slots=True, kw_only=True)
class Reading:
    """Counts of what was found while the labels of a split were read."""

    num_rows: int = 0
    """Rows."""
    num_without_name: int = 0
    """Values that are numbers, or names that only number the classes; they were read in the task's order."""
    unlabelled: Counter[str] = field(default_factory=Counter[str])
    """Value that means "no label" -> how often it occurred."""


class Classes:
    """Converts the values of one column to class numbers.

    Args:
        spec: The task.
        source_names: Names that the source's schema gives to its numbers; empty without such a schema.
        reading: Counts that are increased while values are read.
    """

    def __init__(self, spec: TaskSpec, *, source_names: Sequence[str] = (), reading: Reading | None = None) -> None:
        self._names = spec.label_values or spec.labels
        self._is_written = bool(spec.label_values)
        self._reading = reading or Reading()
        self._numbers = {name: number for number, name in enumerate(self._names)}
        wholes = Counter(_whole(name) for name in self._numbers)
        self._numerals = {
            whole: number
            for name, number in self._numbers.items()
            if (whole := _whole(name)) is not None and wholes[whole] == 1
        }
        self._has_numerals = bool(wholes.keys() - {None})
        self._unlabelled = {*spec.unlabelled} - {*self._names}
        self._unlabelled_numbers = {whole for text in self._unlabelled if (whole := _whole(text)) is not None}
        self._unlabelled_numbers -= self._numerals.keys()
        self._source_names = tuple(source_names)
        self._in_order = self._numbers_by_order() if source_names else {}

    def number(self, value: Any, *, num_classes: int) -> int:
        """Return the class number of a value, or UNLABELLED.

        Args:
            value: The value in the source.
            num_classes: Number of classes of the task, or number of choices of the row.

        Raises:
            NoClassError: The value is not a class.
        """
        number = self._number(value, num_classes=num_classes)
        if number >= num_classes:  # a row can have fewer choices than the task has names for choices
            raise NoClassError(value, f"not one of this row's {num_classes} choices; correct it")
        return number

    def _number(self, value: Any, *, num_classes: int) -> int:
        whole = _whole(value) if self._source_names and not isinstance(value, bool) else None
        if whole is None or whole < 0:
            return self._of_value(value, num_classes=num_classes)
        if whole >= len(self._source_names):
            raise NoClassError(
                value, f"above the last number of the source's classes ({_joined(self._source_names)}); correct it"
            )
        name = self._source_names[whole]
        if (number := self._in_order.get(name)) is not None:
            return self._without_name(number, value=name, num_classes=num_classes)
        return self._of_value(name, num_classes=num_classes)

    def is_unlabelled(self, value: Any) -> bool:
        """Return whether a value means "no label"; if it does, count it."""
        text = "" if _is_missing(value) else value
        number = None if isinstance(value, bool) else _whole(value)
        found = number in self._unlabelled_numbers or (isinstance(text, str) and text in self._unlabelled)
        if found:
            self._reading.unlabelled["empty" if text == "" else str(text if number is None else number)] += 1
        return found

    def _of_value(self, value: Any, *, num_classes: int) -> int:
        if isinstance(value, str) and value in self._numbers:
            return self._numbers[value]
        if (number := self._same_as_boolean(value)) is not None:
            return number
        whole = None if isinstance(value, bool) else _whole(value)
        if whole is not None and whole in self._numerals:
            return self._numerals[whole]
        if self.is_unlabelled(value):
            return UNLABELLED
        if (number := self._boolean(value, num_classes=num_classes)) is not None:
            return number
        # If the task defines label_values, or has a number as a class name, any other number is a mistake.
        if whole is None or self._is_written or self._has_numerals or self._source_names:
            raise self._no_class(value, num_classes=num_classes)
        return self._without_name(whole, value=value, num_classes=num_classes)

    def _same_as_boolean(self, value: Any) -> int | None:
        """Return the class whose name has the meaning of a boolean, or is its number; None if there is none."""
        boolean = _as_boolean_text(value)
        if boolean not in _BOOLEANS:
            return None
        for same in _SAME[boolean]:
            for name, number in self._numbers.items():
                if name.lower() == same:
                    return number
        return self._numerals.get(_BOOLEANS[boolean]) if self._numerals.keys() == {0, 1} else None

    def _boolean(self, value: Any, *, num_classes: int) -> int | None:
        """Return the class of a boolean in the task's order; None for a value that is not a boolean."""
        boolean = _as_boolean_text(value)
        if boolean not in _BOOLEANS:
            return None
        if num_classes != len(_BOOLEANS) or self._is_written or self._has_numerals:
            raise self._no_class(value, num_classes=num_classes)
        return self._without_name(_BOOLEANS[boolean], value=value, num_classes=num_classes)

    def _without_name(self, number: int, *, value: Any, num_classes: int) -> int:
        if not 0 <= number < num_classes:
            raise self._no_class(value, num_classes=num_classes)
        self._reading.num_without_name += 1
        return number

    def _numbers_by_order(self) -> dict[str, int]:
        """Return name -> number for a source whose names only number the classes: `0` and `1`, or A to D."""
        names = self._source_names
        if self._numbers.keys() & {*names}:
            return {}
        wholes = [_whole(name) for name in names]
        are_numbers = None not in wholes
        if self._names and (self._is_written or not are_numbers or len(names) != len(self._names)):
            return {}
        ordered = sorted(names, key=lambda name: _whole(name) or 0) if are_numbers else sorted(names)
        # For choices without names in the task, source names that are out of order are ambiguous.
        if not self._names and list(names) != ordered:
            return {}
        return {name: number for number, name in enumerate(ordered)}

    def _no_class(self, value: Any, *, num_classes: int) -> NoClassError:
        own = f"not one of {_joined(self._names)}" if self._names else f"not a number from 0 to {num_classes - 1}"
        text = str(value)
        alike = [name for name in self._names if name.lower() == text.lower()]
        near = f"; did you mean {alike[0]!r}?" if alike else ""
        near = near or (near_matches(text, self._names) if isinstance(value, str) else "")
        theirs = f" (the source's classes are {_joined(self._source_names)})" if self._source_names else ""
        return NoClassError(value, f"{own}{theirs}{near}; correct it or the task's label_values")


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def whole_number(value: Any) -> int | None:
    """Return a value as a whole number: 1 for 1, 1.0 and "1"; None if it is not a whole number."""
    return None if isinstance(value, bool) else _whole(value)


def _as_boolean_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | str) else ""


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value.partition(".")[0]) if _WHOLE.fullmatch(value) else None
    if isinstance(value, float | Decimal):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return value if isinstance(value, int) else None


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names)
