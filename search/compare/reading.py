"""The runs of a sweep's trials, from the record, with their items where the store has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from search.compare.runs import Run
from search.query import best
from search.record import Record, TrialRow
from trainables.config.frozen import content_key
from trainables.results import TrialResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainables.stage_store import StageStore

_EXACT = 1e-9
"""Items make up a score when their mean is the score but for rounding."""


class RunReader:
    """Reads the finished trials of one sweep.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        metric: `average`, `english`, `worst`, or a language code.
        store: Folder of the store; one that is missing, or a bucket, is not asked for items.
    """

    def __init__(self, record: Record, *, sweep: str, metric: str, store: str | None) -> None:
        self._record, self._sweep, self._metric = record, sweep, metric
        self._store = _open_store(store)
        finished = record.trials(sweep, states=("finished",))
        self.trials = {trial.number: trial for trial in finished if trial.set_aside is None}
        """Number -> trial, of those that finished."""
        at_rung = {(one.trial, one.rung): one for one in record.measurements(sweep)}
        self._results = {number: at_rung[number, trial.rung or 0] for number, trial in self.trials.items()}

    def runs(self, *, where: str | None = None) -> dict[int, Run]:
        """Return number -> run of the finished trials that meet an expression.

        Raises:
            FilterError: The metric or the expression is not understood.
        """
        top = max(1, len(self.trials))
        answers = best(self._record, sweep=self._sweep, top=top, metric=self._metric, where=where)
        return {one.trial: self._run(self.trials[one.trial], score=one.score) for one in answers if not one.set_aside}

    def _run(self, trial: TrialRow, *, score: float) -> Run:
        result = self._results[trial.number].trial_result
        own = {stage.phase: stage.key for stage in result.stages if not stage.further and not stage.is_trunk}
        lineage = own.get("evaluation", f"trial {trial.number}")
        target_seed = _seed(trial, "target") or 0
        intermediate_seed = _seed(trial, "intermediate")
        is_baseline = intermediate_seed is None
        shared = own.get("intermediate") or content_key({"intermediate": trial.config["intermediate"]})
        alone = own["target"] if "evaluation" in own and "target" in own else f"trial {trial.number}"
        return Run(
            trial=trial.number,
            checkpoint=alone if is_baseline else shared,
            lineage=lineage,
            intermediate_seed=target_seed if is_baseline else intermediate_seed,
            target_seed=target_seed,
            score=score,
            items_N=self.items(result, key=lineage, score=score),
        )

    def items(self, result: TrialResult, *, key: str, score: float) -> NDArray[np.float64] | None:
        """Return the mean over languages of whether each item was right; None where the store cannot tell.

        Args:
            result: What was scored.
            key: Of its evaluation stage.
            score: The metric, that the items have to add up to.
        """
        stage = self._store.find(key) if self._store and not key.startswith("trial") else None
        languages = _languages_of(self._metric, result.languages)
        if stage is None or not languages:
            return None
        from trainables.evaluation.correctness import FILE, read_correctness

        path = stage.folder / FILE
        found = read_correctness(path, languages=languages) if path.is_file() else None
        return found if found is not None and abs(float(found.mean()) - score) < _EXACT else None


def _languages_of(metric: str, known: Mapping[str, float]) -> Sequence[str]:
    """Return the languages whose mean a metric is; none for `worst`, which is no mean of items."""
    if metric == "average":
        return tuple(known)
    language = "en" if metric == "english" else metric
    return (language,) if language in known else ()


def _seed(trial: TrialRow, phase: str) -> int | None:
    work = trial.config.get(phase)
    seed = work.get("seed", 0) if isinstance(work, dict) else None
    return seed if isinstance(seed, int) else None


def _open_store(store: str | None) -> StageStore | None:
    if store is None or "://" in store:
        return None
    from trainables.stage_store import StageStore, is_there

    return StageStore(store, read_only=True) if is_there(store) else None


def tasks_name(names: Collection[str]) -> str:
    """Return what a set of intermediate tasks is called."""
    return " + ".join(sorted(names)) or "none"
