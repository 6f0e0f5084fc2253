"""Trains and evaluates tasks for `catalogue.py` and `image_ablation.py`, and scores the guesses."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from task_scores.guesses import Guess, best_guess

from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig
from trainables.config.literature import LITERATURE
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.data.sources.availability import availability
from trainables.data.sources.readable import check_readable
from trainables.errors import InputError
from trainables.models.encoder import load_tokenizer
from trainables.plan.starting_weights import vision_folder
from trainables.ranks.jobs import EvaluateJob, JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, GeneratedSource, TaskSpec

ZERO_SHOT = {"xnli": "mnli", "paws_x": "qqp", "xquad": "squad", "xcopa": "commonsense_qa", "tatoeba": None}
"""Evaluation task -> training task. qqp and commonsense_qa stand in for PAWS and COPA, which the mirror lacks; tatoeba
needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of training or evaluating a task."""

    result: JobResult
    score: float
    """Mean over the languages, where the task is scored in several."""
    guess: Guess
    num_items: int
    seconds: float


class Bench:
    """Trains and scores tasks on one group of ranks.

    Args:
        engine: How phases are run.
        encoder: Folder with the encoder that every task starts from.
        folder: Place for stages and encoded data.
    """

    def __init__(self, engine: EngineConfig, *, encoder: Path, folder: Path) -> None:
        self._engine, self._group = engine, LocalGroup(engine)
        self._encoder, self._folder = encoder, folder
        fingerprint = tokenizer_fingerprint(encoder)
        self._tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint=fingerprint)

    def close(self) -> None:
        """End the ranks."""
        self._group.close()

    def train(self, spec: TaskSpec, work: PhaseConfig) -> Outcome:
        """Train a task and score it on its own dev split. Its head is kept for evaluations."""
        (self._folder / spec.name).mkdir()
        specs, places = {spec.name: spec}, self._places(spec.name, start=self._encoder, work=work)
        # As a target, whatever it is: an intermediate phase drops its head.
        job = TrainJob(phase="target", work=work, specs=specs, engine=self._engine, places=places)
        started = time.perf_counter()
        result = self._group.run(job)
        seconds = time.perf_counter() - started
        dev = self._open(spec, language="en", max_length=work.max_length, num_items=work.num_dev_items)
        score = result.scores[spec.name]
        # The windows of one long context are one question.
        num_items = len(set(dev.columns["row"])) if spec.kind == "span_qa" else len(dev)
        return Outcome(result=result, score=score, guess=best_guess(dev), num_items=num_items, seconds=seconds)

    def evaluate(
        self, spec: TaskSpec, work: EvaluationConfig, *, head: TaskSpec | None, target: PhaseConfig
    ) -> Outcome:
        """Score an evaluation task with the model that `train` made of the task `head`, or with the encoder."""
        start = self._folder / head.name if head else self._encoder
        output = f"{spec.name}-scores"
        (self._folder / output).mkdir()
        job = EvaluateJob(
            work=work,
            target=target if head else None,
            spec=spec,
            head_spec=head or spec,
            places=self._places(output, start=start),
        )
        started = time.perf_counter()
        result = self._group.run(job)
        seconds = time.perf_counter() - started
        guesses = [
            best_guess(self._open(spec, language=language, max_length=work.max_length, num_items=work.num_items))
            for language in work.languages
        ]
        return Outcome(
            result=result,
            score=fmean(result.scores.values()),
            guess=Guess(guesses[0].name, fmean(guess.score for guess in guesses)),
            num_items=sum(result.counts.values()),
            seconds=seconds,
        )

    def forget(self, name: str) -> None:
        """Delete the model that `train` made for a task."""
        shutil.rmtree(self._folder / name)

    def _places(self, output: str, *, start: Path, work: PhaseConfig | None = None) -> JobPlaces:
        folder = self._folder
        return JobPlaces(
            encoder=start,
            tokenizer=self._encoder,
            output=folder / output,
            cache=folder / "cache",
            vision=vision_folder(work.vision.tower) if work and work.vision else None,
        )

    def _open(self, spec: TaskSpec, *, language: str, max_length: int, num_items: int | None) -> EncodedTask:
        return open_encoded_task(
            EncodedRequest(
                spec=spec,
                split="validation",
                language=language,
                tokenizer=self._tokenizer,
                max_length=max_length,
                num_examples=num_items,
                cache=self._folder / "cache",
            )
        )


@contextmanager
def open_bench(encoder: Path, *, threads: int) -> Iterator[Bench]:
    """Open a bench of one rank in a temporary folder."""
    engine = EngineConfig(threads_per_rank=threads, device="cpu")
    with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
        bench = Bench(engine, encoder=encoder, folder=Path(folder))
        try:
            yield bench
        finally:
            bench.close()


def languages_here(spec: TaskSpec, *, only_mirror: bool) -> Sequence[str]:
    """Return the literature's languages in which an evaluation task can be read here."""
    if not is_here(spec, splits={"validation"}, only_mirror=only_mirror):
        return ()
    return [one for one in LITERATURE[spec.name].languages if _is_readable(spec, one)]


def is_here(spec: TaskSpec, *, splits: set[str], only_mirror: bool) -> bool:
    """Return whether a task has these splits and can be read without a download."""
    if not splits <= set(spec.splits):
        return False
    if isinstance(spec.source, CompositeSource):
        return all(is_here(task(name), splits=splits, only_mirror=only_mirror) for name in spec.source.parts)
    if only_mirror and isinstance(spec.source, GeneratedSource):
        return False
    return availability(spec) in ({"mirror"} if only_mirror else {"mirror", "cache", "files", "generated"})


def _is_readable(spec: TaskSpec, language: str) -> bool:
    try:
        check_readable(spec, split="validation", language=language)
    except InputError:
        return False
    return True
