"""Engines on real ranks without jobs: a small net, built, stepped and destroyed in processes that have met."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import distributed_c10d

from trainables.config import EngineConfig, PhaseConfig
from trainables.engine import Engine, EngineRequest, ProcessGroupConfig, join_process_group
from trainables.ranks.local_group import free_port, rank_environment

VOCABULARY = 1000
CPU = torch.device("cpu")
SECONDS_TO_RELEASE = 5.0
"""A thread of Gloo releases the gradients of the last sum a moment after the sum, later on busy cores."""

Work = Callable[..., Any]
"""What a rank does; a function of a module, so that another process can import it."""


class Ranks:
    """Processes that have met and do one thing after another."""

    def __init__(self, pool: ProcessPoolExecutor, num: int) -> None:
        self._pool, self._num = pool, num

    def run(self, work: Work, /, *args: Any) -> list[Any]:
        """Return what each rank returns of the same work; it holds a collective, so that each rank does it once."""
        return [
            future.result(600) for future in [self._pool.submit(_meet_and_do, work, *args) for _ in range(self._num)]
        ]


@contextlib.contextmanager
def ranks(num: int, *, timeout_seconds: float = 600.0) -> Iterator[Ranks]:
    """Start ranks on the CPU, each with one thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.trainables_tests.preloaded_engine"])
    numbers = context.Queue()
    for number in range(num):
        numbers.put(number)
    variables = dict(os.environ) | rank_environment(1)  # their server was started with those of an earlier test
    given = (numbers, num, free_port(), timeout_seconds, variables)
    with ProcessPoolExecutor(num, mp_context=context, initializer=_join, initargs=given) as pool:
        yield Ranks(pool, num)


def _join(numbers: Any, num: int, port: int, timeout_seconds: float, variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    number = numbers.get()
    join_process_group(
        ProcessGroupConfig(
            rank=number,
            num_ranks=num,
            local_rank=number,
            host="127.0.0.1",
            port=port,
            threads=1,
            device="cpu",
        )
    )
    # Only now: ranks that meet may come late.
    distributed_c10d._set_pg_timeout(dt.timedelta(seconds=timeout_seconds), None)
    gc.freeze()  # what was imported is not looked through again after each engine


def _meet_and_do(work: Work, *args: Any) -> Any:
    dist.monitored_barrier(timeout=dt.timedelta(seconds=300))
    return work(*args)


class Net(nn.Module):
    """Embeddings, linear layers and a norm: what an encoder is made of, as far as engines tell them apart."""

    def __init__(self, width: int = 64, num_layers: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        hidden_BTD = self.embedding(tokens_BT)
        for layer in self.layers:
            hidden_BTD = torch.tanh(layer(hidden_BTD))
        return self.norm(hidden_BTD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """What some steps made."""

    gradient: Mapping[str, Tensor]
    """Rank 0: first step's clipped gradient by parameter; empty on others."""
    losses: list[float]


def stepped(config: EngineConfig, *, num_steps: int = 2, max_gradient_norm: float = 1.0) -> Stepped:
    """Build an engine for the same net and data on every rank, take some steps of two micro-batches, destroy it."""
    torch.manual_seed(0)
    net = Net()
    phase = PhaseConfig(mixture={"mnli": 1.0}, epochs=1, max_gradient_norm=max_gradient_norm)
    groups = [{"params": list(net.parameters()), "weight_decay": 0.0}]
    engine = Engine(EngineRequest(module=net, parameter_groups=groups, phase=phase, config=config, device=CPU))
    generator = torch.Generator().manual_seed(dist.get_rank())
    gradient: dict[str, Tensor] = {}
    losses: list[float] = []
    engine.train()
    for step in range(num_steps):
        for _ in range(2):
            vectors = engine.forward(torch.randint(0, VOCABULARY, (4, 7), generator=generator)).float()
            loss = vectors[..., :10].pow(2).mean() + vectors.mean()
            engine.backward(loss / 2)
        losses.append(float(loss))
        engine.step(1e-4)
        state = engine.optimizer_state() if step == 0 else None
        # After one step AdamW's first moment is a tenth of the gradient.
        gradient |= {name: value * 10 for name, value in state.moments["exp_avg"].items()} if state else {}
    engine.destroy()
    return Stepped(gradient=gradient, losses=losses)


def bytes_kept(config: EngineConfig, *, num_engines: int) -> float:
    """Return the bytes a parameter that stay in tensors after some engines were built, stepped and destroyed."""
    stepped(config)
    before = tensor_bytes()
    for _ in range(num_engines):
        stepped(config)
    deadline = time.monotonic() + SECONDS_TO_RELEASE
    while (kept := tensor_bytes() - before) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    return kept / sum(parameter.numel() for parameter in Net().parameters())


def bytes_held(config: EngineConfig) -> float:
    """Return the bytes a parameter in a rank's tensors between a backward pass and its step, once moments exist."""
    before = tensor_bytes()
    net = Net(width=512, num_layers=24)  # so many that the gradient that was summed last counts little
    num = sum(parameter.numel() for parameter in net.parameters())
    phase = PhaseConfig(mixture={"mnli": 1.0}, epochs=1)
    groups = [{"params": list(net.parameters()), "weight_decay": 0.0}]
    engine = Engine(EngineRequest(module=net, parameter_groups=groups, phase=phase, config=config, device=CPU))
    engine.train()
    held = 0
    for _ in range(2):
        engine.backward(engine.forward(torch.zeros(1, 1, dtype=torch.long)).mean())
        held = tensor_bytes() - before
        engine.step(1e-4)
    engine.destroy()
    return held / num


def bytes_of_a_held_module(config: EngineConfig) -> int:
    """Return the bytes of a destroyed engine's module, gradients and partitions included, while somebody holds it."""
    net = Net()
    phase = PhaseConfig(mixture={"mnli": 1.0}, epochs=1)
    groups = [{"params": list(net.parameters()), "weight_decay": 0.0}]
    engine = Engine(EngineRequest(module=net, parameter_groups=groups, phase=phase, config=config, device=CPU))
    engine.backward(engine.forward(torch.zeros(2, 3, dtype=torch.long)).mean())
    engine.step(1e-4)
    before = tensor_bytes()
    engine.destroy()
    assert before > sum(parameter.numel() for parameter in Net().parameters())
    return sum(one.untyped_storage().nbytes() for one in net.parameters())


def tensor_bytes() -> int:
    """Return the bytes of all tensors that Python knows of in this process, each storage once."""
    gc.collect()
    tensors = [one for one in gc.get_objects() if issubclass(type(one), Tensor)]
    tensors += [one.grad for one in tensors if one.is_leaf and one.grad is not None]
    tensors += [one.ds_tensor for one in tensors if hasattr(one, "ds_tensor")]
    storages = [one.untyped_storage() for one in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
