"""Trains one phase on the ranks of a group.

The plan of a step is the same on any number of ranks (`trainables.data.batch_plan`): each example's loss is divided by
the step's number of examples, and sums run over micro-batches and ranks, so the step's gradient does not depend on how
the step is split.

A step never waits for its batch, nor Python for the device: batches are made and sent ahead (`passes.py`,
`prefetcher.py`), and on a GPU a step's losses are read while the next step runs.
"""

from __future__ import annotations

import math
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from trainables.config import PhaseConfig
from trainables.data.batch_plan import BatchPlan, Block, TaskShape, num_steps_for_epochs
from trainables.data.encoded_split import EncodedTask
from trainables.data.shapes import few_shapes
from trainables.engine import Engine, meet
from trainables.errors import NonFiniteLossError, StoppedError
from trainables.models.task_model import TaskModel
from trainables.monitoring.progress import Progress, ProgressSink
from trainables.monitoring.watchdog import send_heartbeat
from trainables.plan.mixture import mixture_weights, num_examples_of_an_epoch
from trainables.plan.schedule import learning_rate_factor
from trainables.results import Phase, TaskPace, TaskTraining
from trainables.tasks.spec import TaskSpec
from trainables.training.checkpoint_writer import CONTINUE, STOP_NOW, CheckpointWriter
from trainables.training.device_copies import DeviceCopies, copies_to
from trainables.training.pace import PaceMeter
from trainables.training.passes import Pass, PassMaker
from trainables.training.prefetcher import Prefetcher
from trainables.training.rank import Rank
from trainables.training.tally import Tally, TaskTally
from trainables.training.training_state import TrainingState, capture, restore_generators

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """The data of a phase, with the plan of its steps."""

    work: PhaseConfig
    """The phase."""
    tasks: Mapping[str, EncodedTask]
    """Task name -> its encoded training split."""
    plan: BatchPlan
    """The examples of each step."""
    num_steps: int
    """Steps of the phase."""
    weights: Mapping[str, float]
    """Task -> share of the examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A range of a phase's steps."""

    state: TrainingState | None = None
    """State after the steps before; its weights are already in the model. None starts the phase."""
    end: int
    """Number of the phase's steps after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """Result of a stretch."""

    losses: tuple[float, ...]
    """Mean loss over all ranks of each step since the start of the phase."""
    first_step: int
    """Number of steps before the stretch."""
    seconds_before: float
    """Training time of the stage before the stretch."""
    tasks: dict[str, TaskTraining]
    """Task -> weight, counts and losses."""
    tallies: dict[str, TaskTally]
    """Task -> counts and losses of each step."""
    paces: dict[str, TaskPace]
    """Task -> its pace in the stretch."""


def training_data(work: PhaseConfig, tasks: Mapping[str, EncodedTask]) -> TrainingData:
    """Return the plan of a phase over its encoded tasks."""
    shapes = [
        TaskShape(name=name, lengths=task.lengths, couples_examples=task.kind.couples_examples)
        for name, task in tasks.items()
    ]
    sizes = {name: len(task) for name, task in tasks.items()}
    num_steps = work.steps or num_steps_for_epochs(
        work.epochs or 1.0, num_examples=num_examples_of_an_epoch(work, sizes), batch_size=work.batch_size
    )
    weights = mixture_weights(work, sizes)
    plan = BatchPlan(shapes, weights=weights, batch_size=work.batch_size, seed=work.seed)
    return TrainingData(work=work, tasks=tasks, plan=plan, num_steps=num_steps, weights=weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A step that the device has been given; its numbers are not read yet."""

    step: int
    """Its number."""
    blocks: tuple[Block, ...]
    """What it trained on."""
    numbers: Callable[[], list[float]]
    """Waits for the step; returns its mean loss, rank 0's request, and each task's sum of losses, over all ranks."""


