"""Selects the trials of a long history that TPE learns from.

TPE (Bergstra et al. 2011, NeurIPS) splits its trials into the best ones, at most 25 in Optuna, and the others, and
models each set. Its cost grows with the number of the others, and after some hundreds more of them add little. So TPE
learns from the best trials, the best of each family (a conditional space models each family on its own), the last
trials, and all running ones. `benchmarks/record.py --regret` compares this with TPE over the whole history.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from search.sampler.contract import PastTrial
from spaces.objectives import unbeaten
from spaces.space.tree import FAMILY_PATH

NUM_BEST = 100
NUM_BEST_OF_FAMILY = 25
"""The largest number of trials that Optuna counts as the best."""
NUM_LAST = 400

_NUMBER = attrgetter("number")


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
    in_order = sorted(history, key=_NUMBER)
    ended = [trial for trial in in_order if trial.state in {"finished", "pruned"}]
    kept = [trial for trial in in_order if trial.state not in {"finished", "pruned", "failed"}]
    kept += [*ended[-num_last:], *_best(ended), *_unbeaten(ended)]
    return list({trial.number: trial for trial in kept}.values())


def _best(ended: Sequence[PastTrial]) -> list[PastTrial]:
    """Return the best trials, and the best of each family."""
    families: dict[str, list[PastTrial]] = defaultdict(list)
    for trial in ended:
        families[str(trial.assignment.get(FAMILY_PATH))].append(trial)
    best_of = [_first_in_rank(of_family, num=NUM_BEST) for of_family in families.values()]
    # The best of all are among the best of each. Equal trials keep the order of their numbers.
    all_of_them = sorted(itertools.chain.from_iterable(best_of), key=_NUMBER)
    few = (trials[:NUM_BEST_OF_FAMILY] for trials in best_of)
    return [*_first_in_rank(all_of_them, num=NUM_BEST), *itertools.chain.from_iterable(few)]


def _first_in_rank(ended: Sequence[PastTrial], *, num: int) -> list[PastTrial]:
    """Return the best trials as Optuna ranks them: finished before pruned, pruned by rung, then score, then number."""
    # A finished trial without a score comes first: it is kept, and then refused where studies are rebuilt.
    finished = [trial for trial in ended if trial.state == "finished"]
    best = heapq.nlargest(num, finished, key=lambda trial: math.inf if trial.score is None else trial.score)
    if len(best) == num:
        return best
    pruned = [trial for trial in ended if trial.state == "pruned"]
    return best + heapq.nlargest(num - len(best), pruned, key=_pruned_rank)


def _pruned_rank(trial: PastTrial) -> tuple[int, float]:
    return trial.rung, -math.inf if trial.score is None else trial.score


def _unbeaten(ended: Sequence[PastTrial]) -> list[PastTrial]:
    several = [trial for trial in ended if trial.values]
    return [several[place] for place in unbeaten([trial.values for trial in several])]
