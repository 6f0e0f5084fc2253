"""Reads YAML strictly: an error names its line (syntax, duplicate keys); `1e-5` is a number.

A document can hold only what JSON can hold. Values that YAML 1.1 silently changes raise an error (`010` would be 8,
`1:30` would be 90, a date). So do tags that run code, and aliases without limit: of aliases, or of themselves.
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
"""Largest file, in bytes: about 30,000 values, which take a second or two."""
_MAX_DEPTH = 60
_TOO_DEEP = f"the document is nested too deeply: at most {_MAX_DEPTH} levels are read; flatten it"
_MAX_VALUES = 200_000
"""Most values of a document; an alias counts each time it is used."""


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A mapping has a key twice; YAML would silently keep the last value."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that reads exponents without a decimal point, and rejects duplicate keys and deep nesting."""

    _level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node. Raise an error as soon as the nesting is too deep, before the rest is read."""
        if self._level >= _MAX_DEPTH:
            raise yaml.constructor.ConstructorError(None, None, _TOO_DEEP, self.peek_event().start_mark)
        self._level += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._level -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not a text; put it in quotes", key_node.start_mark
                )
            if isinstance(key, Hashable) and key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise _DuplicateKeyError(None, None, f"the key {key!r} occurs twice; keep one", key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


# In YAML 1.1 `on`, `off`, `yes` and `no` are booleans, so a value named `off` would be False.
_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != _BOOL]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
# In YAML 1.1 `1e-5` is a text, but learning rates are usually written so.
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse_yaml(text: str, *, name: str) -> JsonValue:
    """Return the value of a YAML text.

    Args:
        text: The document.
        name: Name of the document in messages.

    Raises:
        YamlFileError: The text is not YAML, or holds something that is not allowed; the error has line and column.
    """
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"{_problem(error)}; correct this line"
        if mark is None:
            raise YamlFileError(name, message) from None
        raise YamlFileError(name, message, line=mark.line + 1, column=mark.column + 1) from None
    except (yaml.YAMLError, ValueError, KeyError) as error:  # KeyError: a text with the tag of a boolean
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
    """Size of a node when its aliases are written out."""

    num_values: int
    num_levels: int


def _check(node: yaml.Node, *, known: dict[int, _Extent], above: tuple[int, ...]) -> _Extent:
    """Return the size of a node, after checking it and everything below it.

    Args:
        node: The node; an alias is the same node as its anchor.
        known: Sizes of nodes that were checked before and are not visited again.
        above: The nodes that contain this one.
    """
    if id(node) in above:
        raise _error_at(node, "an alias refers to a value that contains it; write the values out")
    if id(node) not in known:
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
        elif node.tag in _NO_JSON:
            raise _error_at(node, f"the tag {node.tag!r} is not supported; write plain values")
        parts = [_check(part, known=known, above=(*above, id(node))) for part in _parts(node)]
        known[id(node)] = _Extent(
            num_values=1 + sum(part.num_values for part in parts),
            num_levels=1 + max((part.num_levels for part in parts), default=0),
        )
    found = known[id(node)]
    if found.num_values > _MAX_VALUES:
        raise _error_at(
            node, f"the document holds more than {_MAX_VALUES:,} values with its aliases; write fewer values"
        )
    if len(above) + found.num_levels > _MAX_DEPTH:
        raise _too_deep(node)
    return found


def _too_deep(node: yaml.Node) -> yaml.constructor.ConstructorError:
    return _error_at(node, _TOO_DEEP)


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
        raise _error_at(node, f"{text!r} would be read as a date; put it in quotes")
    if node.tag in _NO_JSON:
        shown = text[:_MAX_SHOWN_CHARACTERS]
        raise _error_at(node, f"{shown!r} has the tag {node.tag!r}, which is not supported; write a plain value")
    if node.tag == f"{_YAML}merge":
        raise _error_at(node, "merge keys (<<) are not supported; write the fields out")
    if node.tag == f"{_YAML}int" and len(text) > _MAX_DIGITS:
        raise _error_at(node, f"a number has {len(text):,} digits; at most {_MAX_DIGITS} are read; write a smaller one")
    if node.tag == f"{_YAML}int" and not _DECIMAL.match(text):
        raise _error_at(node, f"{text!r} is not a decimal number; write one, or put it in quotes if it is a text")
    if node.tag == f"{_YAML}float" and ":" in text:
        rule = "would be read as a number in base 60"
        raise _error_at(node, f"{text!r} {rule}; write a decimal number, or put it in quotes if it is a text")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        rule = "holds NUL or half of a surrogate pair, which no text can hold"
        raise _error_at(node, f"{text[:_MAX_SHOWN_CHARACTERS]!r} {rule}; remove the character")


_MAX_SHOWN_CHARACTERS = 60
_MAX_DIGITS = 40


def _error_at(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return in one line what is wrong."""
    problem = " ".join((error.problem or str(error)).split())
    return "a second document starts here; keep one" if problem == "but found another document" else problem


def read_yaml(path: Path) -> JsonValue:
    """Return the value of a YAML file.

    Raises:
        YamlFileError: The file cannot be read, or is not YAML.
    """
    try:
        facts = path.stat()
        if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            raise YamlFileError(str(path), "cannot be read: it is not a regular file; give the path of a YAML file")
        if facts.st_size > MAX_BYTES and path.is_file():
            rule = f"it has {facts.st_size:,} bytes, and at most {MAX_BYTES:,} are read"
            raise YamlFileError(str(path), f"cannot be read: {rule}; write ranges instead of long lists")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise YamlFileError(str(path), "cannot be read: it is not UTF-8 text; give the path of a YAML file") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise YamlFileError(str(path), f"cannot be read: {reason}; give the path of a YAML file") from None
    return parse_yaml(text, name=str(path))
