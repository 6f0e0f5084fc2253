"""Ranks whose training is a chain of hashes, and processes that end at a given point.

A stand-in, because the property that `test_stage_tree.py` looks at needs thousands of trials that are killed anywhere,
and a real rank needs seconds for each. Everything around the ranks is real: plan, store, leases, checkpoints, files.

The state after a step is a hash of the state before, the step's number and its learning-rate factor; the first state is
a hash of the weights that the phase starts from and of the phase's work. So a step that is left out, done twice, done
with another schedule, or done on other weights shows in every byte that follows. The files are those of a real rank:
weights, heads and losses of a phase; a training state in trunks and checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Literal

from trainables.config import EvaluationConfig, FrozenModel, PhaseConfig, RungsConfig, TrialConfig
from trainables.plan.schedule import learning_rate_factor, trunk_end
from trainables.ranks.jobs import HEADS, LOSSES, EvaluateJob, Job, JobResult, TrainJob
from trainables.stage_store import LeaseTimes, StageStore
from trainables.storage import disk
from trainables.trials import checkpoint_keeper
from trainables.trials.trial import TrialResources, run_trial

WEIGHTS, STATE, FACTS, PREDICTIONS = "model.safetensors", "state.safetensors", "state.json", "predictions.parquet"
STEPS_BETWEEN_CHECKPOINTS = 2
SECONDS_TO_TAKE = 60.0
MUTATING = ("write", "create", "publish", "move", "remove", "remove_folder")
"""What a store does to its storage: a process can end before and after each."""

Files = dict[str, bytes]
"""Name -> content."""


class Order(FrozenModel):
    """A trial for a process to run, and how that process ends."""

    config: TrialConfig
    rungs: RungsConfig
    rung: int
    store: str
    diary: str
    """File that takes a line for everything that the ranks do, as they do it."""
    variant: int = 0
    """Which of the equally good results its ranks come to: real ones differ with their number, within tolerance."""
    ends_at: int = 0
    """Point at which the process ends, counted from 1; 0 lets it live."""
    ends_by: Literal["kill", "exception"] = "kill"
    """By SIGKILL, or by an exception, which runs what stands in `finally`."""


class Killed(BaseException):
    """Ends a process in the middle of whatever it does."""


class Fate:
    """Counts the points at which a process could end, and ends it at one of them."""

    def __init__(self, order: Order) -> None:
        self._ends_at, self._ends_by = order.ends_at, order.ends_by
        self._passed = 0

    def point(self) -> None:
        """Pass a point. A thread that an exception ended would leave its process alive: exceptions end the main one."""
        if self._ends_by == "exception" and threading.current_thread() is not threading.main_thread():
            return
        self._passed += 1
        if self._passed != self._ends_at:
            return
        if self._ends_by == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise Killed


class HashGroup:
    """A group of one rank that hashes. See the module.

    Args:
        order: Whose diary and variant are taken.
        fate: Passed between any two things that it does.
    """

    def __init__(self, order: Order, *, fate: Fate) -> None:
        self._order, self._fate = order, fate

    def run(self, job: Job) -> JobResult:
        return self._train(job) if isinstance(job, TrainJob) else self._evaluate(job)

    def close(self) -> None:
        pass

    def _train(self, job: TrainJob) -> JobResult:
        key = job.places.output.name.split("-")[0]
        num_steps = job.work.steps or 0
        end = trunk_end(job.work.schedule, num_steps=num_steps) if job.is_trunk else num_steps
        states = self._begin(job)
        first = len(states) - 1
        for step in range(first, end):
            self._fate.point()
            states.append(next_state(states[-1], step=step, work=job.work))
            self._note(key, step)
            if (step + 1) % STEPS_BETWEEN_CHECKPOINTS == 0 and step + 1 < end:
                self._leave_checkpoint(job, key=key, states=states)
        self._write(job.places.output, trunk_files(states) if job.is_trunk else phase_files(states, phase=job.phase))
        counts = dict.fromkeys(job.work.mixture, end)
        return JobResult(steps=end, first_step=first, scores={}, counts=counts, made_with={"ranks": "1"})

    def _begin(self, job: TrainJob) -> list[bytes]:
        """Return the state after each step so far: of the checkpoint or trunk, or the first."""
        if job.places.state is None:
            weights = (job.places.encoder / WEIGHTS).read_bytes()
            return [first_state(weights, work=job.work, variant=self._order.variant)]
        losses = json.loads((job.places.state / FACTS).read_bytes())["losses"]
        # Of the steps before nothing but their losses is known, and nothing else is needed.
        return [*(bytes.fromhex(loss) for loss in losses), (job.places.state / STATE).read_bytes()]

    def _leave_checkpoint(self, job: TrainJob, *, key: str, states: list[bytes]) -> None:
        """Leave a checkpoint, and go on when the trial's process has taken it."""
        assert job.places.checkpoints is not None
        step = len(states) - 1
        part = job.places.checkpoints / f".{step:09d}.part"
        part.mkdir()
        self._write(part, trunk_files(states))
        whole = part.rename(job.places.checkpoints / f"{step:09d}")
        deadline = time.monotonic() + SECONDS_TO_TAKE
        while whole.exists():
            assert time.monotonic() < deadline, "nobody takes the checkpoint"
            time.sleep(0.001)
        self._note(key, f"kept {step}")

    def _evaluate(self, job: EvaluateJob) -> JobResult:
        key = job.places.output.name.split("-")[0]
        self._fate.point()
        model = {name: (job.places.encoder / name).read_bytes() for name in (WEIGHTS, HEADS)}
        files = evaluation_files(model, work=job.work)
        self._note(key, "scored")
        self._write(job.places.output, files)
        scores = scores_of(files, work=job.work)
        return JobResult(
            scores=scores,
            metrics={"accuracy": scores},
            counts=dict.fromkeys(scores, 10),
            made_with={"ranks": "1"},
        )

    def _write(self, folder: Path, files: Files) -> None:
        for name, content in files.items():
            self._fate.point()
            (folder / name).write_bytes(content)
        self._fate.point()

    def _note(self, key: str, what: int | str) -> None:
        with Path(self._order.diary).open("a") as file:
            file.write(f"{key} {what}\n")


