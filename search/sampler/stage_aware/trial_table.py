"""Columns of a sweep's trials: a proposal asks about every trial of a history, which can have 100,000 of them.

What is known of a trial is computed once and kept while the trial is the same object. A call looks for the trials that
are other objects than before, and computes the rest with numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any  # columns of numpy arrays

import numpy as np

from search.sampler.contract import PastTrial
from search.sampler.stage_aware.labels import Labels, PartKey, text_of
from spaces.space.tree import Assignment

_COLUMNS: dict[str, Any] = {
    "number": np.int64,
    "rung": np.int32,
    "score": np.float64,
    "counts": np.bool_,
    "is_scored": np.bool_,
    "is_pruned": np.bool_,
    "text": np.int64,
    "part": np.int64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Configurations of some trials."""

    num: int
    _ids: dict[str, int]
    _is_tried: np.ndarray

    def __contains__(self, text: str) -> bool:
        """Return whether the configuration with this text is one of them."""
        known = self._ids.get(text)
        return known is not None and bool(self._is_tried[known])


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownParts:
    """Intermediate configurations of earlier trials."""

    num: int
    bases: list[Assignment]
    """A configuration of each, the best ones first; a limited number of them."""
    _ids: dict[PartKey, int]
    _is_known: np.ndarray

    def __contains__(self, key: PartKey) -> bool:
        """Return whether an intermediate configuration is one of them."""
        known = self._ids.get(key)
        return known is not None and bool(self._is_known[known])


