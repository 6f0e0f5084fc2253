"""Keeps the order of a spec's keys in records that sort the keys of their JSON.

The order has a meaning: the first family or arm is the default, the first trials are the families in order, and
parameters are sampled from top to bottom. A sweep that is read from a record must continue in the same way as one that
is read from the file.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

KEY_ORDER = "key_order"
"""A key of a recorded spec. Its value: place of a mapping (a JSON pointer, RFC 6901) -> its keys, if they are not
sorted."""


def with_key_order(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document with the order of its keys added."""
    order = _orders(dict(document), place="")
    return {**document, KEY_ORDER: order} if order else dict(document)


def in_key_order(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document with its keys in the order that it states, and without the statement."""
    order = document.get(KEY_ORDER)
    plain = {key: value for key, value in document.items() if key != KEY_ORDER}
    found = _ordered(plain, order=order, place="") if isinstance(order, dict) else plain
    assert isinstance(found, dict)  # noqa: S101  (`plain` is one)
    return found


def _orders(value: JsonValue, *, place: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        return {}
    keys = list(value)
    orders: dict[str, JsonValue] = {} if keys == sorted(keys) else {place: list[JsonValue](keys)}
    for key, part in value.items():
        orders |= _orders(part, place=_below(place, key))
    return orders


def _ordered(value: JsonValue, *, order: Mapping[str, JsonValue], place: str) -> JsonValue:
    if not isinstance(value, dict):
        return value
    known = order.get(place)
    names = [name for name in known if isinstance(name, str) and name in value] if isinstance(known, list) else []
    names += [name for name in value if name not in names]
    return {name: _ordered(value[name], order=order, place=_below(place, name)) for name in names}


def _below(place: str, key: str) -> str:
    return f"{place}/{key.replace('~', '~0').replace('/', '~1')}"
