"""Turns a pydantic ValidationError into one ConfigError: field, value, rule, next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from trainables.errors import ConfigError, near_matches

_NEXT_STEPS = {
    "missing": "add it",
    "extra_forbidden": "remove or rename it",
    "value_error": "",
    "greater_than": "choose a number above {gt}",
    "greater_than_equal": "set it to {ge} or more",
    "less_than": "choose a number below {lt}",
    "less_than_equal": "set it to {le} or less",
    "too_short": "give at least {min_length}",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a number that is neither infinite nor nan",
    "bool_type": "write true or false",
    "string_type": "write text",
    "string_pattern_mismatch": "start with a letter or digit; letters, digits, `_`, `-` and `.` may follow",
    "model_type": "write a mapping of names to values",
    "dict_type": "write a mapping of names to values",
    "literal_error": "write one of them",
}
"""pydantic's type of an error -> the next step; numbers in braces come from the error's context."""


def config_error(
    error: ValidationError, *, locate: Callable[[str], str] = str, known: Callable[[str], list[str]] | None = None
) -> ConfigError:
    """Return the first error of a ValidationError as a ConfigError.

    Args:
        error: The error that pydantic raised.
        locate: Converts the dotted path of a field in the model into its path in the user's document.
        known: Returns the valid names at the path of a wrong name, for near matches.
    """
    first = error.errors(include_url=False)[0]
    parts = _untagged([str(part) for part in first["loc"] if part != "[key]"], kind=first["type"])
    path = ".".join(parts)
    unknown = first["type"] == "extra_forbidden" or first["loc"][-1:] == ("[key]",)
    rule = (
        f"there is no such field (its value is {first['input']!r})"
        if first["type"] == "extra_forbidden"
        else first["msg"].removeprefix("Value error, ")
    )
    rule = rule[:1].lower() + rule[1:] if rule.startswith(("Input", "Field")) else rule
    near = near_matches(parts[-1], known(path)) if unknown and known else ""
    if first["type"] == "literal_error":
        near = near_matches(str(first["input"]), re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", "")))
    value = "" if first["type"] in {"missing", "value_error", "extra_forbidden"} else f"{first['input']!r}: "
    step = _next_step(first["type"], context=first.get("ctx", {}))
    return ConfigError(locate(path), f"{value}{rule}{near}{'; ' + step if step else ''}")


def _next_step(kind: str, *, context: Mapping[str, object]) -> str:
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in context.items()
    }
    return _NEXT_STEPS.get(kind, "change the value").format(**limits)


def _untagged(parts: list[str], *, kind: str) -> list[str]:
    """Return a path without pydantic's type tags: in a free-form value, one is before each key, and one at the end."""
    if kind != "finite_number" or parts[-1:] != ["float"] or not {"dict", "list"} & set(parts):
        return parts
    first = next(index for index, part in enumerate(parts) if part in {"dict", "list"})
    return parts[:first] + parts[first + 1 : -1 : 2]
