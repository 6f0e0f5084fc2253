"""Reads YAML so that a slip is refused at its line: duplicate keys, syntax; and `1e-5` is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any  # PyYAML's constructors hand out plain Python values

import yaml
from pydantic import JsonValue

from trainables.errors import YamlFileError

_BOOL = "tag:yaml.org,2002:bool"
_FLOAT = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


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
        YamlFileError: The text is not YAML, or a mapping names a key twice; with line and column.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506  a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        message = f"{error.problem}; correct this line"
        if mark is None:
            raise YamlFileError(name, message) from None
        raise YamlFileError(name, message, line=mark.line + 1, column=mark.column + 1) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlFileError(name, f"cannot be read as YAML ({error}); correct the file") from None


def read_yaml(path: Path) -> JsonValue:
    """Return the value of a YAML file.

    Raises:
        YamlFileError: The file cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise YamlFileError(str(path), f"cannot be read: {reason}; give the path of a YAML file") from None
    return parse_yaml(text, name=str(path))
