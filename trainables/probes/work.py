"""The work of each probe, with a check of its result. Runs in a rank's own process.

B examples, D input features.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.config import EngineConfig, PhaseConfig
from trainables.engine import Engine, EngineRequest
from trainables.errors import RunError
from trainables.probes.messages import Probe
from trainables.training.rank import Rank

_MEBIBYTE = 2**20
_SECONDS_TO_MEASURE = 0.5
_NUM_EXAMPLES, _NUM_FEATURES, _WIDTH = 32, 64, 128
_RATE = 1e-2
_WITHIN = 1e-4
"""Largest relative difference between float32 results and those of the CPU: sums are added in another order."""
_WITHIN_BFLOAT16 = 0.02
"""The same for a bfloat16 product, relative to its largest element: 8 bits of mantissa, and sums that are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Result of a probe that works."""

    text: str
    """Text for the report."""
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    """Measured values."""


def memory(rank: Rank) -> ProbeResult:
    """Fill memory of the device with numbers and read them back.

    Raises:
        RunError: The numbers have changed.
    """
    mebibytes = 1024 if rank.device.type == "cuda" else 64
    numbers = torch.arange(mebibytes * _MEBIBYTE // 4, dtype=torch.int32, device=rank.device)
    count = len(numbers)
    total, expected = int(numbers.sum(dtype=torch.int64)), count * (count - 1) // 2
    back = numbers[:: count // 1024].cpu()
    if total != expected or not torch.equal(back, torch.arange(0, count, count // 1024, dtype=torch.int32)):
        raise RunError(f"{mebibytes} MiB were written and came back changed (sum {total}, not {expected})")
    return ProbeResult(text=f"{mebibytes} MiB written and read back")


def matrix_product(rank: Rank) -> ProbeResult:
    """Multiply two matrices in bfloat16, compare some rows with the CPU's, and measure the speed.

    Raises:
        RunError: The product is wrong.
    """
    size, num_rows = (8192, 8) if rank.device.type == "cuda" else (512, 8)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator).bfloat16() for _ in range(2))
    expected = left[:num_rows].float() @ right.float()
    left, right = left.to(rank.device), right.to(rank.device)
    product = (left @ right)[:num_rows].float().cpu()
    error = float((product - expected).abs().max() / expected.abs().max())
    if not error < _WITHIN_BFLOAT16:
        raise RunError(f"a product of bfloat16 matrices is {error:.1%} off; below {_WITHIN_BFLOAT16:.0%} is right")
    seconds = _seconds_of(lambda: left @ right, device=rank.device)
    tflops = 2 * size**3 / seconds / 1e12
    return ProbeResult(text=f"{tflops:.4g} TFLOP/s in bfloat16, {size} x {size}", numbers={"tflops_bfloat16": tflops})


def adamw(rank: Rank) -> ProbeResult:
    """Take three steps of torch's fused AdamW, and compare the weights with those of the plain one on the CPU.

    Raises:
        RunError: They differ.
    """
    generator = torch.Generator().manual_seed(0)
    start, gradient = (torch.randn(_MEBIBYTE, generator=generator) for _ in range(2))
    fused, plain = nn.Parameter(start.to(rank.device)), nn.Parameter(start.clone())
    optimizer = _step_thrice(fused, gradient, fused=True)
    _step_thrice(plain, gradient, fused=False)
    error = float((fused.detach().cpu() - plain.detach()).abs().max())
    if not error < _WITHIN:
        raise RunError(
            f"fused AdamW leaves weights {error:.3g} from those of the plain one; below {_WITHIN:g} is right"
        )
    seconds = _seconds_of(optimizer.step, device=rank.device)
    return ProbeResult(text=f"fused, a million weights in {seconds * 1e3:.3g} ms", numbers={"seconds_adamw": seconds})


def all_reduce(rank: Rank) -> ProbeResult:
    """Sum a tensor over all ranks, check the sum, and measure the bandwidth.

    Raises:
        RunError: The sum is wrong.
    """
    mebibytes = 256 if rank.device.type == "cuda" else 16
    tensor = torch.full((mebibytes * _MEBIBYTE // 4,), float(rank.number + 1), device=rank.device)
    dist.all_reduce(tensor)
    expected = rank.num_ranks * (rank.num_ranks + 1) / 2
    if not bool((tensor == expected).all()):
        raise RunError(f"the sum over {rank.num_ranks} ranks is {float(tensor[0])}, not {expected}")
    backend = dist.get_backend()
    if rank.num_ranks == 1:
        return ProbeResult(text=f"{backend}, 1 rank: nothing to send")
    num, seconds = 5, 0.0
    for timed in (False, True):
        began = time.monotonic()
        for _ in range(num):
            dist.all_reduce(tensor)
        _wait_for(rank.device)
        seconds = (time.monotonic() - began) / num if timed else 0.0
    # Of the bus, as nccl-tests counts it: each rank sends and receives 2 (n - 1) / n of the tensor.
    bandwidth = mebibytes * _MEBIBYTE * 2 * (rank.num_ranks - 1) / rank.num_ranks / seconds / 1e9
    text = f"{backend}, {rank.num_ranks} ranks, {bandwidth:.3g} GB/s of bus bandwidth, {mebibytes} MiB"
    return ProbeResult(text=text, numbers={"gigabytes_per_second": bandwidth})


def zero(rank: Rank, *, stage: Literal[0, 1, 2, 3]) -> ProbeResult:
    """Take a training step through our engine in both precisions; the numbers are the loss after it.

    Raises:
        RunError: In float32 the step is not the one that torch takes on the CPU.
    """
    losses = {
        f"loss_{precision}": _loss_after_step(
            rank, config=EngineConfig(num_workers=rank.num_ranks, zero_stage=stage, precision=precision)
        )
        for precision in ("float32", "bfloat16")
    }
    expected = loss_after_plain_step()
    for name, within in (("loss_float32", _WITHIN), ("loss_bfloat16", _WITHIN_BFLOAT16)):
        if not abs(losses[name] - expected) < within * expected:
            raise RunError(
                f"{name} after a step is {losses[name]:.6f}, and {expected:.6f} on the CPU without an engine"
            )
    return ProbeResult(text=f"{losses['loss_float32']:.5f} after a step, as without an engine", numbers=losses)


def _step_thrice(weight: nn.Parameter, gradient: Tensor, *, fused: bool) -> torch.optim.AdamW:
    optimizer = torch.optim.AdamW([weight], lr=_RATE, fused=fused, foreach=False if not fused else None)
    weight.grad = gradient.to(weight.device)
    for _ in range(3):
        optimizer.step()
    return optimizer


class _Small(nn.Module):
    """Two layers and their sum of squared errors; the same on every rank."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(_NUM_FEATURES, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, 1))

    def forward(self, inputs_BD: Tensor, targets_B: Tensor) -> Tensor:
        """Return the sum of squared errors."""
        return (self.layers(inputs_BD).squeeze(-1) - targets_B).square().sum()


