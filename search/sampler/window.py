"""Selects the trials of a long history that TPE learns from.

TPE (Bergstra et al. 2011, NeurIPS) splits its trials into the best ones, at most 25 in Optuna, and the others, and
models each set. Its cost grows with the number of the others, and after some hundreds more of them add little. So TPE
learns from the best trials, the best of each family (a conditional space models each family on its own), the last
trials, and all running ones. `benchmarks/record.py --regret` compares this with TPE over the whole history.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from operator import attrgetter

from search.sampler.contract import PastTrial
from spaces.objectives import unbeaten
from spaces.space.tree import FAMILY_PATH

NUM_BEST = 100
NUM_BEST_OF_FAMILY = 25
"""The largest number of trials that Optuna counts as the best."""
NUM_LAST = 400


def window(history: Sequence[PastTrial], *, num_startup: int) -> Sequence[PastTrial]:
    """Return the trials of a history that TPE learns from, in no particular order; all trials of a short history. Pure.

    With several objectives the first one orders the trials, and the Pareto front is kept too.

    Args:
        history: Past trials, each number once.
        num_startup: Ended trials before TPE learns; at least this many of the last ones are kept.
    """
    num_last = max(NUM_LAST, num_startup)
    if len(history) <= num_last + NUM_BEST:
        return history
    in_order = sorted(history, key=attrgetter("number"))
    ended = [trial for trial in in_order if trial.state in {"finished", "pruned"}]
    best = _best_first(ended)
    kept = [trial for trial in in_order if trial.state not in {"finished", "pruned", "failed"}]
    kept += [*ended[-num_last:], *best[:NUM_BEST], *_best_of_families(best), *_unbeaten(ended)]
    return list({trial.number: trial for trial in kept}.values())


def _best_first(ended: Sequence[PastTrial]) -> list[PastTrial]:
    """Order trials as Optuna does: finished before pruned ones, pruned ones by rung, then by score, then by number."""
    # The sort is stable. Sorting by one key after the other is several times faster than by a tuple of keys.
    finished = [trial for trial in ended if trial.state == "finished"]
    pruned = [trial for trial in ended if trial.state == "pruned"]
    # A finished trial without a score comes first: it is kept, and then refused where studies are rebuilt.
    finished.sort(key=lambda trial: float("inf") if trial.score is None else trial.score, reverse=True)
    pruned.sort(key=lambda trial: float("-inf") if trial.score is None else trial.score, reverse=True)
    pruned.sort(key=attrgetter("rung"), reverse=True)
    return finished + pruned


def _unbeaten(ended: Sequence[PastTrial]) -> list[PastTrial]:
    several = [trial for trial in ended if trial.values]
    return [several[place] for place in unbeaten([trial.values for trial in several])]


def _best_of_families(best: Sequence[PastTrial]) -> list[PastTrial]:
    families = [trial.assignment.get(FAMILY_PATH) for trial in best]
    kept: list[PastTrial] = []
    for family in set(map(str, families)):
        of_family = (trial for trial, its in zip(best, families, strict=True) if its == family)
        kept += itertools.islice(of_family, NUM_BEST_OF_FAMILY)
    return kept
