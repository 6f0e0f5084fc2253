"""One clear ConfigError from a pydantic ValidationError: field, value, rule, next step."""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import ValidationError

from trainables.errors import ConfigError, near_matches

_NEXT_STEPS = {
    "missing": "add it",
    "extra_forbidden": "remove or rename it",
    "value_error": "",
}


def config_error(
    error: ValidationError, *, locate: Callable[[str], str] = str, known: Callable[[str], list[str]] | None = None
) -> ConfigError:
    """Return the first complaint of a ValidationError as a ConfigError.

    Args:
        error: What pydantic raised.
        locate: Turns the dotted path of a field in the model into its path in the user's document.
        known: Gives the names that would have been right beside a wrong one, for near matches.
    """
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    path = ".".join(parts)
    unknown = first["type"] == "extra_forbidden" or first["loc"][-1:] == ("[key]",)
    rule = (
        "there is no such field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    )
    rule = rule[:1].lower() + rule[1:] if rule.startswith(("Input", "Field")) else rule
    near = near_matches(parts[-1], known(path)) if unknown and known else ""
    if first["type"] == "literal_error":
        near = near_matches(str(first["input"]), re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", "")))
    value = "" if first["type"] in {"missing", "value_error", "extra_forbidden"} else f"{first['input']!r}: "
    step = _NEXT_STEPS.get(first["type"], "change the value")
    return ConfigError(locate(path), f"{value}{rule}{near}{'; ' + step if step else ''}")
