"""Does a family's effect hold for every encoder? The interaction of family and encoder, with interval and verdict.

The interaction is a difference of differences: the effect of a family against family `none` with one encoder, minus its
effect with another. Its four groups have seeds of their own, so their variances add; items are shared by all four, and
are drawn jointly. The model is that of docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.compare.comparison_result import Interaction, InteractionVerdict, Protocol
from search.compare.effects import Effect, estimate, has_spread, holm
from search.compare.groups import usual_baseline
from search.compare.items import contrast_variance, num_units
from search.compare.runs import Group
from search.compare.verdicts import MIN_SEEDS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One family with one encoder, beside the same family with the baseline encoder."""

    family: str
    encoder: str
    groups: tuple[Group, Group, Group, Group]
    """The family and the baseline family with this encoder, then both with the baseline encoder."""

    @property
    def effects(self) -> tuple[float, float]:
        """Effect with this encoder, and with the baseline encoder, in points."""
        means = [float(group.points_S().mean()) for group in self.groups]
        return means[0] - means[1], means[2] - means[3]


def interactions(
    groups: Mapping[str, Sequence[Group]], *, baseline: str, protocol: Protocol
) -> tuple[Interaction, ...]:
    """Return the interaction of each family with each encoder but the baseline, by family and encoder.

    A family counts for an encoder where it and `none` have finished trials with this encoder and with the baseline.

    Args:
        groups: Encoder -> its trials by family.
        baseline: The encoder that the others are compared with.
        protocol: Margin and chance of error; p values are adjusted over all interactions.
    """
    named = {encoder: {group.name: group for group in found} for encoder, found in groups.items()}
    base = named.get(baseline, {})
    none = usual_baseline(base)
    cells = [
        _Cell(family=family, encoder=encoder, groups=(found[family], found[none], base[family], base[none]))
        for family in base
        for encoder, found in named.items()
        if family != none and encoder != baseline and {family, none} <= found.keys() and none in base
    ]
    estimated = [(cell, _interaction(cell)) for cell in cells]
    deciding = [effect for cell, effect in estimated if effect is not None and not _lack(cell)]
    differs = iter(holm(np.array([float(one.p()) for one in deciding])))
    same = iter(holm(np.array([float(one.equivalence_p(margin=protocol.margin)) for one in deciding])))
    answers: list[Interaction] = []
    for cell, effect in estimated:
        decides = effect is not None and not _lack(cell)
        adjusted = (float(next(differs)), float(next(same))) if decides else None
        answers.append(_answer(cell, effect=effect, adjusted=adjusted, baseline=baseline, protocol=protocol))
    return tuple(answers)


def _interaction(cell: _Cell) -> Effect | None:
    """Return the difference of the two effects; None where seeds do not tell how far luck moves it."""
    points = [group.points_S() for group in cell.groups]
    if min(points_S.size for points_S in points) < 2:  # noqa: PLR2004  one value has no spread
        return None
    if not all(has_spread(one) or has_spread(other) for one, other in (points[:2], points[2:])):
        return None
    step = max(group.step for group in cell.groups)
    here, there = estimate(points[0], points[1], step=step), estimate(points[2], points[3], step=step)
    seeds = here.seed_variance + there.seed_variance
    items, num = _items(cell) or (0.0, np.inf)
    weight = sum(one.seed_variance**2 / one.degrees_of_freedom for one in (here, there)) + items**2 / max(1, num - 1)
    return Effect(
        effect=here.effect - there.effect,
        seed_variance=seeds,
        item_variance=np.asarray(items, dtype=np.float64),
        degrees_of_freedom=np.asarray((seeds + items) ** 2 / weight, dtype=np.float64),
    )


def _items(cell: _Cell) -> tuple[float, int] | None:
    """Return the variance from items, and the number of units that were drawn; None where items are not known."""
    known = [items_SN for group in cell.groups if (items_SN := group.items_SN()) is not None]
    if len(known) < len(cell.groups) or len({items_SN.shape[1] for items_SN in known}) != 1:
        return None
    units_N = cell.groups[0].units_N()
    others = [group.units_N() for group in cell.groups[1:]]
    if units_N is None or not all(other is not None and np.array_equal(other, units_N) for other in others):
        units_N = None
    variance = contrast_variance([known[0], known[3]], [known[1], known[2]], units_N=units_N)
    return variance, num_units(units_N, num_items=known[0].shape[1])


def _lack(cell: _Cell) -> str:
    fewest = min(group.num_seeds for group in cell.groups)
    if fewest >= MIN_SEEDS:
        return ""
    return (
        f"one of its four groups has {fewest} seeds, and a verdict needs at least {MIN_SEEDS}; add trials of this "
        f"family and of family {cell.groups[1].name} with other seeds, for both encoders"
    )


def _answer(
    cell: _Cell,
    *,
    effect: Effect | None,
    adjusted: tuple[float, float] | None,
    baseline: str,
    protocol: Protocol,
) -> Interaction:
    here, there = cell.effects
    if effect is None:
        reason = _lack(cell) or "all seeds of a family and of its baseline have the same score; score more items"
        return Interaction(
            family=cell.family,
            encoder=cell.encoder,
            baseline_encoder=baseline,
            effect=here,
            baseline_effect=there,
            difference=here - there,
            verdict="undecided",
            reason=reason,
        )
    low, high = effect.interval(alpha=protocol.alpha)
    verdict = _verdict(here - there, adjusted=adjusted, alpha=protocol.alpha)
    return Interaction(
        family=cell.family,
        encoder=cell.encoder,
        baseline_encoder=baseline,
        effect=here,
        baseline_effect=there,
        difference=here - there,
        low=float(low),
        high=float(high),
        degrees_of_freedom=float(effect.degrees_of_freedom),
        seed_error=float(np.sqrt(effect.seed_variance)),
        item_error=float(np.sqrt(effect.item_variance)) if _items(cell) is not None else None,
        p=float(effect.p()),
        adjusted_p=None if adjusted is None else adjusted[0],
        equivalence_p=None if adjusted is None else adjusted[1],
        verdict=verdict,
        reason=_reason(cell, verdict=verdict),
    )


def _verdict(difference: float, *, adjusted: tuple[float, float] | None, alpha: float) -> InteractionVerdict:
    if adjusted is None:
        return "undecided"
    differs, same = adjusted
    if differs <= alpha:
        return "larger" if difference > 0 else "smaller"
    return "same" if same <= alpha else "undecided"


def _reason(cell: _Cell, *, verdict: InteractionVerdict) -> str:
    if verdict != "undecided":
        return ""
    return _lack(cell) or (
        "the interval contains both no difference and one larger than the margin; add trials with other seeds for both "
        "encoders, or give a wider --margin"
    )
