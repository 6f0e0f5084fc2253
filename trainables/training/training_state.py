"""Reads and writes the state that training needs to continue exactly, in a folder without sharding or pickle.

    state.safetensors   weights/<parameter>, exp_avg/<parameter>, exp_avg_sq/<parameter>, generator/<rank>
    state.json          steps taken, losses, steps of each task

It holds only trained parameters: frozen ones come from the start of the phase. The positions in the data and in the
schedule are pure functions of the step. On one CPU rank the continued run is bit for bit the unbroken run; on another
number of ranks dropout draws other numbers, as it would from the start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel
from trainables.engine import MOMENTS, Engine, OptimizerState
from trainables.errors import RunError
from trainables.models.weights import read_weights, write_weights
from trainables.training.tally import TaskTally

if TYPE_CHECKING:
    from torch import Tensor, nn

STATE, FACTS = "state.safetensors", "state.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """A phase after some of its steps."""

    weights: Mapping[str, Tensor]
    """Trained parameter's name -> full tensor, float32, on the CPU."""
    optimizer: OptimizerState
    """AdamW's moments and step."""
    generators: tuple[Tensor, ...]
    """Rank -> state of torch's generator for its device, as bytes."""
    losses: tuple[float, ...]
    """Mean loss of each step so far."""
    tallies: Mapping[str, TaskTally]
    """Task -> its steps so far."""
    seconds: float
    """Training time of the stage so far."""

    @property
    def step(self) -> int:
        """Steps taken; the next one has this number."""
        return len(self.losses)


class _Facts(FrozenModel):
    version: int
    step: int = Field(ge=1)
    losses: list[float]
    seconds: float = Field(ge=0)
    tasks: dict[str, dict[str, list[float]]]


def capture(
    engine: Engine,
    *,
    device: torch.device,
    losses: tuple[float, ...],
    tallies: Mapping[str, TaskTally],
    seconds: float,
) -> TrainingState | None:
    """Return a copy of the state on rank 0 and None on the others. A collective, between two steps.

    Args:
        engine: The phase's engine, after at least one step of its own.
        device: This rank's device.
        losses: Mean loss of each step so far.
        tallies: Task -> its steps so far.
        seconds: Training time of the stage so far.
    """
    generators: list[Tensor | None] = [None] * dist.get_world_size()
    dist.all_gather_object(generators, _generator_state(device))
    trained = {name for name, parameter in engine.module.named_parameters() if parameter.requires_grad}
    weights = {name: tensor for name, tensor in engine.weights().items() if name in trained}
    optimizer = engine.optimizer_state()
    if optimizer is None:
        return None
    copies = {name: TaskTally(steps=[*t.steps], counts=[*t.counts], losses=[*t.losses]) for name, t in tallies.items()}
    known = tuple(state for state in generators if state is not None)
    return TrainingState(
        weights=weights, optimizer=optimizer, generators=known, losses=losses, tallies=copies, seconds=seconds
    )


def put_weights(state: TrainingState, module: nn.Module) -> None:
    """Load the state's weights into a module, before its engine is built."""
    _, unexpected = module.load_state_dict(dict(state.weights), strict=False)
    assert not unexpected, unexpected  # noqa: S101  (our own file, of the same phase)


def restore_generators(state: TrainingState, *, rank: int, num_ranks: int, device: torch.device) -> bool:
    """Restore this rank's random generator; return False if the state is from another number of ranks."""
    if len(state.generators) != num_ranks:
        return False
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.generators[rank], device)
    else:
        torch.set_rng_state(state.generators[rank])
    return True


def write_state(state: TrainingState, folder: Path) -> None:
    """Write a state into an existing folder; the store publishes the folder."""
    tensors = {f"weights/{name}": tensor for name, tensor in state.weights.items()}
    for moment in MOMENTS:
        tensors |= {f"{moment}/{name}": tensor for name, tensor in state.optimizer.moments[moment].items()}
    tensors |= {f"generator/{rank}": tensor for rank, tensor in enumerate(state.generators)}
    write_weights(tensors, folder / STATE)
    tasks = {name: {"steps": t.steps, "counts": t.counts, "losses": t.losses} for name, t in state.tallies.items()}
    facts = {"version": FORMAT_VERSION, "step": state.step, "losses": list(state.losses)}
    facts |= {"seconds": state.seconds, "tasks": tasks}
    (folder / FACTS).write_text(json.dumps(facts))


def read_state(folder: Path) -> TrainingState:
    """Return the state in a folder whose checksums its store has verified.

    Raises:
        RunError: It cannot be read, or has another format.
    """
    try:
        facts = _Facts.model_validate_json((folder / FACTS).read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"cannot continue from {folder.name!r}: {error}; remove it from the store, the phase then starts again"
        raise RunError(msg) from error
    if facts.version != FORMAT_VERSION:
        msg = f"cannot continue from {folder.name!r}: format {facts.version}, this version reads {FORMAT_VERSION}"
        raise RunError(f"{msg}; remove it from the store, or use the version that wrote it")
    tensors = read_weights(folder / STATE)
    generators = sum(name.startswith("generator/") for name in tensors)
    return TrainingState(
        weights=_under("weights", tensors),
        optimizer=OptimizerState(step=facts.step, moments={moment: _under(moment, tensors) for moment in MOMENTS}),
        generators=tuple(tensors[f"generator/{rank}"] for rank in range(generators)),
        losses=tuple(facts.losses),
        seconds=facts.seconds,
        tallies={name: _tally(lists) for name, lists in facts.tasks.items()},
    )


def _tally(lists: Mapping[str, list[float]]) -> TaskTally:
    return TaskTally(
        steps=[int(step) for step in lists["steps"]],
        counts=[int(count) for count in lists["counts"]],
        losses=list(lists["losses"]),
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device).cpu() if device.type == "cuda" else torch.get_rng_state()
