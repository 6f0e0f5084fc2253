"""Messages about a wrong spec repeat the value that stands at the place they name, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from trainables.errors import ConfigError

_MOST_SHOWN = 80
"""Characters of a value."""


def with_value(error: ConfigError, *, document: Mapping[str, JsonValue]) -> ConfigError:
    """Return an error whose message holds the value at its field, unless it does already or nothing stands there.

    Args:
        error: The error; of a mapping or list it need only hold a part.
        document: What the user wrote.
    """
    said = str(error).removeprefix(f"{error.field}: ")
    found = value_at(document, path=error.field)
    if not found or any(is_told(one, said=said) for one in _leaves(found[0])):
        return error
    return ConfigError(error.field, f"{shown(found[0])}: {said}")


def value_at(document: JsonValue | Mapping[str, JsonValue], *, path: str) -> list[JsonValue]:
    """Return the value at a dotted path, alone in a list; an empty list where nothing stands. Keys may be dotted."""
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


def is_told(value: JsonValue, *, said: str) -> bool:
    """Return whether a message holds a value, as a word of its own."""
    texts = {str(value), repr(value), *([f"{value:g}"] if isinstance(value, float) else [])} - {""}
    return any(re.search(rf"(?<![\w.]){re.escape(text)}(?![\w]|\.\d)", said) for text in texts)


def shown(value: JsonValue) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    """Yield a value and, of a mapping or list, all that stands in it."""
    yield value
    parts = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        yield from _leaves(part)
