"""What becomes of a trial whose ranks are lost, hang, run out of memory or find the disk full: real faults."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, ORDER, TrialTrainable
from tests.faults.planting import ECC, ILLEGAL, MEMORY, Planting
from tests.trainables_tests.tiny_jobs import Bench, engine, phase, trial
from trainables.config import EvaluationConfig, PhaseConfig
from trainables.errors import (
    BugError,
    DeviceFaultError,
    DiskFullError,
    HangError,
    MemoryExhaustedError,
    NonFiniteLossError,
    RankLostError,
)
from trainables.failures import exit_within, failure_kind, is_disk_full, is_out_of_memory
from trainables.models.pretrained.loading_errors import loading
from trainables.monitoring.watchdog import Watch
from trainables.ranks.devices import RankDevices
from trainables.ranks.jobs import TrainJob
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.micro_batches import MicroBatches, tokens_of
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.training.training_state import FACTS
from trainables.trials.trial import TrialResources, run_trial

pytestmark = pytest.mark.usefixtures("tiny_world")

LONG = phase(steps=400, dropout=0.1)
ENDLESS = phase(steps=100_000)
SECONDS = 120


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planting]:
    """A place for errors, known to this module's ranks from their start."""
    place = Planting(folder=tmp_path_factory.mktemp("planting"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.variables.items():
            patch.setenv(name, value)
        yield place


@pytest.fixture(scope="module")
def group(tiny_world: None, planted: Planting) -> Iterator[LocalGroup]:  # noqa: ARG001  (the ranks read them)
    """Ranks of this module alone: its tests break them, and the next job starts them again."""
    with contextlib.closing(LocalGroup(engine())) as made:
        yield made


def rank_process() -> psutil.Process:
    """Return this test's newest rank, once there is one."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = [
            one for one in psutil.Process().children() if "trainables.ranks.rank_process" in " ".join(one.cmdline())
        ]
        if found:
            return max(found, key=lambda one: one.create_time())
        time.sleep(0.02)
    raise AssertionError("no rank was started")


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def results_of(result: TrialResult) -> tuple[object, ...]:
    return result.languages, result.trained


@pytest.mark.slow
def test_a_lost_rank_is_replaced_and_the_stage_goes_on_from_its_checkpoint(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path
) -> None:
    config = trial(tiny_encoder, target=LONG, engine=engine(checkpoint_seconds=0.01))
    unbroken = run_trial(config, resources=TrialResources(store=StageStore(tmp_path / "unbroken"), group=group))
    store, lost = StageStore(tmp_path / "broken"), list[str]()

    def kill() -> None:
        wait_for(lambda: list((tmp_path / "broken").glob("checkpoints/*/*/manifest.json")))
        rank_process().send_signal(signal.SIGKILL)

    killer = in_background(kill)
    place = TrialResources(store=store, group=group, on_lost=lambda stage, error: lost.append(f"{stage} {error}"))
    result = run_trial(config, resources=place)
    killer.join()

    assert results_of(result) == results_of(unbroken)
    assert [line.partition(" ")[0] for line in lost] == [result.stages[0].key]


@pytest.mark.slow
def test_a_stage_that_always_loses_its_ranks_fails_and_the_next_trial_runs(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path
) -> None:
    store, progress, killed = StageStore(tmp_path / "store"), tmp_path / "progress.json", set[int]()

    def kill_three() -> None:
        for _ in range(3):
            wait_for(lambda: progress.exists() and rank_process().pid not in killed)
            killed.add(rank_process().pid)
            rank_process().send_signal(signal.SIGKILL)
            progress.unlink()

    killer = in_background(kill_three)
    place = TrialResources(store=store, group=group, progress=progress)
    with pytest.raises(RankLostError, match=r"rank 0 ended with exit code -9 .*Run the trial again"):
        run_trial(trial(tiny_encoder, target=ENDLESS), resources=place)
    killer.join()

    assert list(store.keys()) == []
    assert run_trial(trial(tiny_encoder), resources=place).languages.keys() == {"en", "de"}


@pytest.mark.slow
def test_ranks_that_make_no_progress_are_ended_with_their_stacks(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path
) -> None:
    state = made(tmp_path / "state")
    os.mkfifo(state / FACTS)  # whoever opens it waits for a writer, for ever
    job = some_job(tiny_encoder, tmp_path)
    watch = Watch(folder=made(tmp_path / "watched"), seconds=1.0)
    places = job.places.model_copy(update={"state": state})
    stuck = job.model_copy(update={"watch": watch, "places": places})

    with pytest.raises(HangError) as caught:
        group.run(stuck)

    assert "read_state" in caught.value.stacks
    assert failure_kind(caught.value) == "hang"
    assert group.run(some_job(tiny_encoder, tmp_path)).steps == 4


@pytest.fixture
def planting(planted: Planting) -> Iterator[Planting]:
    """Lets errors be planted in the module's ranks, until the test ends."""
    yield planted
    planted.clear()


@dataclass
class Told:
    """What a trial tells of itself."""

    lost: list[str] = field(default_factory=list)
    """Kinds of what was lost."""
    memory: list[tuple[str, int, int]] = field(default_factory=list)
    """What memory did to passes: kind, tokens before, tokens after."""

    def place(self, store: StageStore, group: LocalGroup, *, waits: bool = True) -> TrialResources:
        """Return a resources that tells it here."""
        return TrialResources(
            store=store,
            group=group,
            waits=waits,
            on_lost=lambda _, error: self.lost.append(failure_kind(error)),
            on_memory=lambda _, one: self.memory.append((one.kind, one.tokens_before, one.tokens_after)),
        )


def wide(seed: int) -> PhaseConfig:
    """Return a phase of one step, whose passes may be large."""
    return phase(steps=1, seed=seed, batch_size=2000)


@pytest.mark.slow
def test_a_pass_that_does_not_fit_is_tried_again_then_halved_and_the_next_trial_begins_with_what_fitted(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path, planting: Planting
) -> None:
    store, told = StageStore(tmp_path / "store"), Told()
    place, large = told.place(store, group), engine(tokens_per_micro_batch=1 << 19)
    planting.plant(MEMORY, least_tokens=1 << 19, error="OutOfMemoryError")

    first = run_trial(trial(tiny_encoder, target=wide(0), engine=large), resources=place)
    planting.clear()
    second = run_trial(trial(tiny_encoder, target=wide(1), engine=large), resources=place)

    assert told.memory == [("memory_retry", 1 << 19, 1 << 19), ("halved", 1 << 19, 1 << 18)]
    assert [passes_of(store, result) for result in (first, second)] == ["262144", "262144"]


@pytest.mark.slow
def test_a_process_without_memory_is_replaced_and_the_same_size_fits_in_a_fresh_one(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path
) -> None:
    store, told = StageStore(tmp_path / "store"), Told()
    place = told.place(store, group)
    run_trial(trial(tiny_encoder), resources=place)  # the rank is there, and has all its libraries loaded
    limit_memory(rank_process(), more_bytes=100 << 20)
    large = engine(tokens_per_micro_batch=1 << 19)

    run_trial(trial(tiny_encoder, target=phase(steps=1, batch_size=8000), engine=large), resources=place)

    assert told.memory == [("memory_retry", 1 << 19, 1 << 19)]
    assert not (store.root / "cache" / "micro_batches").exists()


@pytest.mark.slow
def test_a_larger_pass_is_tried_again_later_and_goes_straight_back_where_it_does_not_fit(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path, planting: Planting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.ranks.micro_batches.JOBS_BEFORE_LARGER", 1)
    store, told = StageStore(tmp_path / "store"), Told()
    place = told.place(store, group)
    planting.plant(MEMORY, least_tokens=2048, error="OutOfMemoryError")

    results: list[TrialResult] = []
    for seed in range(5):
        if seed == 2:
            planting.clear()
        config = trial(
            tiny_encoder,
            target=phase(steps=1, seed=seed),
            evaluation=EvaluationConfig(languages=("en", "de"), max_length=48, tokens_per_micro_batch=512),
            engine=engine(tokens_per_micro_batch=2048),
        )
        results.append(run_trial(config, resources=place))

    assert told.memory == [
        ("memory_retry", 2048, 2048),
        ("halved", 2048, 1024),
        ("enlarged", 1024, 2048),  # the second trial, which is not lost
        ("halved", 2048, 1024),
        ("enlarged", 1024, 2048),  # after twice as many jobs
    ]
    assert [passes_of(store, one) for one in results] == ["1024", "1024", "1024", "2048", "2048"]


@pytest.mark.slow
def test_a_device_that_fails_once_costs_fresh_ranks_and_no_trial(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path, planting: Planting
) -> None:
    told = Told()
    planting.plant(ECC, times=1, error="AcceleratorError")

    run_trial(trial(tiny_encoder), resources=told.place(StageStore(tmp_path / "store"), group))

    assert (told.lost, planting.num_fired) == (["device_fault"], 1)


@pytest.mark.slow
@pytest.mark.parametrize(("waits", "times"), [(True, 3), (False, 2)])
def test_a_device_that_fails_again_and_again_ends_the_trial_here_and_under_a_driver_gives_it_back(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path, planting: Planting, times: int, *, waits: bool
) -> None:
    told = Told()
    planting.plant(ECC, error="AcceleratorError")

    with pytest.raises(DeviceFaultError, match=r"host .* failed .*uncorrectable ECC"):
        run_trial(trial(tiny_encoder), resources=told.place(StageStore(tmp_path / "store"), group, waits=waits))

    assert told.lost == ["device_fault"] * times


@pytest.mark.slow
def test_an_illegal_access_is_tried_once_more_and_then_it_is_a_bug(
    tiny_encoder: Path, group: LocalGroup, tmp_path: Path, planting: Planting
) -> None:
    told = Told()
    place = told.place(StageStore(tmp_path / "store"), group)
    planting.plant(ILLEGAL, times=1, error="AcceleratorError")
    run_trial(trial(tiny_encoder), resources=place)
    planting.plant(ILLEGAL, error="AcceleratorError")

    with pytest.raises(BugError, match="probably a bug"):
        run_trial(trial(tiny_encoder, target=phase(steps=3)), resources=place)

    assert told.lost == ["bug", "bug"]
    assert planting.num_fired == 2


def test_what_cannot_be_cut_smaller_is_out_of_memory(tiny_encoder: Path, tmp_path: Path) -> None:
    known = MicroBatches(folder=tmp_path / "known")
    job = some_job(tiny_encoder, tmp_path, tokens_per_micro_batch=256)

    shrunk = [known.shrink(known.fitting(job)) for _ in range(4)]

    assert shrunk == ["recompute", "halved", "halved", None]
    assert tokens_of(known.fitting(job)) == 64


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_the_stage(tiny_encoder: Path, group: LocalGroup, tmp_path: Path) -> None:
    """Weights that are not finite are refused before; these are, and their products are not."""
    broken = Path(shutil.copytree(tiny_encoder, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = torch.finfo(torch.float32).max
    save_file(weights, broken / "model.safetensors", {"format": "pt"})

    with pytest.raises(NonFiniteLossError, match="at step 0") as caught:
        run_trial(trial(broken), resources=TrialResources(store=StageStore(tmp_path / "store"), group=group))

    assert caught.value.stage is not None
    assert failure_kind(caught.value) == "not_finite"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = made(tmp_path / "disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_a_trial_whole_and_it_goes_on_when_there_is_space(
    tiny_encoder: Path, group: LocalGroup, small_disk: Path, tmp_path: Path
) -> None:
    config = trial(tiny_encoder, intermediate=phase(mixture={"commonsense_qa": 1.0}, steps=10))
    unbroken = run_trial(config, resources=TrialResources(store=StageStore(tmp_path / "unbroken"), group=group))
    store = StageStore(small_disk / "store")
    place = TrialResources(store=store, group=group)
    ballast = small_disk / "ballast"
    fill(ballast)

    with pytest.raises(DiskFullError, match="free some"):
        run_trial(config, resources=place)
    assert list(store.keys()) == []
    ballast.unlink()
    result = run_trial(config, resources=place)

    assert results_of(result) == results_of(unbroken)


def test_what_libraries_say_of_memory_and_disks_is_understood() -> None:
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."))
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."))
    assert is_out_of_memory(RuntimeError("can't start new thread"))
    assert not is_out_of_memory(RuntimeError("size mismatch"))
    assert is_disk_full(OSError(28, "No space left on device"))
    assert not is_disk_full(OSError(13, "Permission denied"))
    assert failure_kind(MemoryExhaustedError("x")) == "out_of_memory"


def some_job(encoder: Path, folder: Path, *, tokens_per_micro_batch: int = 4096) -> TrainJob:
    """Return a job of four steps on mnli."""
    config = engine(tokens_per_micro_batch=tokens_per_micro_batch)
    return Bench(encoder=encoder, folder=folder).job(phase(steps=4), config=config)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass


def limit_memory(process: psutil.Process, *, more_bytes: int) -> None:
    """Let a process have this much more address space than it has now."""
    size = process.memory_info().vms + more_bytes
    process.rlimit(psutil.RLIMIT_AS, (size, size))


def passes_of(store: StageStore, result: TrialResult) -> str:
    """Return the tokens of a pass with which a trial's target was trained."""
    found = store.find(result.stages[0].key)
    assert found is not None
    return found.facts.made_with["tokens_per_micro_batch"]


def test_a_checkpoint_is_not_blamed_where_threads_cannot_be_started(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="can't start new thread"),
        loading(tmp_path, what="an encoder", needs="a whole model.safetensors"),
    ):
        raise RuntimeError("can't start new thread")  # as Python's threading does


def ended_in_a_lock() -> None:
    """Do what a process does that Ray ends while its main thread is inside a lock of `threading`."""
    lock = threading.Lock()
    with lock:
        lock.release()
        raise SystemExit(1)


def test_a_request_to_end_that_another_error_hides_is_found() -> None:
    with pytest.raises(RuntimeError, match="release unlocked lock") as caught:
        ended_in_a_lock()

    assert isinstance(exit_within(caught.value), SystemExit)
    assert exit_within(RuntimeError("release unlocked lock")) is None


def order_in(folder: Path) -> TrialOrder:
    return TrialOrder(
        sweep="ended",
        number=0,
        config=trial(folder),
        devices=RankDevices(kind="cpu", computes_on="cpu"),
        record="",
        store=str(folder / "store"),
        downloads=folder / "downloads",
        progress=folder / "progress.json",
        log=folder / "log",
    )


@pytest.mark.slow
def test_a_trial_whose_process_is_asked_to_end_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.driver.trial_trainable.run_trial", lambda *_, **__: ended_in_a_lock())
    told: list[str] = []

    class Told(TrialTrainable):
        publisher = SimpleNamespace(started=lambda _: told.append("started"), failed=lambda *_: told.append("failed"))

    running = Told({ORDER: order_in(tmp_path).model_dump_json()})
    with pytest.raises(SystemExit):
        running.step()
    assert told == ["started"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "disk"), [(errno.EROFS, "unusable"), (errno.EIO, "unusable"), (errno.ENOSPC, "full")]
)
def test_a_trial_waits_whose_store_cannot_be_opened_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, disk: str
) -> None:
    """The disk became full or read-only between two trials."""
    happened: list[str] = []

    class Noting(TrialTrainable):
        publisher = SimpleNamespace(
            started=lambda _: happened.append("started"),
            waits=lambda _, error: happened.append(type(error).__name__),
            failed=lambda _, failure: happened.append(failure.error),
        )

    def refused(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    found = Noting({ORDER: order_in(tmp_path).model_dump_json()}).step()

    assert happened == ["started", "DiskFullError" if disk == "full" else "DiskError"]
    assert found[DISK] == disk
