"""Compares groups with a baseline, and gives each a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any  # Any: fields that the model checks

import numpy as np

from search.compare.comparison_result import GroupComparison, Protocol, Verdict
from search.compare.effects import MAX_MORE_SEEDS, Effect, estimate, has_spread, holm, more_seeds
from search.compare.items import item_variance, num_units
from search.compare.runs import POINTS, Group

MIN_SEEDS = 3
"""Fewest intermediate seeds for a verdict: two give one degree of freedom, a t of 12.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast:
    """An arm against the baseline, before p values are adjusted over arms."""

    group: Group
    effect: Effect | None
    """None where a group has a single seed, or nothing tells how far luck moves the scores."""
    items: float | None
    """Variance of the effect from items."""
    lack: str
    """Why there can be no verdict; empty where there can be one."""


def compare_groups(
    arms: Sequence[Group], *, baseline: Group, protocol: Protocol, how: Callable[[int], str]
) -> tuple[GroupComparison, ...]:
    """Return the baseline, then the arms from the largest effect down, each followed by its controls.

    Args:
        arms: The groups that are compared with the baseline.
        baseline: At least one run.
        protocol: Margin and chance of error.
        how: Returns the command that adds a number of seeds.
    """
    contrasts = [_contrast(arm, baseline=baseline, how=how) for arm in arms]
    concluding = [one for one in contrasts if one.effect is not None and not one.lack]
    differs = _adjusted(concluding, lambda effect: effect.p())
    same = _adjusted(concluding, lambda effect: effect.equivalence_p(margin=protocol.margin))
    answers = [
        _answer(one, baseline=baseline, protocol=protocol, num=len(concluding), how=how, adjusted=(p, equivalence))
        for one in contrasts
        for p, equivalence in [(differs.get(one.group.name), same.get(one.group.name))]
    ]
    lack = _lack(baseline, how=how)
    first = GroupComparison(**_facts(baseline), verdict="baseline", reason=lack)
    return (first, *_in_order(answers))


def _contrast(arm: Group, *, baseline: Group, how: Callable[[int], str]) -> _Contrast:
    lack = _lack(arm, how=how) or _lack(baseline, how=how)
    arm_S, baseline_S = arm.points_S(), baseline.points_S()
    if min(arm_S.size, baseline_S.size) < 2:  # noqa: PLR2004  one value has no spread
        return _Contrast(group=arm, effect=None, items=None, lack=lack)
    is_flat = not (has_spread(arm_S) or has_spread(baseline_S))
    lack = lack or (_no_spread(arm, how=how) if is_flat else "")
    step = max(arm.step, baseline.step)
    found = _items(arm, baseline)
    if found is None:
        effect = None if is_flat else estimate(arm_S, baseline_S, step=step)
        return _Contrast(group=arm, effect=effect, items=None, lack=lack)
    items, num = found
    effect = estimate(arm_S, baseline_S, step=step, item_variance=items, item_freedom=max(1, num - 1))
    return _Contrast(group=arm, effect=effect, items=items, lack=lack)


def _items(arm: Group, baseline: Group) -> tuple[float, int] | None:
    """Return the variance from items, and the number of units that were drawn; None where items are not known."""
    arm_SN, baseline_SN = arm.items_SN(), baseline.items_SN()
    if arm_SN is None or baseline_SN is None or arm_SN.shape[1] != baseline_SN.shape[1]:
        return None
    units_N, others_N = arm.units_N(), baseline.units_N()
    if units_N is None or others_N is None or not np.array_equal(units_N, others_N):
        units_N = None
    items = item_variance(arm_SN, baseline_SN, units_N=units_N)
    return items, num_units(units_N, num_items=arm_SN.shape[1])


def _no_spread(arm: Group, *, how: Callable[[int], str]) -> str:
    return (
        f"{arm.name} has the same score with each of its seeds, and so has the baseline; a verdict needs scores that "
        "differ between seeds, to tell an effect from chance; collapsed models and few items do this: see with "
        f"`xstilts show` what the trials trained, score more items, then run: {how(MIN_SEEDS)}"
    )


def _lack(group: Group, *, how: Callable[[int], str]) -> str:
    if group.num_seeds >= MIN_SEEDS:
        return ""
    missing = MIN_SEEDS - group.num_seeds
    seeds = "seed" if group.num_seeds == 1 else "seeds"
    phase = "intermediate" if group.num_intermediate_seeds == group.num_seeds else "target"
    return (
        f"{group.name} has {group.num_seeds} {phase} {seeds}; a verdict needs at least {MIN_SEEDS}, "
        f"to separate an effect from chance; run: {how(missing)}"
    )


