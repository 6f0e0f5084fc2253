"""Training one phase on the ranks of a group.

The plan of a step is the same on any number of ranks (`trainables.data.batching`): each example's loss is divided by
the step's number of examples, and sums run over micro-batches and ranks, so the step's gradient does not depend on how
the step is split.
"""

from __future__ import annotations

import math
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.config import PhaseConfig
from trainables.data.batching import BatchPlan, Block, TaskShape, num_steps_for_epochs, split_block
from trainables.data.encoded import EncodedTask
from trainables.engine import Engine, meet
from trainables.errors import NonFiniteLossError, StoppedError
from trainables.models.task_model import TaskModel
from trainables.monitoring.liveness import goes_on
from trainables.monitoring.progress import Progress, ProgressSink
from trainables.plan.mixture import mixture_weights, num_examples_of_an_epoch
from trainables.plan.schedule import learning_rate_factor
from trainables.results import Phase, TaskTraining
from trainables.tasks.spec import TaskSpec
from trainables.training.checkpoint_writer import GO_ON, STOP_NOW, CheckpointWriter
from trainables.training.tally import Tally, TaskTally
from trainables.training.training_state import TrainingState, capture, restore_generators

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Who this process is in its group."""

    number: int
    """From 0."""
    num_ranks: int
    """Size of the group."""
    device: torch.device
    """Where its tensors are."""
    local_number: int = 0
    """From 0, among the ranks of its host."""
    spans_hosts: bool = False
    """Whether the group has ranks on several hosts, so that a file that rank 0 wrote may not be here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What a phase trains on."""

    work: PhaseConfig
    """The phase."""
    tasks: Mapping[str, EncodedTask]
    """Task name -> its encoded training split."""
    plan: BatchPlan
    """Which examples each step holds."""
    num_steps: int
    """Steps of the phase."""
    weights: Mapping[str, float]
    """Task -> share of the examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some of a phase's steps, one after another."""

    state: TrainingState | None = None
    """What was done before, its weights already in the model; None starts the phase."""
    end: int
    """Steps of the phase that are done at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What came of a stretch."""

    losses: tuple[float, ...]
    """Mean loss of each step since the phase began, over all ranks."""
    first_step: int
    """Steps that were done before."""
    seconds_before: float
    """Training time of the stage before."""
    tasks: dict[str, TaskTraining]
    """Task -> weight, counts and losses."""
    tallies: dict[str, TaskTally]
    """Task -> its steps, one by one."""


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