def _examples() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs_BD = torch.randn(_NUM_EXAMPLES, _NUM_FEATURES, generator=generator)
    return inputs_BD, inputs_BD[:, 0] - inputs_BD[:, 1]


def loss_after_plain_step() -> float:
    """Return the mean loss after one step of plain torch on the CPU; every engine must have the same."""
    module = _Small()
    inputs_BD, targets_B = _examples()
    optimizer = torch.optim.AdamW(module.parameters(), lr=_RATE, weight_decay=0.0, betas=(0.9, 0.999), foreach=False)
    (module(inputs_BD, targets_B) / _NUM_EXAMPLES).backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
    return float(module(inputs_BD, targets_B).detach()) / _NUM_EXAMPLES


def _loss_after_step(rank: Rank, *, config: EngineConfig) -> float:
    inputs_BD, targets_B = (tensor[rank.number :: rank.num_ranks].to(rank.device) for tensor in _examples())
    module = _Small().to(rank.device)
    engine = Engine(
        EngineRequest(
            module=module,
            parameter_groups=[{"params": list(module.parameters()), "weight_decay": 0.0}],
            phase=PhaseConfig(mixture={"probe": 1.0}, steps=1, learning_rate=_RATE),
            config=config,
            device=rank.device,
        )
    )
    try:
        engine.train()
        engine.backward(engine.forward(inputs_BD, targets_B) / _NUM_EXAMPLES)
        engine.step(_RATE)
        engine.train(mode=False)
        with torch.no_grad():
            after = engine.forward(inputs_BD, targets_B).detach().float()
    finally:
        engine.destroy()
    dist.all_reduce(after)
    return float(after) / _NUM_EXAMPLES


def _seconds_of(call: Callable[[], object], *, device: torch.device) -> float:
    """Return how long a call takes, as the mean over the calls of half a second, after one that is not counted."""
    call()
    num = 1
    while True:
        _wait_for(device)
        began = time.monotonic()
        for _ in range(num):
            call()
        _wait_for(device)
        seconds = time.monotonic() - began
        if seconds > _SECONDS_TO_MEASURE:
            return seconds / num
        num *= 2


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


NEED_A_GROUP: frozenset[Probe] = frozenset({"all_reduce", "zero_0", "zero_1", "zero_2", "zero_3"})
"""Probes whose ranks form a process group."""

WORK: dict[Probe, Callable[[Rank], ProbeResult]] = {
    "memory": memory,
    "matrix_product": matrix_product,
    "adamw": adamw,
    "all_reduce": all_reduce,
    "zero_0": partial(zero, stage=0),
    "zero_1": partial(zero, stage=1),
    "zero_2": partial(zero, stage=2),
    "zero_3": partial(zero, stage=3),
}
"""Probe -> function that runs it."""
