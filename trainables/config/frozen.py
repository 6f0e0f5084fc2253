"""The base class of models that cross a process, a disk or a YAML file; their canonical JSON and content keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any  # JSON values have no narrower static type

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen, strict model: unknown fields, wrong types and NaN raise an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a JSON-like value: sorted keys, no spaces, no NaN, UTF-8 kept.

    Floats are written by `repr` (the shortest text that reads back as the same number), so equal values give equal
    text on every machine and with every Python version (float repr is specified since Python 3.1).

    Raises:
        ValueError: The value holds NaN or infinity.
        TypeError: The value is not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_key(value: Any) -> str:
    """Return the SHA-256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