class TrialTable:
    """The trials of a history, by number. Failed ones do not count.

    Args:
        labels: Identify configurations and their parts.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._clear()

    def _clear(self) -> None:
        self._trials: list[PastTrial] = []
        self._rows: dict[int, int] = {}
        self._columns: dict[str, np.ndarray] = {name: np.zeros(64, kind) for name, kind in _COLUMNS.items()}
        self._texts: dict[str, int] = {}
        self._parts: dict[PartKey, int] = {}

    def update(self, history: Sequence[PastTrial]) -> None:
        """Take the trials of a history, in any order, in place of those that were there.

        Raises:
            ConfigError: A trial's assignment is not in the space.
        """
        rows, trials = self._rows, self._trials
        changed = [one for one in history if (row := rows.get(one.number)) is None or trials[row] is not one]
        changed.sort(key=lambda one: one.number)
        new = [one for one in changed if one.number not in rows]
        has_gone = len(trials) + len(new) != len(history)
        if has_gone or (trials and new and new[0].number < trials[-1].number):
            self._clear()
            changed = sorted(history, key=lambda one: one.number)
        try:
            for one in changed:
                self._put(one)
        except BaseException:
            self._clear()
            raise

    def _put(self, trial: PastTrial) -> None:
        row = self._rows.setdefault(trial.number, len(self._trials))
        if row == len(self._trials):
            self._trials.append(trial)
        if row >= len(self._columns["number"]):
            self._columns = {name: np.concatenate([one, np.zeros_like(one)]) for name, one in self._columns.items()}
        self._trials[row] = trial
        counts, is_scored = trial.state != "failed", trial.state in {"finished", "pruned"} and trial.score is not None
        values = {
            "number": trial.number,
            "rung": trial.rung,
            "score": trial.score or 0.0,
            "counts": counts,
            "is_scored": is_scored,
            "is_pruned": trial.state == "pruned",
            "text": self._texts.setdefault(text_of(trial.assignment), len(self._texts)) if counts else 0,
            "part": self._part(trial.assignment) if counts else 0,
        }
        for name, value in values.items():
            self._columns[name][row] = value

    def _part(self, assignment: Assignment) -> int:
        return self._parts.setdefault(self._labels.intermediate_key(assignment), len(self._parts))

    def __iter__(self) -> Iterator[PastTrial]:
        """Return the trials that count, by number."""
        return (self._trials[row] for row in self._counted())

    @property
    def num(self) -> int:
        """How many trials count."""
        return int(np.count_nonzero(self._column("counts")))

    def num_full(self, last_rung: int) -> int:
        """Return how many of the sweep's own trials have a score at the last rung."""
        at_last = self._column("is_scored") & (self._column("rung") == last_rung)
        return int(np.count_nonzero(at_last & (self._column("number") >= 0)))

    def running(self) -> list[PastTrial]:
        """Return the trials that have not ended, by number."""
        rows = np.nonzero(self._column("counts") & ~self._column("is_scored"))[0]
        trials = [self._trials[row] for row in rows]
        return [one for one in trials if one.state not in {"finished", "pruned"}]

    def to_learn_from(self, most: int) -> list[PastTrial]:
        """Return the trials with a score, by number; of more than `most`, the best half and the last half of `most`."""
        rows = np.nonzero(self._column("is_scored"))[0]
        if len(rows) > most:
            rows = np.union1d(self._best(rows, num=most // 2), rows[-(most // 2) :])
        return [self._trials[row] for row in rows]

    def _best(self, rows: np.ndarray, *, num: int) -> np.ndarray:
        """Return the rows with the highest rung, of these those with the best score, and of equal ones the first."""
        rung, score = self._column("rung")[rows], self._column("score")[rows]
        least_rung = np.partition(rung, len(rung) - num)[len(rung) - num]
        num_above = int(np.count_nonzero(rung > least_rung))
        at_least = score[rung == least_rung]
        place = len(at_least) - (num - num_above)
        near = (rung > least_rung) | ((rung == least_rung) & (score >= np.partition(at_least, place)[place]))
        rows, rung, score = rows[near], rung[near], score[near]
        return rows[np.lexsort((self._column("number")[rows], -score, -rung))[:num]]

    def tried(self) -> Tried:
        """Return the configurations of all trials: they are not proposed as new ones."""
        return self._among(self._counted())

    def pruned(self, trials: Sequence[PastTrial]) -> list[PastTrial]:
        """Return those of the sweep's trials that were pruned and can be continued, by configuration the furthest.

        A pruned trial can be when the sweep has twice as many trials: until then, others are tried first.
        """
        rows = self._counted()
        others = self._among(rows[~self._column("is_pruned")[rows]])
        early = {int(number) for number in self._column("number")[rows[: len(rows) // 2]]}
        found: dict[str, PastTrial] = {}
        for one in trials:
            text = text_of(one.assignment)
            is_ended = one.state == "pruned" and one.number >= 0 and one.number in early and text not in others
            if is_ended and (text not in found or one.rung > found[text].rung):
                found[text] = one
        return list(found.values())

    def _among(self, rows: np.ndarray) -> Tried:
        is_tried = np.zeros(len(self._texts), np.bool_)
        is_tried[self._column("text")[rows]] = True
        return Tried(num=int(np.count_nonzero(is_tried)), _ids=self._texts, _is_tried=is_tried)

    def known_parts(self, by_mean: Sequence[Assignment], *, most: int) -> KnownParts:
        """Return the intermediate configurations of the trials that count.

        Args:
            by_mean: Configurations of trials, those with the highest predicted mean first.
            most: How many of them have a configuration in `bases`: those of `by_mean`, then those of the first trials.
        """
        rows = self._counted()
        parts = self._column("part")[rows]
        is_known = np.zeros(len(self._parts), np.bool_)
        is_known[parts] = True
        num = int(np.count_nonzero(is_known))
        bases: dict[int, Assignment] = {}
        for one in by_mean:
            bases.setdefault(self._part(one), one)
        if len(bases) < min(most, num):
            for first in np.sort(np.unique(parts, return_index=True)[1]):
                bases.setdefault(int(parts[first]), self._trials[rows[first]].assignment)
        return KnownParts(num=num, bases=list(bases.values())[:most], _ids=self._parts, _is_known=is_known)

    def _counted(self) -> np.ndarray:
        return np.nonzero(self._column("counts"))[0]

    def _column(self, name: str) -> np.ndarray:
        return self._columns[name][: len(self._trials)]
