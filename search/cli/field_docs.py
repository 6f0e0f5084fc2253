"""The docstrings below the fields of a model, read from its source when a page shows them.

pydantic could read them too, but does so whenever a class is made: a fifth of the start of `xstilts status`.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> its docstring, for each field of a model that has one; inherited fields included."""
    parts = [part for part in reversed(model.__mro__) if issubclass(part, BaseModel) and part is not BaseModel]
    return {name: text for part in parts for name, text in _own_docs(part)}


def _own_docs(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  (it is the source of a class)
    for field, below in itertools.pairwise(definition.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
            case _:
                pass
