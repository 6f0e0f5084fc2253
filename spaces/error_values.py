"""Adds the value of a wrong field to the message about it, where the message does not hold it yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from trainables.errors import ConfigError

_MAX_SHOWN = 80
"""Characters of a value."""


_MAY_HOLD_SECRETS = "track"
"""Field whose values no message repeats: users write tokens into addresses, although a spec must not hold them."""


def with_value(error: ConfigError, *, document: Mapping[str, JsonValue]) -> ConfigError:
    """Return an error with the value at its field in the message, unless the message has it or the field is absent.

    Of a long mapping, such as a whole phase, the first characters say nothing of the error: they are left out.

    Args:
        error: The error. For a mapping or list it is enough if the message has a part of it.
        document: The document that the user wrote.
    """
    if error.field.startswith(_MAY_HOLD_SECRETS):
        return error
    message = str(error).removeprefix(f"{error.field}: ")
    found = value_at(document, path=error.field)
    if not found or any(holds_value(leaf, message=message) for leaf in _leaves(found[0])):
        return error
    if isinstance(found[0], dict) and len(repr(found[0])) > _MAX_SHOWN:
        return error
    return ConfigError(error.field, f"{shown(found[0])}: {message}")


def value_at(document: JsonValue | Mapping[str, JsonValue], *, path: str) -> list[JsonValue]:
    """Return a list with the value at a dotted path, or an empty list if there is none. Keys can contain dots."""
    inner: JsonValue = dict(document) if isinstance(document, Mapping) else document
    parts = path.split(".") if path else []
    while parts:
        if isinstance(inner, list) and parts[0].isdecimal() and int(parts[0]) < len(inner):
            inner, parts = inner[int(parts[0])], parts[1:]
            continue
        keys = {str(key): value for key, value in inner.items()} if isinstance(inner, dict) else {}
        length = next((num for num in range(len(parts), 0, -1) if ".".join(parts[:num]) in keys), 0)
        if not length:
            return []
        inner, parts = keys[".".join(parts[:length])], parts[length:]
    return [inner]


def holds_value(value: JsonValue, *, message: str) -> bool:
    """Return whether a message holds a value, as a word of its own."""
    texts = {str(value), repr(value), *([f"{value:g}"] if isinstance(value, float) else [])} - {""}
    return any(re.search(rf"(?<![\w.]){re.escape(text)}(?![\w]|\.\d)", message) for text in texts)


def shown(value: JsonValue) -> str:
    """Return a value as a message shows it; a long value is cut."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    """Yield a value and, of a mapping or list, everything inside it."""
    yield value
    parts = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        yield from _leaves(part)