def _adjusted(contrasts: Sequence[_Contrast], p: Callable[[Effect], np.ndarray]) -> dict[str, float]:
    values = np.array([float(p(one.effect)) for one in contrasts if one.effect is not None])
    return {one.group.name: float(value) for one, value in zip(contrasts, holm(values), strict=True)}


def _answer(
    one: _Contrast,
    *,
    baseline: Group,
    protocol: Protocol,
    num: int,
    adjusted: tuple[float | None, float | None],
    how: Callable[[int], str],
) -> GroupComparison:
    difference = POINTS * (_facts(one.group)["mean"] - _facts(baseline)["mean"])
    if one.effect is None:
        verdict: Verdict = "undecided"
        more = max(0, MIN_SEEDS - min(one.group.num_seeds, baseline.num_seeds))
        return GroupComparison(
            **_facts(one.group), effect=difference, verdict=verdict, reason=one.lack, more_seeds=more or None
        )
    verdict = _verdict(one.effect, adjusted=adjusted, alpha=protocol.alpha)
    more = _more(one, baseline=baseline, protocol=protocol, num=num) if verdict == "undecided" else None
    low, high = one.effect.interval(alpha=protocol.alpha)
    freedom = float(one.effect.degrees_of_freedom)
    return GroupComparison(
        **_facts(one.group),
        effect=difference,
        low=float(low),
        high=float(high),
        degrees_of_freedom=freedom if np.isfinite(freedom) else None,
        seed_error=float(np.sqrt(one.effect.seed_variance)),
        item_error=None if one.items is None else float(np.sqrt(one.items)),
        p=float(one.effect.p()),
        adjusted_p=adjusted[0],
        equivalence_p=adjusted[1],
        verdict=verdict,
        reason=one.lack or _undecided(more, verdict=verdict, how=how),
        more_seeds=more,
    )


def _verdict(effect: Effect, *, adjusted: tuple[float | None, float | None], alpha: float) -> Verdict:
    differs, same = adjusted
    if differs is None or same is None:
        return "undecided"
    if differs <= alpha:
        return "better" if effect.effect > 0 else "worse"
    return "equivalent" if same <= alpha else "undecided"


def _more(one: _Contrast, *, baseline: Group, protocol: Protocol, num: int) -> int | None:
    lacking = MIN_SEEDS - min(one.group.num_seeds, baseline.num_seeds)
    if lacking > 0:
        return lacking
    if one.lack:
        return None
    found = more_seeds(
        one.group.points_S(),
        baseline.points_S(),
        step=max(one.group.step, baseline.step),
        margin=protocol.margin,
        alpha=protocol.alpha / max(1, num),  # what Holm asks of the smallest of the p values
        item_variance=one.items or 0.0,
    )
    return int(found) if found <= MAX_MORE_SEEDS else None


def _undecided(more: int | None, *, verdict: Verdict, how: Callable[[int], str]) -> str:
    if verdict != "undecided":
        return ""
    if more is None:
        return (
            "the confidence interval contains both no effect and an effect larger than the margin, and "
            f"{MAX_MORE_SEEDS} more seeds would not be enough; score more items, or give a wider --margin"
        )
    return (
        "the confidence interval contains both no effect and an effect larger than the margin; about "
        f"{more} more seeds for each group would be enough; run: {how(more)}"
    )


def _facts(group: Group) -> dict[str, Any]:
    points_C, points_S = group.points_C(), group.points_S()
    return {
        "group": group.name,
        "num_trials": len(group.runs),
        "num_intermediate_seeds": group.num_intermediate_seeds,
        "num_checkpoints": points_C.size,
        "num_target_seeds": group.num_target_seeds,
        "mean": float(points_S.mean()) / POINTS,
        "seed_sd": float(points_S.std(ddof=1)) if points_S.size > 1 else None,
        "checkpoint_sd": float(points_C.std(ddof=1)) if points_C.size > 1 else None,
        "control_of": group.control_of,
        "trials": tuple(run.trial for run in group.runs),
    }


def _in_order(answers: Sequence[GroupComparison]) -> list[GroupComparison]:
    ranked = sorted(answers, key=lambda one: (-(one.effect or 0.0), one.group))
    names = {one.group for one in ranked}
    ordered: list[GroupComparison] = []
    for arm in ranked:
        if arm.control_of not in names:
            ordered += [arm, *(one for one in ranked if one.control_of == arm.group)]
    return ordered