class Trainer:
    """Takes the steps of a phase on one rank.

    Args:
        engine: The phase's engine.
        data: Data and plan of the phase.
        rank: This process.
        tokens_per_micro_batch: Bound on one forward pass, padding included.
        copies: Copies to the rank's device; None: as the device needs them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        data: TrainingData,
        rank: Rank,
        tokens_per_micro_batch: int,
        copies: DeviceCopies | None = None,
    ) -> None:
        self._engine, self._data, self._rank = engine, data, rank
        self._copies = copies or copies_to(rank.device)
        self._passes = PassMaker(
            work=data.work,
            tasks=data.tasks,
            plan=data.plan,
            tokens_per_micro_batch=tokens_per_micro_batch,
            rank=rank.number,
            num_ranks=rank.num_ranks,
            copies=self._copies,
            shapes=few_shapes(self._copies.kind, max_length=data.work.max_length),
        )
        self._started, self._pace = time.monotonic(), PaceMeter(num_ranks=rank.num_ranks)
        model: TaskModel = engine.module
        self._unused = unused_parameters(model, {name: task.spec for name, task in data.tasks.items()})

    def run(self, stretch: Stretch, *, reporter: ProgressReporter, checkpoints: CheckpointWriter) -> TrainingRun:
        """Train a stretch of the phase's steps.

        Args:
            stretch: Start and end.
            reporter: Reports progress, on rank 0.
            checkpoints: Decides when a checkpoint is due, on rank 0, and writes it.

        Raises:
            NonFiniteLossError: A step's loss is NaN or infinite.
            StoppedError: Training was asked to stop; a checkpoint holds the finished steps.
        """
        before = stretch.state.seconds if stretch.state else 0.0
        self._started = time.monotonic() - before
        losses, tally = self._begin(stretch.state)
        first, end = len(losses), stretch.end
        course = _Course(losses=losses, tally=tally, reporter=reporter, entries=self._entries)
        self._engine.train()
        with Prefetcher(self._passes.steps(range(first, end)), in_thread=self._copies.select_device) as passes:
            unread: deque[_Taken] = deque()
            for step in range(first, end):
                unread.append(self._step(step, passes, request=checkpoints.request()))
                request = CONTINUE
                while len(unread) > self._copies.num_unread:
                    request = max(request, course.note(unread.popleft()))
                if request != CONTINUE and step + 1 < end:
                    while unread:  # all ranks have read the same request, so all of them finish this step first
                        request = max(request, course.note(unread.popleft()))
                    self._keep(losses, tally, checkpoints=checkpoints, request=request)
            while unread:
                course.note(unread.popleft())
        return TrainingRun(
            losses=tuple(losses),
            first_step=first,
            seconds_before=before,
            tasks=self._summaries(tally),
            tallies=tally.tasks,
            paces=self._pace.paces(),
        )

    def state(self, run: TrainingRun) -> TrainingState | None:
        """Return the state from which a later stretch continues, on rank 0; None on the others. A collective."""
        return self._capture(run.losses, run.tallies, seconds=0.0)

    def _begin(self, state: TrainingState | None) -> tuple[list[float], Tally]:
        seed_everything(self._data.work.seed, rank=self._rank.number)
        tally = Tally(self._data.tasks)
        if state is None:
            return [], tally
        self._engine.load_optimizer_state(state.optimizer)
        rank = self._rank
        if not restore_generators(state, rank=rank.number, num_ranks=rank.num_ranks, device=rank.device):
            seed_everything(zlib.crc32(f"{self._data.work.seed} {state.step}".encode()), rank=rank.number)
        tally.tasks.update(state.tallies)
        return list(state.losses), tally

    def _capture(
        self, losses: tuple[float, ...], tallies: Mapping[str, TaskTally], *, seconds: float
    ) -> TrainingState | None:
        return capture(self._engine, device=self._rank.device, losses=losses, tallies=tallies, seconds=seconds)

    def _keep(self, losses: list[float], tally: Tally, *, checkpoints: CheckpointWriter, request: float) -> None:
        """Copy the state, on all ranks, and let rank 0 write it; stop if that is requested."""
        start = time.monotonic()
        state = self._capture(tuple(losses), tally.tasks, seconds=start - self._started)
        if state is not None:
            checkpoints.write(state, wait=request == STOP_NOW, copy_seconds=time.monotonic() - start)
        if request == STOP_NOW:
            meet()  # a rank that answers ends the group, and rank 0 would not have written it all
            raise StoppedError(len(losses))

    def _summaries(self, tally: Tally) -> dict[str, TaskTraining]:
        weights, tasks = self._data.weights, self._data.tasks
        return {
            name: one.training(
                weight=weights[name], size=len(tasks[name]), num_unreadable=tasks[name].facts.num_unreadable
            )
            for name, one in tally.tasks.items()
        }

    @property
    def _entries(self) -> dict[str, int]:
        """Task -> its place among a step's numbers."""
        return {name: number for number, name in enumerate(self._data.tasks, start=2)}

    def _step(self, step: int, passes: Prefetcher[Pass], *, request: float) -> _Taken:
        """Give the device a step, and start the sum of its numbers over all ranks."""
        entries = self._entries
        sums = torch.zeros(2 + len(entries), device=self._rank.device)
        # Summed with the losses, so that all ranks stop after the same step.
        sums[1] = request if self._rank.number == 0 else 0.0
        while True:
            one = next(passes)
            self._pace.add(one.task, num_tokens=one.num_tokens)
            num_examples = sum(len(block.indices) for block in one.blocks)
            losses_B = self._engine.forward(one.task, self._copies.received(one.sent)).losses_B
            share = losses_B.sum() * (0.0 if one.is_idle else 1.0)
            self._engine.backward(share / num_examples, unused=self._unused[one.task])
            sums[0] += share.detach() / num_examples
            sums[entries[one.task]] += share.detach()
            if one.ends_step:
                break
        self._pace.end_step(one.blocks)
        factor = learning_rate_factor(self._data.work.schedule, step=step, num_steps=self._data.num_steps)
        self._engine.step(self._data.work.learning_rate * factor)
        if self._rank.num_ranks > 1:
            dist.all_reduce(sums)
        return _Taken(step=step, blocks=one.blocks, numbers=self._copies.read(sums))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What is known of the steps of a stretch."""

    losses: list[float]
    """Mean loss of each step."""
    tally: Tally
    """Counts of each task."""
    reporter: ProgressReporter
    """Reports progress."""
    entries: Mapping[str, int]
    """Task -> its place among a step's numbers."""

    def note(self, taken: _Taken) -> float:
        """Wait for a step, and note its losses; return rank 0's request.

        Raises:
            NonFiniteLossError: Its loss is NaN or infinite.
        """
        loss, request, *of_tasks = taken.numbers()
        send_heartbeat()
        self.losses.append(loss)
        if not math.isfinite(loss):
            raise NonFiniteLossError(taken.step, self.losses[-2] if taken.step else None)
        self.tally.add(taken.step, blocks=taken.blocks, loss_sums=dict(zip(self.entries, of_tasks, strict=True)))
        self.reporter.report(taken.step + 1, self.losses)
        return request


