"""The smallest sweep: one trial of one step on the packaged data."""

from __future__ import annotations

from typing import Any

import yaml

SPEC: dict[str, Any] = {
    "name": "doors",
    "trials": 1,
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 1, "num_dev_items": 0},
        "evaluation": {"task": "miniature_nli", "num_items": 2},
        "engine": {"device": "cpu"},
    },
    "families": {"none": {}},
    "search": {"target.seed": {"int": [0, 3]}},
}


def smallest_spec(name: str) -> str:
    """Return the sweep as YAML, in the order of its fields."""
    return yaml.safe_dump(SPEC | {"name": name}, sort_keys=False)
