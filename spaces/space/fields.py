"""Looks up fields of the TrialConfig by dotted path, so that a wrong name is refused at the start."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin  # Any: annotations have no static type

from pydantic import BaseModel

from trainables.config import TrialConfig
from trainables.errors import ConfigError, near_matches

FieldKind = Literal["model", "mapping", "entries", "integer", "leaf"]
"""What a field holds: further fields, tasks with weights, named parts, a whole number, or another plain value."""


def field_kind(field: str, *, origin: str) -> FieldKind:
    """Return what a field of the TrialConfig holds; the empty path is the TrialConfig itself.

    Args:
        field: Dotted path, for example `target.learning_rate`.
        origin: Where the spec names it, for the message.

    Raises:
        ConfigError: There is no such field.
    """
    if field not in _known:  # a choice looks it up for each of its values
        annotation: Any = TrialConfig
        walked: list[str] = []
        for name in field.split(".") if field else []:
            annotation = _step(annotation, name=name, walked=walked, origin=origin)
            walked.append(name)
        _known[field] = _kind(annotation)
    return _known[field]


_known: dict[str, FieldKind] = {}
"""Field -> its kind, for the fields that were looked up; the number of fields is small."""


def model_of(field: str) -> type[BaseModel] | None:
    """Return the class of a field that has fields of its own, of the TrialConfig for the empty path; else None."""
    annotation: Any = TrialConfig
    for name in field.split(".") if field else []:
        if _kind(annotation) != "model" or name not in annotation.model_fields:
            return None
        annotation = _without_none(annotation.model_fields[name].annotation)
    return annotation if _kind(annotation) == "model" else None


def _step(annotation: Any, *, name: str, walked: list[str], origin: str) -> Any:
    here = ".".join(walked)
    if _kind(annotation) != "model":
        raise ConfigError(origin, f"{here!r} is one value and has no field {name!r}; set {here!r} as a whole")
    fields = annotation.model_fields
    if name not in fields:
        near = near_matches(name, fields)
        raise ConfigError(
            origin, f"a trial's {here or 'configuration'} has no field {name!r}{near}; it has {', '.join(fields)}"
        )
    return _without_none(fields[name].annotation)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def _kind(annotation: Any) -> FieldKind:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "model"
    if get_origin(annotation) is dict:
        return "mapping" if get_args(annotation)[1] is float else "entries"
    return "integer" if annotation is int else "leaf"
