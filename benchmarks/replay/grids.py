"""The recorded grids: which files hold them, and the space that a replay searches.

`surrogate` is the miniature's, on which the stage-aware sampler was built. `mirror` has real tasks, other ranges and
another encoder, and was recorded afterwards: nothing was chosen by it (docs/decisions/0019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast  # Any: a YAML document

import yaml

RATE = "learning_rate"
"""The field of an intermediate phase, and of the target, whose recorded values are interpolated."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A recorded grid. Its spec, NAME.yaml, lists what was recorded; NAME.csv.xz holds the scores."""

    name: str
    """Name of its sweep and of its files."""
    skipped: int = 0
    """Recorded rungs below the first that is replayed."""
    trunk_steps: int = 0
    """Optimiser steps of the trunks of skipped rungs."""
    defaults: Mapping[str, object] = field(default_factory=dict[str, object])
    """`intermediate` and `target` -> the default of a range of learning rates; `listed` -> the target's in a list, if
    the range's is not listed; `freeze_layers`."""

    @property
    def file(self) -> Path:
        """Scores of every configuration."""
        return Path(__file__).with_name(f"{self.name}.csv.xz")

    @cached_property
    def document(self) -> dict[str, Any]:
        """The spec that recorded it."""
        text = Path(__file__).with_name(f"{self.name}.yaml").read_text(encoding="utf-8")
        return cast("dict[str, Any]", yaml.safe_load(text))

    @property
    def num_recorded(self) -> int:
        """Rungs that were recorded."""
        return int(self.document["rungs"]["num"])

    @property
    def num_rungs(self) -> int:
        """Rungs that are replayed."""
        return self.num_recorded - self.skipped

    @property
    def families(self) -> dict[str, dict[str, Any]]:
        """Family -> what it fixes and searches, without its learning rate."""
        found: dict[str, dict[str, Any]] = self.document["families"]
        return {name: {path: value for path, value in one.items() if path != RATE} for name, one in found.items()}

    @property
    def fixed_steps(self) -> dict[str, int]:
        """Family -> intermediate steps, where it does not search them."""
        return {name: one["steps"] for name, one in self.families.items() if isinstance(one.get("steps"), int)}

    def rates(self, *, is_listed: bool) -> dict[str, dict[str, Any]]:
        """Return `intermediate` and `target` -> a space of learning rates: those recorded, or the range of these."""
        families: dict[str, dict[str, Any]] = self.document["families"]
        before = next(one[RATE] for one in families.values() if RATE in one)
        found: dict[str, dict[str, Any]] = {}
        for phase, space in (("intermediate", before), ("target", self.document["search"][f"target.{RATE}"])):
            values = [float(value) for value in space["choice"]]
            default = self.defaults[phase]
            if is_listed:
                listed = default if default in values else self.defaults["listed"]
                found[phase] = {"choice": values, "default": listed}
            else:
                found[phase] = {"log": [min(values), max(values)], "default": default}
        return found

    def freezing(self) -> dict[str, Any]:
        """Return the space of the target's frozen layers."""
        space: dict[str, Any] = self.document["search"]["target.freeze_layers"]
        return {**space, "default": self.defaults["freeze_layers"]}


GRIDS = {
    grid.name: grid
    for grid in (
        # Defaults are those of the shipped demo, or the nearest that is listed. What was recorded at a ninth, 45 steps
        # scored on 33 items a language, says little about the end: its rank correlation with the last rung is 0.39,
        # that of a third 0.85.
        Grid(
            name="surrogate",
            skipped=1,
            trunk_steps=36,
            defaults={"intermediate": 1e-3, "target": 3e-3, "listed": 4e-3, "freeze_layers": 2},
        ),
        Grid(name="mirror", defaults={"intermediate": 3e-4, "target": 3e-4, "freeze_layers": 1}),
    )
}
