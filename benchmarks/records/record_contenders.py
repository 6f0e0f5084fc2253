"""The contenders of `record.py`; each runs in its own process.

    python -m records.record_contenders SIDE VERB FOLDER TRIALS     # with benchmarks/ on PYTHONPATH

Prints one JSON object: the seconds of each repetition, after imports, and the largest memory of the process. Each side
is used as its documentation shows. A side that has no way to do something is left out.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol  # the vendors are untyped

from records.made_trials import NAME, MadeTrial, make_trials, spec_of

NUM_RESULTS = 200
NUM_SUGGESTIONS = 30

Seconds = list[float]


class Contender(Protocol):
    """One way to keep trials."""

    def build(self, trials: list[MadeTrial], folder: Path) -> None:
        """Write all trials as finished ones, in the fastest way that the side has."""
        ...

    def best(self, folder: Path) -> Seconds:
        """Open the trials, and find the best configuration."""
        ...

    def table(self, folder: Path) -> Seconds:
        """Open the trials, and build a table of all of them with scores and parameters."""
        ...

    def result(self, folder: Path) -> Seconds:
        """Store the last result of one trial durably, many times."""
        ...

    def suggest(self, folder: Path) -> Seconds:
        """Open the trials, and propose one after another with each result; the first proposal is not counted."""
        ...


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


class Ours:
    """The record, the queries and the sampler of this project."""

    def __init__(self) -> None:
        from search import driver, query, record, sampler  # noqa: F401  imported before anything is timed

    def build(self, trials: list[MadeTrial], folder: Path) -> None:
        """See `Contender`."""
        from records.filling import fill

        fill(folder / "record.db", trials)

    def best(self, folder: Path) -> Seconds:
        """See `Contender`."""
        from search.query import best
        from search.record import open_record

        def ask() -> None:
            with open_record(folder / "record.db", read_only=True) as record:
                print(best(record, sweep=NAME, top=1)[0].trial, file=sys.stderr)

        return [timed(ask)]

    def table(self, folder: Path) -> Seconds:
        """See `Contender`."""
        from search.query import trial_table
        from search.record import open_record

        def ask() -> None:
            with open_record(folder / "record.db", read_only=True) as record:
                print(len(trial_table(record, sweep=NAME).rows), file=sys.stderr)

        return [timed(ask)]

    def result(self, folder: Path) -> Seconds:
        """See `Contender`."""
        from records.filling import proposal_of, result_of

        from search.record import open_record

        made = make_trials(1)[0]
        with open_record(folder / "record.db") as record:
            seconds: Seconds = []
            for _ in range(NUM_RESULTS):
                number = record.propose(NAME, proposal=proposal_of(made)).number
                record.start(NAME, number=number)
                result = result_of(made, rung=4)
                seconds.append(timed(lambda: record.finish(NAME, number=number, rung=4, result=result)))  # noqa: B023
            return seconds

    def suggest(self, folder: Path) -> Seconds:
        """See `Contender`."""
        return self._suggest(folder, sampler="tpe")

    def suggest_stage_aware(self, folder: Path) -> Seconds:
        """Do as `suggest` with the default sampler."""
        return self._suggest(folder, sampler="stage_aware")

    def _suggest(self, folder: Path, *, sampler: str) -> Seconds:
        from records.filling import result_of

        from search.record import open_record

        made = make_trials(NUM_SUGGESTIONS)
        with open_record(folder / "record.db") as record:
            suggestions = self._suggestions(record, sampler=sampler)
            seconds: Seconds = []
            for trial in made:
                began = time.perf_counter()
                number = next(suggestions)
                seconds.append(time.perf_counter() - began)
                record.start(NAME, number=number)
                record.finish(NAME, number=number, rung=4, result=result_of(trial, rung=4))
        return seconds

    def _suggestions(self, record: Any, *, sampler: str) -> Iterator[int]:
        from records.filling import past, proposal_for

        from search.record import History
        from search.sampler import make_sampler
        from spaces.sweep_spec import make_sweep_spec

        written = spec_of(10).model_dump(mode="json", exclude_unset=True)
        spec = make_sweep_spec(written if sampler == "tpe" else written | {"sampler": {"name": sampler}})
        proposer, history = make_sampler(spec), History(record, sweep=NAME, make=past)
        while True:
            trials = history.trials()
            proposed = proposer.propose(len(trials), history=trials)
            yield record.propose(NAME, proposal=proposal_for(proposed)).number


class Optuna:
    """A study in one of Optuna's storages.

    Args:
        kind: `sqlite` or `journal`.
    """

    def __init__(self, kind: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._kind = kind

    def _storage(self, folder: Path) -> Any:
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self._kind == "sqlite":
            return RDBStorage(f"sqlite:///{folder}/optuna.db")
        return JournalStorage(JournalFileBackend(str(folder / "optuna.log")))

    def _load(self, folder: Path, **options: Any) -> Any:
        import optuna

        return optuna.load_study(study_name=NAME, storage=self._storage(folder), **options)

    def build(self, trials: list[MadeTrial], folder: Path) -> None:
        """See `Contender`."""
        import optuna
        from records.filling import optuna_trial

        storage = self._storage(folder)
        if self._kind == "sqlite":
            # Only for the building: the trials are written and read as any other's.
            from sqlalchemy import event

            event.listen(storage.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            storage.engine.dispose()
        study = optuna.create_study(study_name=NAME, storage=storage, direction="maximize")
        study.add_trials(optuna_trial(trial) for trial in trials)

    def best(self, folder: Path) -> Seconds:
        """See `Contender`."""
        return [timed(lambda: self._load(folder).best_trial.params)]

    def table(self, folder: Path) -> Seconds:
        """See `Contender`."""
        import pandas as pd  # noqa: F401  an import is not timed

        return [timed(lambda: self._load(folder).trials_dataframe())]

    def result(self, folder: Path) -> Seconds:
        """See `Contender`."""
        import optuna
        from records.filling import suggest_for_optuna

        study = self._load(folder, sampler=optuna.samplers.RandomSampler(seed=0))
        made, seconds = make_trials(1)[0], []
        for _ in range(NUM_RESULTS if self._kind == "journal" else 20):
            trial = study.ask()
            suggest_for_optuna(trial)

            def store(trial: Any = trial) -> None:
                trial.report(made.score, step=4)
                trial.set_user_attr("rung_4", made.rungs[4])
                study.tell(trial, made.score)

            seconds.append(timed(store))
        return seconds

    def suggest(self, folder: Path) -> Seconds:
        """See `Contender`."""
        import optuna
        from records.filling import suggest_for_optuna

        sampler = optuna.samplers.TPESampler(
            n_startup_trials=20, multivariate=True, group=True, constant_liar=True, seed=0
        )
        study = self._load(folder, sampler=sampler)
        seconds: Seconds = []
        for made in make_trials(8):
            began = time.perf_counter()
            trial = study.ask()
            suggest_for_optuna(trial)
            seconds.append(time.perf_counter() - began)
            study.tell(trial, made.score)
        return seconds


class Tune:
    """An experiment folder of Ray Tune, as `ResultGrid` and `ExperimentAnalysis` read it."""

    def __init__(self) -> None:
        import ray.tune

        del ray

    def build(self, trials: list[MadeTrial], folder: Path) -> None:
        """See `Contender`."""
        from records.filling import write_experiment

        write_experiment(trials, folder / "tune")

    def best(self, folder: Path) -> Seconds:
        """See `Contender`."""
        from ray.tune import ExperimentAnalysis, ResultGrid

        def ask() -> None:
            grid = ResultGrid(ExperimentAnalysis(folder / "tune"))
            print(grid.get_best_result("score", "max").config, file=sys.stderr)

        return [timed(ask)]

    def table(self, folder: Path) -> Seconds:
        """See `Contender`."""
        from ray.tune import ExperimentAnalysis, ResultGrid

        return [timed(lambda: ResultGrid(ExperimentAnalysis(folder / "tune")).get_dataframe())]


SIDES: dict[str, Callable[[], Any]] = {
    "ours": Ours,
    "optuna-sqlite": lambda: Optuna("sqlite"),
    "optuna-journal": lambda: Optuna("journal"),
    "tune": Tune,
}


def main() -> None:
    """Do one thing with one side, and print the seconds and the memory."""
    side, verb, folder, num_trials = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    contender: Contender = SIDES[side]()
    if verb == "build":
        trials = make_trials(num_trials)
        seconds = [timed(lambda: contender.build(trials, folder))]
    else:
        seconds = getattr(contender, verb)(folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": memory}))


if __name__ == "__main__":
    main()