def first_state(weights: bytes, *, work: PhaseConfig, variant: int) -> bytes:
    """Return the state before the first step: whatever decides a phase but for its length."""
    decisive = work.model_dump_json(exclude={"steps", "epochs", "schedule", "num_dev_items"})
    return hashlib.sha256(weights + decisive.encode() + bytes([variant])).digest()


def next_state(state: bytes, *, step: int, work: PhaseConfig) -> bytes:
    """Return the state after a step, given the one before."""
    factor = learning_rate_factor(work.schedule, step=step, num_steps=work.steps or 0)
    return hashlib.sha256(state + f"{step} {factor!r}".encode()).digest()


def trunk_files(states: list[bytes]) -> Files:
    """Return a training state: of a trunk, or of a checkpoint."""
    losses = [state.hex() for state in states[:-1]]
    return {STATE: states[-1], FACTS: json.dumps({"losses": losses}).encode()}


def phase_files(states: list[bytes], *, phase: str) -> Files:
    """Return a finished phase; the target's head is kept."""
    losses = json.dumps([state.hex() for state in states[:-1]]).encode()
    files = {WEIGHTS: b"weights" + states[-1], LOSSES: losses}
    return files | ({HEADS: b"heads" + states[-1]} if phase == "target" else {})


def evaluation_files(model: Files, *, work: EvaluationConfig) -> Files:
    """Return an evaluation of a finished target phase."""
    content = model[WEIGHTS] + model[HEADS] + work.model_dump_json().encode()
    return {PREDICTIONS: hashlib.sha256(content).digest()}


def scores_of(files: Files, *, work: EvaluationConfig) -> dict[str, float]:
    """Return language -> score, as an evaluation's predictions have it."""
    predictions = files[PREDICTIONS]
    return {language: predictions[number] / 255 for number, language in enumerate(work.languages)}


def run(order: Order) -> None:
    """Run a trial in this process, which is of no other use afterwards: it may end on the way."""
    fate = Fate(order)
    for name in MUTATING:
        _pass_points(fate, disk.DiskStorage, name)
    checkpoint_keeper.SECONDS_BETWEEN_CHECKS = 0.001
    _do_not_wait_for_the_disk()
    # Nobody here lives for a heartbeat; leases of other hosts expire while a test can wait.
    store = StageStore(order.store, times=LeaseTimes(heartbeat_seconds=60, expiry_seconds=0.02))
    place = TrialResources(store=store, group=HashGroup(order, fate=fate))
    result = run_trial(order.config, resources=place, rungs=order.rungs, rung=order.rung)
    fate.point()
    with Path(order.diary).open("a") as file:
        file.write(f"{'result':64} {json.dumps(result.languages)}\n")


def _pass_points(fate: Fate, storage: type[disk.DiskStorage], name: str) -> None:
    """Let a process end before and after what it does to a storage."""
    original: Callable[..., Any] = getattr(storage, name)

    @wraps(original)
    def passing(*arguments: Any, **named: Any) -> Any:
        fate.point()
        done = original(*arguments, **named)
        fate.point()
        return done

    setattr(storage, name, passing)


def _do_not_wait_for_the_disk() -> None:
    """Leave out the waits that guard against the loss of power: what a process wrote outlives the process."""

    def ignore(descriptor: int) -> None:
        del descriptor

    os.fsync = ignore
