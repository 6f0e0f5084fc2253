"""The order in which a spec's keys were written, for records that sort the keys of their JSON.

Order has a meaning: the first family or arm is the default, trials begin with the families in turn, and parameters are
asked for from top to bottom. A sweep that is read back from a record has to go on as the file would have.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

KEY_ORDER = "key_order"
"""Key beside a recorded spec's fields: place of a mapping (a JSON pointer, RFC 6901) -> its keys, where not sorted."""


def with_key_order(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document that says in which order its keys are."""
    order = _orders(dict(document), place="")
    return {**document, KEY_ORDER: order} if order else dict(document)


def in_key_order(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document without what it says of its keys' order, and with its keys in that order."""
    order = document.get(KEY_ORDER)
    plain = {key: value for key, value in document.items() if key != KEY_ORDER}
    found = _ordered(plain, order=order, place="") if isinstance(order, dict) else plain
    assert isinstance(found, dict)  # noqa: S101  (as it came in)
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