class ProgressReporter:
    """Reports progress at most twice a second, with an estimate of the time left."""

    def __init__(self, *, phase: Phase, num_steps: int, report: ProgressSink, first_step: int = 0) -> None:
        self._phase: Phase = phase
        self._num_steps, self._report = num_steps, report
        self._started = self._reported = time.monotonic()
        self._first_step = self._first = first_step

    def skip(self, step: int) -> None:
        """Count steps as done before; they do not count for the speed."""
        self._first_step = step

    def report(self, step: int, losses: list[float]) -> None:
        """Report `step` finished steps, if the last report is long enough ago or this is the last step."""
        now = time.monotonic()
        if now - self._reported < SECONDS_BETWEEN_REPORTS and step < self._num_steps:
            return
        recent = losses[self._first :]
        left = (now - self._started) / max(1, step - self._first_step) * (self._num_steps - step)
        loss = sum(recent) / len(recent) if recent else None
        self._report(Progress(phase=self._phase, step=step, num_steps=self._num_steps, loss=loss, seconds_left=left))
        self._reported, self._first = now, len(losses)


def seed_everything(seed: int, *, rank: int) -> None:
    """Seed dropout and other users of global generators; each rank draws other numbers."""
    mixed = zlib.crc32(f"{seed}/{rank}".encode())
    random.seed(mixed)
    torch.manual_seed(mixed)


def unused_parameters(model: TaskModel, specs: Mapping[str, TaskSpec]) -> dict[str, list[nn.Parameter]]:
    """Return, for each task, the trained parameters of the model that its loss does not reach.

    Args:
        model: The phase's model.
        specs: Task name -> spec, for each task of the mixture.
    """
    unused: dict[str, list[nn.Parameter]] = {}
    for task, spec in specs.items():
        idle: list[nn.Module] = [head for name, head in model.heads.items() if name != task]
        if model.vision is not None and not spec.has_images:
            idle.append(model.vision)
        unused[task] = [weight for module in idle for weight in module.parameters() if weight.requires_grad]
    return unused
