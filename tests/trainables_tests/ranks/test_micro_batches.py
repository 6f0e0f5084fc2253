"""What a host learns of passes that fit, by its jobs and its clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.config import AdapterConfig, EngineConfig
from trainables.ranks.jobs import TrainJob
from trainables.ranks.micro_batches import (
    JOBS_BEFORE_LARGER,
    MAX_REFUSED,
    SECONDS_BEFORE_LARGER,
    MicroBatches,
    tokens_of,
)

ASKED = 2048


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(tmp_path: Path, clock: Clock) -> MicroBatches:
    return MicroBatches(folder=tmp_path / "known", clock=clock)


@pytest.fixture
def job(tiny_encoder: Path, tmp_path: Path) -> TrainJob:
    return Bench(encoder=tiny_encoder, folder=tmp_path).job(phase(), config=kept(tokens_per_micro_batch=ASKED))


def kept(**fields: Any) -> EngineConfig:
    """Return an engine whose activations are never recomputed."""
    return engine(gradient_checkpointing=False, **fields)


def halved(known: MicroBatches, job: TrainJob, times: int = 1) -> None:
    for _ in range(times):
        assert known.shrink(known.fitting(job)) == "halved"


def did(known: MicroBatches, job: TrainJob, times: int) -> None:
    for _ in range(times):
        known.record_success(known.fitting(job))


def tried(known: MicroBatches, job: TrainJob) -> int | None:
    """Return the tokens of a larger pass, if one is tried now."""
    larger = known.larger(job)
    return None if larger is None else tokens_of(larger)


def after_jobs(known: MicroBatches, job: TrainJob, clock: Clock) -> None:
    del clock
    did(known, job, JOBS_BEFORE_LARGER)


def after_hours(known: MicroBatches, job: TrainJob, clock: Clock) -> None:
    del known, job
    clock.now += SECONDS_BEFORE_LARGER


@pytest.mark.parametrize("wait", [after_jobs, after_hours])
def test_a_larger_pass_is_tried_after_some_jobs_or_some_hours_by_one_of_them(
    known: MicroBatches, job: TrainJob, clock: Clock, wait: Callable[[MicroBatches, TrainJob, Clock], None]
) -> None:
    halved(known, job, times=2)
    at_once = tried(known, job)

    wait(known, job, clock)

    assert (at_once, tried(known, job), tried(known, job)) == (None, 1024, None)
    assert tokens_of(known.fitting(job)) == 512


def test_what_fitted_is_kept_and_the_next_larger_one_comes_later(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job, times=2)
    did(known, job, JOBS_BEFORE_LARGER)
    larger = known.larger(job)
    assert larger is not None

    known.record_success(larger)

    assert (tokens_of(known.fitting(job)), tried(known, job)) == (1024, None)
    did(known, job, JOBS_BEFORE_LARGER)
    assert tried(known, job) == ASKED


def test_nothing_larger_than_asked_for_is_tried(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    did(known, job, 10 * JOBS_BEFORE_LARGER)
    modest = job.model_copy(update={"engine": kept(tokens_per_micro_batch=1024)})
    between = job.model_copy(update={"engine": kept(tokens_per_micro_batch=1500)})

    assert tried(known, modest) is None
    assert tried(known, between) == 1500


@pytest.mark.slow
def test_each_attempt_in_vain_doubles_how_long_the_next_one_waits(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    waits: list[int] = []
    for _ in range(MAX_REFUSED + 2):
        num = 0
        while known.larger(job) is None:
            did(known, job, 1)
            num += 1
        known.record_refusal(job)
        waits.append(num // JOBS_BEFORE_LARGER)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 64]


def test_while_one_trial_tries_more_another_that_runs_out_of_memory_halves_and_keeps_it(
    known: MicroBatches, job: TrainJob
) -> None:
    halved(known, job)
    did(known, job, JOBS_BEFORE_LARGER)
    larger, beside = known.larger(job), known.fitting(job)
    assert larger is not None

    known.shrink(beside)
    known.shrink(beside)  # a third trial that had begun with as many

    assert tokens_of(known.fitting(job)) == 512
    known.record_success(larger)
    assert tokens_of(known.fitting(job)) == 512


def test_files_of_older_versions_are_read_and_their_passes_grow_again(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    (file,) = known.folder.glob("*.json")
    file.write_text(json.dumps({"tokens_per_micro_batch": 512}))

    assert tokens_of(known.fitting(job)) == 512
    assert tried(known, job) == 1024


def test_a_damaged_file_is_as_none(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    (file,) = known.folder.glob("*.json")
    file.write_text("{")

    assert tokens_of(known.fitting(job)) == ASKED
    assert known.larger(job) is None
    known.record_success(job)
    known.record_refusal(job)


def test_a_clock_that_was_set_back_leaves_it_to_jobs(known: MicroBatches, job: TrainJob, clock: Clock) -> None:
    halved(known, job)
    clock.now -= 10 * SECONDS_BEFORE_LARGER

    assert tried(known, job) is None
    did(known, job, JOBS_BEFORE_LARGER)
    assert tried(known, job) == ASKED


def test_trials_that_share_a_gpu_learn_apart_from_those_that_have_one(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    shared = job.model_copy(update={"engine": kept(tokens_per_micro_batch=ASKED, gpus_per_worker=0.5)})

    assert tokens_of(known.fitting(shared)) == ASKED


def test_an_adapter_learns_apart_from_all_weights_whose_files_stay_valid(known: MicroBatches, job: TrainJob) -> None:
    halved(known, job)
    works = [job.work.model_copy(update={"adapter": AdapterConfig(rank=rank)}) for rank in (4, 8)]
    adapted = [job.model_copy(update={"work": work}) for work in works]

    assert tokens_of(known.fitting(adapted[0])) == ASKED
    halved(known, adapted[0], times=2)
    assert [tokens_of(known.fitting(one)) for one in (job, *adapted)] == [ASKED // 2, ASKED // 4, ASKED]


def test_activations_are_recomputed_before_a_pass_gets_too_small(tiny_encoder: Path, known: MicroBatches) -> None:
    job = Bench(encoder=tiny_encoder, folder=known.folder).job(phase(), config=engine(tokens_per_micro_batch=4096))

    kinds = list[str | None]()
    seen = [(tokens_of(job), False)]
    for _ in range(4):
        kinds.append(known.shrink(known.fitting(job)))
        fitting = known.fitting(job)
        assert isinstance(fitting, TrainJob)
        seen.append((tokens_of(fitting), fitting.recomputes))

    assert kinds == ["halved", "halved", "recompute", "halved"]
    assert seen == [(4096, False), (2048, False), (1024, False), (1024, True), (512, True)]


@pytest.mark.parametrize("chosen", [True, False])
def test_what_the_user_chose_is_obeyed(chosen: bool, tiny_encoder: Path, known: MicroBatches) -> None:  # noqa: FBT001
    config = engine(tokens_per_micro_batch=1024, gradient_checkpointing=chosen)
    job = Bench(encoder=tiny_encoder, folder=known.folder).job(phase(), config=config)

    assert known.shrink(known.fitting(job)) == "halved"
    fitting = known.fitting(job)
    assert isinstance(fitting, TrainJob)
    assert fitting.recomputes is chosen


def test_a_larger_pass_recomputes_as_the_smaller_one_did(tiny_encoder: Path, known: MicroBatches, clock: Clock) -> None:
    job = Bench(encoder=tiny_encoder, folder=known.folder).job(phase(), config=engine(tokens_per_micro_batch=1024))
    assert [known.shrink(known.fitting(job)) for _ in range(2)] == ["recompute", "halved"]
    after_hours(known, job, clock)

    larger = known.larger(job)

    assert isinstance(larger, TrainJob)
    assert (tokens_of(larger), larger.recomputes) == (1024, True)
