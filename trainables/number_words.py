"""Writes a number with its noun, for messages."""

from __future__ import annotations


def number_of(number: float, noun: str, *, form: str = "") -> str:
    """Return a number and its noun: `1 trial`, `2 trials`.

    Args:
        number: The number.
        noun: The noun in the singular; its plural ends in an s. Words before it stay: `finished trial`.
        form: How the number is formatted, such as `,` for thousands.
    """
    return f"{number:{form}} {noun}{'' if number == 1 else 's'}"
