"""What the lower rungs of a sweep say of groups that have too few finished trials for a verdict.

A score at a lower rung is that of a shorter training, so it is a hint and no verdict: the order of groups can change
until the last rung, and no interval is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from search.compare.groups import family_name, task_group_name
from search.compare.runs import POINTS
from search.record import Record, SweepRow, TrialRow
from trainables.number_words import number_of


def lower_rung_notes(record: Record, sweep: SweepRow, *, by: str, baseline: str, decided: Collection[str]) -> list[str]:
    """Return one sentence for each group without a verdict that was measured at a rung below the last.

    Args:
        record: Holds the sweep.
        sweep: The sweep.
        by: What defines a group: `family` or `task`; others have no sentences.
        baseline: Name of the baseline.
        decided: Names of the groups that have a verdict.
    """
    last = sweep.rungs.last
    if not last or by not in {"family", "task"}:
        return []
    trials = {trial.number: trial for trial in record.trials(sweep.name) if trial.set_aside is None}
    measured: dict[str, dict[int, list[float]]] = {}
    for curve in record.curves(sweep.name, last_rung=last):
        for rung, score in curve.scores.items():
            if curve.number in trials:
                of_group = measured.setdefault(_name(trials[curve.number], by=by), {})
                of_group.setdefault(rung, []).append(score)
    names = sorted(measured.keys() - {baseline} - set(decided))
    return [text for name in names if (text := _sentence(name, measured=measured, baseline=baseline, last=last))]


def _name(trial: TrialRow, *, by: str) -> str:
    return family_name(trial) if by == "family" else task_group_name(trial)


def _sentence(
    name: str, *, measured: Mapping[str, Mapping[int, Sequence[float]]], baseline: str, last: int
) -> str | None:
    """Return the effect at the highest rung below the last where both were measured; None if there is none."""
    arm, base = measured[name], measured.get(baseline, {})
    both = [rung for rung in arm if rung < last and rung in base]
    if not both:
        return None
    rung = max(both)
    effect = POINTS * (fmean(arm[rung]) - fmean(base[rung]))
    num_full = len(arm.get(last, ()))
    full = f"{num_full} trials of {name}" if num_full != 1 else f"one trial of {name}"
    return (
        f"{full} reached the last rung; at rung {rung} of 0 to {last}, {name} scores {effect:+.2f} points against "
        f"{baseline} (means of {len(arm[rung])} and {number_of(len(base[rung]), 'trial')} of shorter training)"
    )
