"""Groups beside a baseline, with verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any  # Any: fields that the model checks

import numpy as np

from search.compare.answers import GroupComparison, Protocol, Verdict
from search.compare.estimating import MAX_MORE_SEEDS, Effect, estimate, holm, more_seeds
from search.compare.items import item_variance
from search.compare.runs import POINTS, Group

MIN_SEEDS = 3
"""Intermediate seeds below which nothing is concluded: two give one degree of freedom, a t of 12.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast:
    """An arm against the baseline, before p values are adjusted over arms."""

    group: Group
    effect: Effect | None
    """None where a group has a single checkpoint."""
    items: float | None
    """Variance of the effect from items."""
    lack: str
    """Why nothing can be concluded; empty where something can."""


def compare_groups(
    arms: Sequence[Group], *, baseline: Group, protocol: Protocol, how: Callable[[int], str]
) -> tuple[GroupComparison, ...]:
    """Return the baseline, then the arms from the largest effect down, each followed by its controls.

    Args:
        arms: What is held against the baseline.
        baseline: At least one run.
        protocol: Margin, chance of error.
        how: Gives the command that adds a number of seeds.
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
    arm_C, baseline_C = arm.points_C(), baseline.points_C()
    if min(arm_C.size, baseline_C.size) < 2:  # noqa: PLR2004  one value has no spread
        return _Contrast(group=arm, effect=None, items=None, lack=lack)
    arm_CN, baseline_CN = arm.items_CN(), baseline.items_CN()
    if arm_CN is None or baseline_CN is None or arm_CN.shape[1] != baseline_CN.shape[1]:
        return _Contrast(group=arm, effect=estimate(arm_C, baseline_C), items=None, lack=lack)
    items = item_variance(arm_CN, baseline_CN)
    effect = estimate(arm_C, baseline_C, item_variance=items, item_freedom=arm_CN.shape[1] - 1)
    return _Contrast(group=arm, effect=effect, items=items, lack=lack)


def _lack(group: Group, *, how: Callable[[int], str]) -> str:
    if group.num_seeds >= MIN_SEEDS:
        return ""
    missing = MIN_SEEDS - group.num_seeds
    seeds = "seed" if group.num_seeds == 1 else "seeds"
    return (
        f"{group.name} has {group.num_seeds} intermediate {seeds}, and at least {MIN_SEEDS} are needed to tell an "
        f"effect from luck; run: {how(missing)}"
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
    found = more_seeds(
        one.group.points_C(),
        baseline.points_C(),
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
            f"the interval holds both no effect and one beyond the margin, and {MAX_MORE_SEEDS} more seeds would not "
            "decide; score more items, or give a wider --margin"
        )
    return (
        f"the interval holds both no effect and one beyond the margin; about {more} more seeds each would decide: "
        f"{how(more)}"
    )


def _facts(group: Group) -> dict[str, Any]:
    points_C = group.points_C()
    return {
        "group": group.name,
        "num_trials": len(group.runs),
        "num_intermediate_seeds": group.num_seeds,
        "num_checkpoints": points_C.size,
        "num_target_seeds": len({run.target_seed for run in group.runs}),
        "mean": float(points_C.mean()) / POINTS,
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