class Trainer:
    """Takes the steps of a phase on one rank.

    Args:
        engine: The phase's engine.
        data: What to train on.
        rank: This process.
        tokens_per_micro_batch: Bound on one forward pass, padding included.
    """

    def __init__(self, engine: Engine, *, data: TrainingData, rank: Rank, tokens_per_micro_batch: int) -> None:
        self._engine, self._data, self._rank = engine, data, rank
        self._tokens_per_micro_batch = tokens_per_micro_batch
        self._started = time.monotonic()
        model: TaskModel = engine.module
        self._unused = unused_parameters(model, {name: task.spec for name, task in data.tasks.items()})

    def run(self, stretch: Stretch, *, pace: Pace, checkpoints: CheckpointWriter) -> TrainingRun:
        """Train a stretch of the phase's steps.

        Args:
            stretch: Where it starts and ends.
            pace: Told of progress, on rank 0.
            checkpoints: Says when one is due, on rank 0, and writes it.

        Raises:
            NonFiniteLossError: A step's loss is NaN or infinite.
            StoppedError: It was asked to stop; a checkpoint holds what was done.
        """
        before = stretch.state.seconds if stretch.state else 0.0
        self._started = time.monotonic() - before
        losses, tally = self._begin(stretch.state)
        first, end = len(losses), stretch.end
        self._engine.train()
        for step in range(first, end):
            blocks = self._data.plan.step(step)
            loss, loss_sums, wish = self._step(step, blocks, wish=checkpoints.wish())
            losses.append(loss)
            goes_on()
            if not math.isfinite(loss):
                raise NonFiniteLossError(step, losses[-2] if step else None)
            tally.add(step, blocks=blocks, loss_sums=loss_sums)
            pace.tell(step + 1, losses)
            if wish != GO_ON and step + 1 < end:
                self._keep(losses, tally, checkpoints=checkpoints, wish=wish)
        return TrainingRun(
            losses=tuple(losses),
            first_step=first,
            seconds_before=before,
            tasks=self._summaries(tally),
            tallies=tally.tasks,
        )

    def state(self, run: TrainingRun) -> TrainingState | None:
        """Return what a later stretch continues from, on rank 0; None on the others. A collective."""
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

    def _keep(self, losses: list[float], tally: Tally, *, checkpoints: CheckpointWriter, wish: float) -> None:
        """Copy the state, on all ranks, and let rank 0 write it; stop when that is wished."""
        state = self._capture(tuple(losses), tally.tasks, seconds=time.monotonic() - self._started)
        if state is not None:
            checkpoints.write(state, wait=wish == STOP_NOW)
        if wish == STOP_NOW:
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

    def _step(self, step: int, blocks: tuple[Block, ...], *, wish: float) -> tuple[float, dict[str, float], float]:
        """Take a step; return its mean loss, task -> sum of its examples' losses over all ranks, and rank 0's wish."""
        num_examples = sum(len(block.indices) for block in blocks)
        entry = {name: number for number, name in enumerate(self._data.tasks, start=2)}
        sums = torch.zeros(2 + len(entry), device=self._rank.device)
        sums[1] = wish if self._rank.number == 0 else 0.0  # it goes along, so that all ranks stop after one step
        for number, block in enumerate(blocks):
            generator = np.random.default_rng((self._data.work.seed, step, number))
            for indices_by_rank in self._split(block):
                share = self._share(block.task, indices_by_rank[self._rank.number], generator)
                self._engine.backward(share / num_examples, unused=self._unused[block.task])
                sums[0] += share.detach() / num_examples
                sums[entry[block.task]] += share.detach()
        factor = learning_rate_factor(self._data.work.schedule, step=step, num_steps=self._data.num_steps)
        self._engine.step(self._data.work.learning_rate * factor)
        if self._rank.num_ranks > 1:
            dist.all_reduce(sums)
        loss, agreed, *of_tasks = sums.tolist()
        return loss, dict(zip(entry, of_tasks, strict=True)), agreed

    def _split(self, block: Block) -> list[list[np.ndarray]]:
        task = self._data.tasks[block.task]
        return split_block(
            block,
            lengths=task.lengths,
            tokens_per_micro_batch=self._tokens_per_micro_batch,
            num_ranks=self._rank.num_ranks,
            couples_examples=task.kind.couples_examples,
        )

    def _share(self, task: str, indices: np.ndarray, generator: np.random.Generator) -> Tensor:
        """Return the sum of this rank's losses; a rank without examples takes one along at weight 0.

        Every rank must run every module the same number of times: ZeRO's gathers and reductions are collectives.
        """
        idle = len(indices) == 0
        batch = self._data.tasks[task].batch(np.zeros(1, dtype=np.int64) if idle else indices, generator=generator)
        batch = {name: tensor.to(self._rank.device, non_blocking=True) for name, tensor in batch.items()}
        losses_B = self._engine.forward(task, batch).losses_B
        return losses_B.sum() * (0.0 if idle else 1.0)


class Pace:
    """Reports progress at most twice a second, with an estimate of the time left."""

    def __init__(self, *, phase: Phase, num_steps: int, report: ProgressSink, first_step: int = 0) -> None:
        self._phase: Phase = phase
        self._num_steps, self._report = num_steps, report
        self._started = self._reported = time.monotonic()
        self._first_step = self._first = first_step

    def skip(self, step: int) -> None:
        """Count steps as done before: they say nothing of the pace."""
        self._first_step = step

    def tell(self, step: int, losses: list[float]) -> None:
        """Report `step` steps done, if the last report is long enough ago or this is the end."""
        now = time.monotonic()
        if now - self._reported < SECONDS_BETWEEN_REPORTS and step < self._num_steps:
            return
        recent = losses[self._first :]
        left = (now - self._started) / max(1, step - self._first_step) * (self._num_steps - step)
        loss = sum(recent) / len(recent) if recent else None
        self._report(Progress(phase=self._phase, step=step, num_steps=self._num_steps, loss=loss, seconds_left=left))
        self._reported, self._first = now, len(losses)


def seed_everything(seed: int, *, rank: int) -> None:
    """Seed dropout and whatever else draws from global generators; ranks draw differently."""
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
        unused[task] = [one for module in idle for one in module.parameters() if one.requires_grad]
    return unused
