"""Whether a trial climbs to the next rung, from what the record has of all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from search.pruner import make_pruner
from search.record import Curve, Record, TrialRow
from search.scheduling.planning import Plans
from spaces.sweep_spec import SweepSpec

_EXACT = 1e-9
"""Items make up a score when their mean is the score but for rounding."""

Decision = Literal["climb", "prune", "wait"]
"""`wait`: in fixed order, a trial before it has not been measured at its rung and may still be."""


class Promotion:
    """Decides for the trials of one sweep.

    In order of completion a trial is compared with whatever is measured. In fixed order it is compared with the trials
    before it, each measured at its rung or ended below it, so that timing decides nothing. Who waits holds no device,
    and waits for lower numbers only: the lowest that runs never waits.

    Args:
        record: Holds what they scored.
        name: The sweep's name.
        spec: The sweep's spec.
        plans: Read what trials said of the items that they were scored on, for a pruner that pairs them.
    """

    def __init__(self, record: Record, *, name: str, spec: SweepSpec, plans: Plans) -> None:
        self._record, self._name, self._spec, self._plans = record, name, spec, plans
        self._pruner = make_pruner(spec)

    def decide(self, trial: TrialRow, *, rung: int) -> Decision:
        """Return what becomes of a trial that was measured at a rung below the last."""
        if self._pruner is None:
            return "climb"
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
            known, *others = (self._with_items(one, rung=rung) for one in (known, *others))
        return "prune" if self._pruner.is_pruned(known, others=others) else "climb"

    def _with_items(self, curve: Curve, *, rung: int) -> Curve:
        key = curve.evaluations.get(rung)
        items = self._plans.items(key, languages=tuple(curve.languages[rung])) if key else ()
        is_score = bool(items) and abs(math.fsum(items) / len(items) - curve.scores[rung]) < _EXACT
        return replace(curve, items={rung: items} if is_score else {})

    def _is_decidable(self, trial: TrialRow, *, rung: int, curves: dict[int, Curve]) -> bool:
        unfinished = self._record.trials(self._name, states=("proposed", "running", "interrupted"))
        before = [one.number for one in unfinished if one.number < trial.number]
        return all(number in curves and rung in curves[number].scores for number in before)
