"""Decides which trials are promoted to the next rung, from the scores on record."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from search.pruner import make_pruner
from search.record import Curve, Record, TrialRow
from search.sampler import is_promoted_by_sampler
from search.scheduling.stage_demand import Plans
from spaces.sweep_spec import SweepSpec

_EXACT = 1e-9
"""Largest difference between a score and the mean of its items: only rounding."""

Decision = Literal["promote", "prune", "wait"]
"""`wait`: in fixed order, a trial with a lower number is not measured at this rung yet."""


class Promotion:
    """Decides on promotions in one sweep.

    In order of completion, a trial is compared with all trials measured so far. In fixed order, it is compared with the
    trials of lower numbers, after each of them was measured at its rung or ended below it; so timing has no influence.
    A trial that waits for this holds no device. It waits only for lower numbers, so the lowest running trial never
    waits.

    Args:
        record: Holds the scores.
        name: Name of the sweep.
        spec: The sweep's spec.
        plans: Reads the score of each evaluated item, for a pruner that compares items in pairs.
    """

    def __init__(self, record: Record, *, name: str, spec: SweepSpec, plans: Plans) -> None:
        self._record, self._name, self._spec, self._plans = record, name, spec, plans
        self._pruner = make_pruner(spec)

    def decide(self, trial: TrialRow, *, rung: int) -> Decision:
        """Return whether a trial that was measured at a rung below the last is promoted, is pruned, or waits."""
        if self._pruner is None or is_promoted_by_sampler(trial.sampler, rung=rung):
            return "promote"
        with_languages = self._spec.pruner.name == "wilcoxon"
        measured = self._record.curves(self._name, last_rung=self._spec.rungs.last, with_languages=with_languages)
        curves = {curve.number: curve for curve in measured}
        others = [curve for number, curve in curves.items() if number != trial.number]
        if self._spec.order == "fixed":
            if not self._is_decidable(trial, rung=rung, curves=curves):
                return "wait"
            others = [curve for curve in others if curve.number < trial.number]
        curve = curves[trial.number]
        scores = {at: score for at, score in curve.scores.items() if at <= rung}
        known = replace(curve, scores=scores, is_finished=False)
        if with_languages:
            known, *others = (self._with_items(each, rung=rung) for each in (known, *others))
        return "prune" if self._pruner.is_pruned(known, others=others) else "promote"

    def _with_items(self, curve: Curve, *, rung: int) -> Curve:
        key = curve.evaluations.get(rung)
        items = self._plans.items(key, languages=tuple(curve.languages[rung])) if key else ()
        is_score = bool(items) and abs(math.fsum(items) / len(items) - curve.scores[rung]) < _EXACT
        return replace(curve, items={rung: items} if is_score else {})

    def _is_decidable(self, trial: TrialRow, *, rung: int, curves: dict[int, Curve]) -> bool:
        unfinished = self._record.trials(self._name, states=("proposed", "running", "interrupted"))
        # An excluded trial does not run again, and no pruner sees it.
        before = [other.number for other in unfinished if other.number < trial.number and other.set_aside is None]
        return all(number in curves and rung in curves[number].scores for number in before)
