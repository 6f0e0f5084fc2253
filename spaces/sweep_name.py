"""Names that a sweep can have."""

from __future__ import annotations

import re

from trainables.errors import ConfigError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Pattern of a sweep's name, which is also part of file names."""

MAX_NAME_LENGTH = 100
"""In characters."""


def checked_name(name: str) -> str:
    """Return the name that replaces the name of a sweep's spec.

    Raises:
        ConfigError: The name cannot be part of a file name.
    """
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name) or len(name) > MAX_NAME_LENGTH:
        rule = f"at most {MAX_NAME_LENGTH} letters, digits, `_`, `-` and `.`, and starts with a letter or digit"
        raise ConfigError("--name", f"{name!r} cannot be a sweep's name; a name has {rule}; choose another name")
    return name
