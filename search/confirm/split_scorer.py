"""Scores trials on the locked test split: several at a time, with all ranks that this machine has room for.

The trained stages are in the store. The store also keeps the result of each scored trial and the predictions of an
interrupted trial, so the same command continues.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from search.confirm.layout import Layout, Room, layout_of
from search.confirm.score_progress import Scoring, showing_scoring
from search.home import Home
from trainables.config import EngineConfig, TrialConfig
from trainables.plan.starting_weights import encoder_folder
from trainables.ranks.local_devices import devices_here, find_gpus
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.trials.checkpoint_keeper import StopRequest
from trainables.trials.locked_test import score_test
from trainables.trials.stage_maker import TrialResources

SECONDS_BETWEEN_LOOKS = 0.5
"""Longest time until an interruption is noticed."""


def score_trials(configs: Mapping[int, TrialConfig], *, home: Home) -> dict[int, TrialResult]:
    """Return the trials' results on the test split.

    Args:
        configs: Trial -> its configuration; all have the same evaluation.
        home: The store with the trained stages, and the scratch folder.

    Raises:
        InputError: The test split cannot be read.
        RunError: A stage failed; the results of scored trials are kept.
        KeyboardInterrupt: The user interrupted; the results of scored trials are kept.
    """
    first = next(iter(configs.values()))
    layout = _layout(first, num_trials=len(configs))
    folder = home.scratch / "progress"
    folder.mkdir(parents=True, exist_ok=True)
    files = {trial: folder / f"test-{os.getpid()}-{trial}.json" for trial in configs}
    scoring = Scoring(files=files, num_languages=len(first.evaluation.languages))
    with _stop_file(home) as stop, showing_scoring(scoring):
        return _RankGroups(home=home, layout=layout, stop=stop, scoring=scoring).score_all(configs)


def _wait(futures: list[Future[TrialResult]]) -> None:
    """Wait until all have ended; raise the error of the first that fails."""
    while True:
        done, waiting = wait(futures, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if not waiting:
            return


@dataclass(slots=True, kw_only=True)
class _RankGroups:
    """Groups of ranks, one for each thread."""

    home: Home
    layout: Layout
    stop: Path
    """Once it exists, lost ranks are not replaced."""
    scoring: Scoring
    groups: dict[int, LocalGroup] = field(default_factory=dict[int, LocalGroup])
    """Thread -> its ranks."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Numbers of groups."""

    def score_all(self, configs: Mapping[int, TrialConfig]) -> dict[int, TrialResult]:
        """Score trials, each group one trial at a time, and return trial -> result."""
        pool = ThreadPoolExecutor(self.layout.groups, thread_name_prefix="test")
        futures = {trial: pool.submit(self._score, trial, config) for trial, config in configs.items()}
        try:
            _wait(list(futures.values()))
            return {trial: future.result() for trial, future in futures.items()}
        except BaseException:  # cancel waiting trials, and end the running ones
            pool.shutdown(wait=False, cancel_futures=True)
            self.stop.touch()
            for group in list(self.groups.values()):
                group.end()
            raise
        finally:
            pool.shutdown()
            for group in self.groups.values():
                group.close()

    def _score(self, trial: int, config: TrialConfig) -> TrialResult:
        thread = threading.get_ident()
        if thread not in self.groups:
            self.groups[thread] = self._group(next(self.numbers))
        resources = TrialResources(
            store=self.home.open_store(),
            group=self.groups[thread],
            progress=self.scoring.files[trial],
            stop=StopRequest(self.stop),
        )
        result = score_test(config.model_copy(update={"engine": self.layout.engine}), resources=resources)
        self.scoring.done.add(trial)
        return result

    def _group(self, number: int) -> LocalGroup:
        engine, log = self.layout.engine, self.home.scratch / f"test-{os.getpid()}.log"
        devices = devices_here(engine)
        if devices.kind == "cpu":
            return LocalGroup(engine, devices=devices, log=log)
        seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(find_gpus().num_in_torch)))
        first = number * engine.num_workers
        visible = ",".join(seen.split(",")[first : first + engine.num_workers])
        return LocalGroup(engine, devices=devices, log=log, visible=visible)


@contextlib.contextmanager
def _stop_file(home: Home) -> Generator[Path]:
    """Yield the path of a file that does not exist, and delete the file afterwards."""
    file = home.scratch / "stop" / f"test-{os.getpid()}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def _layout(config: TrialConfig, *, num_trials: int) -> Layout:
    folder = encoder_folder(config.encoder.name, revision=config.encoder.revision)
    weight_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return layout_of(config.engine, num_trials=num_trials, weight_bytes=weight_bytes, room=_room(config.engine))


def _room(engine: EngineConfig) -> Room:
    return Room(
        cores=len(os.sched_getaffinity(0)),
        devices=find_gpus().num_in_torch if devices_here(engine).kind == "cuda" else 0,
        free_bytes=psutil.virtual_memory().available,
    )
