"""Tables of the fields of the YAML files, as Markdown, from the docstrings of the models' fields."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin  # Any: annotations have no static type

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from search.cli.field_docs import field_docs
from spaces.sweep_spec import SweepSpec
from trainables.config import TrialConfig
from trainables.tasks.spec import TaskSpec

_FILES: Mapping[str, tuple[type[BaseModel], str]] = {
    "a trial": (
        TrialConfig,
        "A trial file and `trial:` of a sweep spec have these fields. Keys can be dotted: `target.steps: 200`.",
    ),
    "a sweep spec": (SweepSpec, "[What a spec can search](how-to/spaces.md) explains ranges and choices."),
    "a task file": (
        TaskSpec,
        "A task file can leave out `splits`, `metric`, `licence` and `citation` ([how](how-to/own-task.md)).",
    ),
}
"""What a file describes -> its model, and a sentence below the heading."""

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", type(None): "null"}


def field_sections() -> Iterator[str]:
    """Yield a section for each file, and one for each model of its fields."""
    for what, (model, sentence) in _FILES.items():
        yield f"## Fields of {what}\n\n{sentence}\n"
        yield from map(_section, _parts(model))


def _parts(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a model and the models of its fields, each once, in the order of the fields."""
    found = [model]
    for part in found:  # the list grows
        for field in part.model_fields.values():
            found += [inner for inner in _models(field.annotation) if inner not in found]
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _section(model: type[BaseModel]) -> str:
    first = (inspect.getdoc(model) or "").split("\n\n")[0].replace("\n", " ")
    docs = field_docs(model)
    rows = [
        f"| `{name}` | {type_words(field.annotation)} | {_default(field)} | {_in_cell(docs.get(name, ''))} |"
        for name, field in model.model_fields.items()
    ]
    head = ["| field | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"### {model.__name__}\n", f"{first}\n", *head, *rows, ""])


def type_words(annotation: Any) -> str:
    """Return a type as a user of YAML reads it: `list of text`, `whole number or null`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    words = [type_words(part) for part in inner if part is not ...]
    if origin is Annotated:
        return words[0]
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(words))
    if origin is not None:
        return f"list of {words[0]}" if origin is tuple else f"mapping of {words[0]} to {words[-1]}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _PLAIN.get(annotation, "any value")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
        if not value:
            return "its defaults"
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    written = text.strip().removesuffix("...").strip()  # the end that YAML writes after a single value
    return f"`{written}`"


def _in_cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
