"""Makes the spec of a confirmation: the sweep's space, given points, and fresh seeds that selected nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from search.query import BestTrial
from spaces.sweep_spec import GivenPoint, SweepSpec, make_sweep_spec

FRESH: dict[str, JsonValue] = {"int": [0, 2**31 - 1]}
"""The range of all seeds, as a parameter of a spec."""

SEED_SHIFT = 1_000_003
"""The seed of a confirmation is the seed of its sweep plus this number."""


def points_of(arms: Sequence[BestTrial], *, baseline: BestTrial) -> tuple[GivenPoint, ...]:
    """Return the configurations of a confirmation, the baseline last.

    Args:
        arms: The best trials, of distinct configurations.
        baseline: The baseline's best trial.
    """
    return tuple(
        GivenPoint(name=f"{trial.family} {trial.trial}", assignment=without_seeds(trial)) for trial in (*arms, baseline)
    )


def without_seeds(trial: BestTrial) -> dict[str, JsonValue]:
    """Return a trial's assignment without the seeds of its phases."""
    return {path: value for path, value in trial.assignment.items() if not _is_seed(path)}


def distinct(trials: Sequence[BestTrial], *, top: int) -> list[BestTrial]:
    """Return the first trials with distinct configurations (without seeds), at most `top`."""
    found: list[BestTrial] = []
    for trial in trials:
        if len(found) < top and all(without_seeds(trial) != without_seeds(other) for other in found):
            found.append(trial)
    return found


def confirmation_spec(spec: SweepSpec, *, name: str, points: Sequence[GivenPoint]) -> SweepSpec:
    """Return the spec of a confirmation: one rung, both phases' seeds drawn anew for each trial.

    All stages stay in its store: the test set is scored with the target stage of each trial, the worst ones too.

    Args:
        spec: The sweep's spec.
        name: Name of the confirmation.
        points: Its configurations.
    """
    document = spec.model_dump(mode="json", exclude={"sampler", "priors", "rungs", "pruner", "order", "stop", "keep"})
    families = {
        family: body if family == "none" else {**_without_part_seeds(_without(body, "seed")), "seed": FRESH}
        for family, body in spec.families.items()
    }
    document |= {
        "name": name,
        "description": f"The best of {spec.name} and its baseline again, with fresh seeds",
        "trials": len(points),
        "seed": (spec.seed + SEED_SHIFT) % 2**31,
        "sampler": {"name": "given", "points": [point.model_dump(mode="json") for point in points]},
        "families": families,
        "search": {**_without_target_seed(spec.search), "target.seed": FRESH},
    }
    return make_sweep_spec(document)


def _is_seed(path: str) -> bool:
    first, _, last = path.rpartition(".")
    return last == "seed" and (first == "target" or first.startswith("intermediate"))


def _without(body: dict[str, JsonValue], key: str) -> dict[str, JsonValue]:
    return {name: value for name, value in body.items() if name != key}


def _without_part_seeds(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a family whose merged parts all have the seed of the phase, which is fresh."""
    kept = {
        path: value for path, value in body.items() if not (path.startswith("merge.parts.") and _ends_in_seed(path))
    }
    merge = kept.get("merge")
    if isinstance(merge, dict):
        kept["merge"] = {
            name: _parts_without_seeds(value) if name == "parts" else value for name, value in merge.items()
        }
    return kept


def _parts_without_seeds(parts: JsonValue) -> JsonValue:
    if not isinstance(parts, dict):
        return parts
    return {name: _without(part, "seed") if isinstance(part, dict) else part for name, part in parts.items()}


def _ends_in_seed(path: str) -> bool:
    return path.rpartition(".")[2] == "seed"


def _without_target_seed(search: dict[str, JsonValue]) -> dict[str, JsonValue]:
    kept = _without(search, "target.seed")
    target = kept.get("target")
    return {**kept, "target": _without(target, "seed")} if isinstance(target, dict) and "seed" in target else kept
