"""Which trials of a long history TPE learns from.

TPE (Bergstra et al. 2011, NeurIPS) splits the trials it sees into the best, at most 25 in Optuna, and the others, and
models each set. Its cost grows with the others, and says little new after some hundreds. So it is given the best
trials, those of each family, which a conditional space models apart, the last ones, and all that run.
`benchmarks/record.py --regret` compares it with TPE over everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from search.sampler.contract import PastTrial
from spaces.tree import FAMILY_PATH

NUM_BEST = 100
NUM_BEST_OF_FAMILY = 25
"""As many as Optuna takes for the best at most."""
NUM_LAST = 400

_RANKS = {"finished": 1, "pruned": 0}


def window(history: Sequence[PastTrial], *, num_startup: int) -> Sequence[PastTrial]:
    """Return the trials of a history that TPE is to see; all of a short one. A pure function, in no order.

    Args:
        history: Past trials, each number once.
        num_startup: Ended trials before TPE learns; as many are always kept.
    """
    num_last = max(NUM_LAST, num_startup)
    if len(history) <= num_last + NUM_BEST:
        return history
    ended = [trial for trial in history if trial.state in _RANKS]
    kept = {trial.number: trial for trial in history if trial.state not in _RANKS and trial.state != "failed"}
    kept |= {trial.number: trial for trial in heapq.nlargest(num_last, ended, key=_number)}
    kept |= {trial.number: trial for trial in heapq.nlargest(NUM_BEST, ended, key=_goodness)}
    families: dict[str, list[PastTrial]] = {}
    for trial in ended:
        families.setdefault(str(trial.assignment.get(FAMILY_PATH)), []).append(trial)
    for trials in families.values():
        kept |= {trial.number: trial for trial in heapq.nlargest(NUM_BEST_OF_FAMILY, trials, key=_goodness)}
    return list(kept.values())


def _number(trial: PastTrial) -> int:
    return trial.number


def _goodness(trial: PastTrial) -> tuple[int, int, float, int]:
    """Order trials as Optuna does: finished before pruned, these by rung, then by score; the earlier of equals."""
    rank = _RANKS[trial.state]
    score = trial.score if trial.score is not None else float("-inf")
    return rank, 0 if rank else trial.rung, score, -trial.number
