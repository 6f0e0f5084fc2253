"""Reads the runs of a sweep's trials from the record, and the scores of their items from the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from search.compare.luck import SeededPhase, seeds_of, shared_luck
from search.compare.runs import Run
from search.query import scores
from search.query.benchmark_ranking import Unranked, rank_on_benchmark
from search.record import Record, TrialRow
from spaces.objectives import BENCHMARKS
from trainables.config import TrialConfig
from trainables.config.frozen import content_key
from trainables.errors import StoreUnusableError
from trainables.results import TrialResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainables.stage_store import StageStore

_EXACT = 1e-9
"""Largest difference between a score and the mean of its items, from rounding."""


class RunReader:
    """Reads the finished trials of one sweep.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        metric: `average`, `english`, `worst`, a language code, or a benchmark for its average.
        store: Folder of the store, or URL of its bucket; one that is missing is not asked for items.
        downloads: Folder for downloads from a bucket; None: a folder in the user's cache.
    """

    def __init__(
        self, record: Record, *, sweep: str, metric: str, store: str | None, downloads: Path | None = None
    ) -> None:
        self._record, self._sweep, self._metric = record, sweep, metric
        self.why_no_items = ""
        """Why the items of a trial are not known: the first reason that was met; empty where all are known."""
        self.unranked: tuple[Unranked, ...] = ()
        """Trials that have no average on the benchmark that is the metric, by what they lack."""
        self._store = self._open_store(store, downloads=downloads)
        self._files: dict[str, Path | None] = {}
        finished = record.trials(sweep, states=("finished",))
        self.trials = {trial.number: trial for trial in finished if trial.set_aside is None}
        """Number -> trial, of those that finished and are not excluded."""
        configs = [trial.trial_config for trial in self.trials.values()]
        self._luck = _Luck(configs, with_further=self._metric in BENCHMARKS)
        self._results = record.last_measurements(sweep)

    def runs(self, *, where: str | None = None) -> dict[int, Run]:
        """Return number -> run of the finished trials that meet an expression.

        Raises:
            FilterError: The metric or the expression is wrong.
        """
        found = self._scores(where)
        known = self.trials.keys() & found.keys()  # a trial may have finished since the trials were read
        return {number: self._run(self.trials[number], score=found[number]) for number in found if number in known}

    def _scores(self, where: str | None) -> Mapping[int, float]:
        if self._metric not in BENCHMARKS:
            return scores(self._record, sweep=self._sweep, metric=self._metric, where=where)
        ranking = rank_on_benchmark(self._record, sweep=self._sweep, benchmark=self._metric, where=where)
        self.unranked = tuple(dict.fromkeys((*self.unranked, *ranking.unranked)))
        return {trial.trial: trial.score for trial in ranking.ranked if trial.set_aside is None}

    def _run(self, trial: TrialRow, *, score: float) -> Run:
        result = self._results[trial.number].trial_result
        own = {stage.phase: stage.key for stage in result.stages if not stage.further and not stage.is_trunk}
        lineage = own.get("evaluation", f"trial {trial.number}")
        config = trial.trial_config
        target_seed = self._luck.of(config, phase="target") or 0
        intermediate_seed = self._luck.of(config, phase="intermediate")
        is_baseline = intermediate_seed is None
        shared = own.get("intermediate") or content_key({"intermediate": trial.config["intermediate"]})
        alone = own["target"] if "evaluation" in own and "target" in own else f"trial {trial.number}"
        run = Run(
            trial=trial.number,
            checkpoint=alone if is_baseline else shared,
            lineage=lineage,
            intermediate_seed=target_seed if is_baseline else intermediate_seed,
            target_seed=target_seed,
            score=score,
        )
        return self.scored(run, result=result, key=lineage, score=score)

    def scored(self, run: Run, *, result: TrialResult, key: str, score: float) -> Run:
        """Return a run with what it scored, with its items where the store can tell them.

        Args:
            run: The run.
            result: What was scored.
            key: Of its evaluation stage.
            score: The metric, that the items have to add up to.
        """
        languages = _languages_of(self._metric, result.languages)
        num_scored = result.num_items * max(1, len(languages))
        items_N, units_N = self._items(key, languages=languages, score=score)
        return replace(run, lineage=key, score=score, items_N=items_N, units_N=units_N, num_scored=num_scored)

    def _items(
        self, key: str, *, languages: Sequence[str], score: float
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None]:
        """Return the mean over languages of whether each item was right, and its unit; None where nothing tells."""
        if not languages:
            self._miss(f"the metric {self._metric!r} is not a mean over items")
            return None, None
        path = self._file(key)
        if path is None:
            return None, None
        from trainables.evaluation.correctness import read_correctness, read_units

        found = read_correctness(path, languages=languages)
        if found is None or abs(float(found.mean()) - score) >= _EXACT:
            self._miss("the languages' items are not parallel, or the score is not the share of right items")
            return None, None
        units_N = read_units(path, language=languages[0])
        return found, units_N

    def _file(self, key: str) -> Path | None:
        """Return the file of an evaluation's predictions, from a bucket once; None where the store has none."""
        if key not in self._files:
            self._files[key] = self._find(key)
        return self._files[key]

    def _find(self, key: str) -> Path | None:
        from trainables.evaluation.correctness import FILE

        if self._store is None:
            return None
        if key.startswith("trial"):
            self._miss("the record does not name the evaluation stage of every trial")
            return None
        try:
            stage = self._store.find(key)
        except StoreUnusableError as error:  # said in the comparison; the next trial would wait as long for nothing
            self._miss(str(error))
            self._store = None
            return None
        path = None if stage is None else stage.folder / FILE
        if path is None or not path.is_file():
            self._miss(f"the store {self._store.url!r} does not have the predictions of every trial")
            return None
        return path

    def _open_store(self, store: str | None, *, downloads: Path | None) -> StageStore | None:
        if store is None:
            self._miss("no store is given")
            return None
        from trainables.stage_store import StageStore, is_there

        if not is_there(store):
            self._miss(f"there is no store at {store!r}")
            return None
        try:
            return StageStore(store, cache=downloads, read_only=True)
        except StoreUnusableError as error:  # said in the comparison, which the record is enough for
            self._miss(str(error))
            return None

    def _miss(self, why: str) -> None:
        self.why_no_items = self.why_no_items or why


