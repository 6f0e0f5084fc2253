"""Training in a process of its own, under torch's profiler."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # torch's profiler is untyped

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from tests.trainables_tests.tiny_jobs import MAX_LENGTH
from trainables.config import EngineConfig, PhaseConfig
from trainables.data.encoded_split import EncodedRequest, TokenizerSource, open_encoded_task, tokenizer_fingerprint
from trainables.engine import Engine, EngineRequest
from trainables.errors import NonFiniteLossError
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.task_model import build_task_model, parameter_groups
from trainables.monitoring.progress import ignore_progress
from trainables.tasks.auxiliary_mlm import phase_specs
from trainables.training.checkpoint_writer import CheckpointWriter
from trainables.training.device_copies import DeviceCopies
from trainables.training.rank import Rank
from trainables.training.trainer import ProgressReporter, Stretch, Trainer, training_data

SYNCHRONISING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")
"""Operations for which Python waits until a GPU has done everything before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """What a training did."""

    losses: list[float]
    """Of each step."""
    calls: dict[str, int]
    """How often each synchronising operation was called, and `passes`: forward passes."""


class HostStreams:
    """Streams of a device whose memory is the CPU's: they take the place of CUDA's, which cannot exist here."""

    def select(self) -> None:
        """Do nothing."""

    def pinned(self, tensor: Tensor) -> Tensor:
        """Return a copy."""
        return tensor.clone()

    def beside(self) -> contextlib.AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()

    def mark(self) -> HostStreams:
        """Return an event that is over."""
        return self

    def synchronize(self) -> None:
        """Do nothing: the event is over."""

    def wait_on_device(self, event: object) -> None:
        """Do nothing: the event is over."""

    def use(self, tensor: Tensor) -> None:
        """Do nothing."""


def profiled_training(
    encoder_folder: Path,
    cache: Path,
    work: PhaseConfig,
    config: EngineConfig,
    as_on_gpu: bool = False,  # noqa: FBT001, FBT002  (a pool of processes passes no names)
) -> Profiled:
    """Train a phase in this process, and count what a GPU would wait for.

    Args:
        encoder_folder: The encoder to start from.
        cache: Folder of encoded data sets.
        work: The phase.
        config: The engine.
        as_on_gpu: Whether batches and numbers go through streams, and numbers are read a step late.
    """
    source = TokenizerSource(
        tokenizer=load_tokenizer(encoder_folder), fingerprint=tokenizer_fingerprint(encoder_folder)
    )
    specs = phase_specs(work)
    requests = {
        name: EncodedRequest(spec=spec, split="train", tokenizer=source, max_length=MAX_LENGTH, cache=cache)
        for name, spec in specs.items()
    }
    tasks = {name: open_encoded_task(request) for name, request in requests.items()}
    model = build_task_model(work, specs, encoder=load_encoder(encoder_folder, dropout=work.dropout))
    rank = Rank(number=0, num_ranks=1, device=torch.device("cpu"))
    groups = parameter_groups(model, weight_decay=0.0)
    engine = Engine(EngineRequest(module=model, parameter_groups=groups, phase=work, config=config, device=rank.device))
    data = training_data(work, tasks)
    trainer = Trainer(
        engine,
        data=data,
        rank=rank,
        tokens_per_micro_batch=config.pass_tokens,
        copies=DeviceCopies(rank.device, streams=HostStreams() if as_on_gpu else None),
    )
    reporter = ProgressReporter(phase="target", num_steps=data.num_steps, report=ignore_progress)
    passes: list[None] = []
    model.encoder.register_forward_pre_hook(lambda *_: passes.append(None))
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run = trainer.run(
            Stretch(end=data.num_steps), reporter=reporter, checkpoints=CheckpointWriter(None, seconds=1.0)
        )
    engine.destroy()
    names = Counter(event.name for event in profiled.events() or () if not _is_of_the_cpu(event))
    return Profiled(
        losses=list(run.losses), calls={name: names[name] for name in SYNCHRONISING} | {"passes": len(passes)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What a NonFiniteLossError said; the error itself cannot cross processes."""

    step: int
    """The step it names."""
    last_finite: float | None
    """The loss before."""


def failing_step(*given: Any) -> Failed:
    """Train a phase that meets a loss that is not finite, with the arguments of `profiled_training`."""
    try:
        profiled_training(*given)
    except NonFiniteLossError as error:
        return Failed(step=error.step, last_finite=error.last_finite)
    raise AssertionError("every loss was finite")


def _is_of_the_cpu(event: Any) -> bool:
    """Return whether a call is part of the optimiser's fused function, which reads its step there only on the CPU."""
    while event is not None and event.name != "aten::_fused_adamw_":
        event = event.cpu_parent
    return event is not None
