"""Checks whether a spec is the same as that of a sweep on record."""

from __future__ import annotations

from pydantic import JsonValue

from search.errors import SweepDiffersError
from search.record.rows import JsonObject, Objective, SweepRow
from spaces.key_order import KEY_ORDER
from trainables.config.frozen import canonical_json


def check_same_sweep(sweep: SweepRow, *, spec: JsonObject, objective: Objective) -> None:
    """Check that a sweep has this spec and objective. Fields that say how long and how wide to search may differ.

    Raises:
        SweepDiffersError: The sweep has another spec or objective.
    """
    fields = [] if sweep.objective == objective else ["objective"]
    fields += _differing(_without_extent(sweep.spec), _without_extent(spec), path="")
    if fields:
        raise SweepDiffersError(sweep.name, fields)


def _without_extent(spec: JsonObject) -> JsonObject:
    """Return a spec without the fields that say how long and how wide to search."""
    extent = {"trials", "concurrency", "description", KEY_ORDER}
    return {name: value for name, value in spec.items() if name not in extent}


def _differing(left: JsonValue, right: JsonValue, *, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted(left.keys() | right.keys())
        return [
            field
            for name in names
            for field in _differing(left.get(name), right.get(name), path=f"{path}.{name}" if path else name)
        ]
    return [] if canonical_json(left) == canonical_json(right) else [path or "spec"]
