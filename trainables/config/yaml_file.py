"""Reads YAML so that a slip is refused at its line: duplicate keys, syntax; and `1e-5` is a number.

What a document may hold is what JSON holds. Refused is what YAML 1.1 would silently make another value of (`010` is 8,
`1:30` is 90, a date), what runs code, and what grows without bounds: aliases of aliases, aliases of themselves.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # PyYAML's constructors hand out plain Python values

import yaml
from pydantic import JsonValue

from trainables.errors import YamlFileError

_BOOL = "tag:yaml.org,2002:bool"
_YAML = "tag:yaml.org,2002:"
_NO_JSON = frozenset(f"{_YAML}{name}" for name in ("binary", "omap", "pairs", "set"))
_DECIMAL = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


MAX_BYTES = 500_000
"""Of a file: some 30,000 values, a second or two."""
_MAX_DEPTH = 60
_MAX_VALUES = 200_000
"""With each alias counted as often as it is used."""


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A mapping names a key twice; YAML would silently keep the last."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads exponents without a point."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is no text; put it in quotes", key_node.start_mark
                )
            if isinstance(key, Hashable) and key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise _DuplicateKeyError(None, None, f"{key!r} stands twice; keep one", key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


# In YAML 1.1 `on`, `off`, `yes` and `no` are booleans, so an arm named `off` would be False.
_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != _BOOL]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
# In YAML 1.1 `1e-5` is text; every learning rate of the field is written so.
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse_yaml(text: str, *, name: str) -> JsonValue:
    """Return the value of a YAML text.

    Args:
        text: The document.
        name: What to call it in messages.

    Raises:
        YamlFileError: The text is not YAML, or holds what no spec may hold; with line and column.
    """
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"{_problem(error)}; correct this line"
        if mark is None:
            raise YamlFileError(name, message) from None
        raise YamlFileError(name, message, line=mark.line + 1, column=mark.column + 1) from None
    except RecursionError:
        raise YamlFileError(name, f"is nested too deep; {_MAX_DEPTH} levels are read: correct the file") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise YamlFileError(name, f"cannot be read as YAML ({problem}); correct the file") from None


def _load(text: str) -> JsonValue:
    loader = _StrictLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check(root, known={}, above=())
        return loader.construct_document(root)
    finally:
        loader.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """What a node stands for, with its aliases written out."""

    num_values: int
    num_levels: int


def _check(node: yaml.Node, *, known: dict[int, _Extent], above: tuple[int, ...]) -> _Extent:
    """Return what a node stands for, after checking it and all that is below it.

    Args:
        node: The node; an alias is the node that it names.
        known: Of nodes that were checked, which are not walked again.
        above: The nodes that it stands in.
    """
    if id(node) in above:
        raise _refusal(node, "an alias stands inside of what it names; write the values out")
    if id(node) not in known:
        if len(above) >= _MAX_DEPTH:
            raise _too_deep(node)
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
        elif node.tag in _NO_JSON:
            raise _refusal(node, f"the tag {node.tag!r} is not read; write plain values")
        parts = [_check(part, known=known, above=(*above, id(node))) for part in _parts(node)]
        known[id(node)] = _Extent(
            num_values=1 + sum(part.num_values for part in parts),
            num_levels=1 + max((part.num_levels for part in parts), default=0),
        )
    found = known[id(node)]
    if found.num_values > _MAX_VALUES:
        raise _refusal(node, f"it holds more than {_MAX_VALUES:,} values, with its aliases; write fewer")
    if len(above) + found.num_levels > _MAX_DEPTH:
        raise _too_deep(node)
    return found


def _too_deep(node: yaml.Node) -> yaml.constructor.ConstructorError:
    return _refusal(node, f"it is nested too deep; {_MAX_DEPTH} levels are read")


def _parts(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.MappingNode():
            return [part for pair in node.value for part in pair]
        case yaml.SequenceNode():
            return node.value
        case _:
            return []


def _check_scalar(node: yaml.ScalarNode) -> None:
    text: str = node.value
    if node.tag == f"{_YAML}timestamp":
        raise _refusal(node, f"{text!r} would be read as a date; put it in quotes")
    if node.tag in _NO_JSON:
        raise _refusal(node, f"{text[:_MOST_SHOWN]!r} has the tag {node.tag!r}, which is not read; write a plain value")
    if node.tag == f"{_YAML}int" and not _DECIMAL.match(text):
        raise _refusal(node, f"{text!r} is no decimal number; write one, or put it in quotes if it is a text")
    if node.tag == f"{_YAML}float" and ":" in text:
        raise _refusal(node, f"{text!r} would be read as a number of base 60; write a decimal one, or put it in quotes")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise _refusal(node, f"{text[:_MOST_SHOWN]!r} holds a character that no text has; take it out")


_MOST_SHOWN = 60


def _refusal(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong in one line."""
    problem = " ".join((error.problem or str(error)).split())
    return "a second document begins here; keep one" if problem == "but found another document" else problem


def read_yaml(path: Path) -> JsonValue:
    """Return the value of a YAML file.

    Raises:
        YamlFileError: The file cannot be read, or is not YAML.
    """
    try:
        facts = path.stat()
        if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            raise YamlFileError(str(path), "cannot be read: it is no regular file; give the path of a YAML file")
        if facts.st_size > MAX_BYTES and path.is_file():
            rule = f"it has {facts.st_size:,} bytes, and {MAX_BYTES:,} are read"
            raise YamlFileError(str(path), f"cannot be read: {rule}; write ranges in place of long lists")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise YamlFileError(str(path), "cannot be read: it is not UTF-8 text; give the path of a YAML file") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise YamlFileError(str(path), f"cannot be read: {reason}; give the path of a YAML file") from None
    return parse_yaml(text, name=str(path))