def _languages_of(metric: str, known: Mapping[str, float]) -> Sequence[str]:
    """Return the languages that a metric is the mean of; none for `worst`, which is not a mean of items."""
    if metric == "average":
        return tuple(known)
    language = "en" if metric == "english" else metric
    return (language,) if language in known else ()


class _Luck:
    """The seed whose luck each trial has. Trials share luck within their kind: single runs, averages, or merges.

    A single run of seed 3 is also in an average of seeds 0 to 4; but the two are in different groups, and groups are
    compared as if they were independent (docs/decisions/0014).
    """

    def __init__(self, configs: Sequence[TrialConfig], *, with_further: bool) -> None:
        self._with_further = with_further
        kinds: dict[tuple[SeededPhase, str], list[frozenset[int]]] = {}
        for config in configs:
            for phase in get_args(SeededPhase):
                kinds.setdefault((phase, _kind(config, phase=phase)), []).append(self._seeds_of(config, phase=phase))
        self._lowest = {kind: shared_luck(seeds) for kind, seeds in kinds.items()}

    def of(self, config: TrialConfig, *, phase: SeededPhase) -> int | None:
        """Return the lowest seed whose luck a trial shares in a phase; None without the phase."""
        seeds = self._seeds_of(config, phase=phase)
        return self._lowest[phase, _kind(config, phase=phase)][min(seeds)] if seeds else None

    def _seeds_of(self, config: TrialConfig, *, phase: SeededPhase) -> frozenset[int]:
        return seeds_of(config, phase=phase, with_further=self._with_further)


def _kind(config: TrialConfig, *, phase: SeededPhase) -> str:
    """Return what the trials of a kind have in common: how weights are combined, and of which tasks."""
    work = config.intermediate if phase == "intermediate" else config.target
    if work is None or (work.merge is None and work.average is None):
        return ""
    average = work.average.model_dump_json() if work.average else ""
    return f"{'merge' if work.merge else ''} {average} {tasks_name(work.mixture)}"


def tasks_name(names: Collection[str]) -> str:
    """Return the name of a set of intermediate tasks."""
    return " + ".join(sorted(names)) or "none"
