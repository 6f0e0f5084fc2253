"""Our side of `throughput.py`: xstilts' encoder, head, plan of batches, prefetcher and compiled layers.

DeepSpeed is left out, so that the benchmark needs no more than torch, transformers, safetensors and numpy. On one GPU
it adds only its own bookkeeping.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from gpu.texts import NUM_LABELS, Texts
from torch import Tensor, nn

from trainables.data.batch_plan import BatchPlan, TaskShape, length_batches, split_block
from trainables.data.batches import prepared_batch
from trainables.data.shapes import LENGTHS, FewShapes, few_shapes
from trainables.models.compiled_layers import compile_layers
from trainables.models.encoder import new_encoder
from trainables.models.head import Scorer
from trainables.training.device_copies import DeviceCopies, Sent, copies_to
from trainables.training.prefetcher import Prefetcher

LEARNING_RATE, DROPOUT, MAX_LENGTH = 1e-5, 0.1, 128
TOKENS_OF_A_PASS = {"train": 16_384, "score": 65_536}


@dataclass(slots=True)
class Window:
    """What was measured over some steps."""

    seconds: float = 0.0
    """Wall time."""
    tokens: int = 0
    """Real tokens."""
    squares: int = 0
    """Sum of the squared lengths of the texts, for the arithmetic of attention."""
    steps: int = 0
    """Optimiser steps, or passes of an evaluation."""
    parts: dict[str, float] = field(default_factory=dict[str, float])
    """Part of a step -> milliseconds, as the device saw them."""
    shapes: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    """Shapes of the passes: examples and tokens."""

    def add(self, lengths: np.ndarray) -> None:
        """Count the texts of a pass."""
        self.tokens += int(lengths.sum())
        self.squares += int((lengths.astype(np.int64) ** 2).sum())


class Classifier(nn.Module):
    """xstilts' encoder with its head for pairs of texts."""

    def __init__(self, config: Mapping[str, object]) -> None:
        super().__init__()
        self.encoder = new_encoder(config, dropout=DROPOUT)
        self.scorer = Scorer(self.encoder.shape, num_outputs=NUM_LABELS, pooling="mean", dropout=DROPOUT)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the scores of a batch's texts, float32."""
        return self.scorer(self.encoder(batch["input_ids_BT"], batch.get("attention_mask_BT"))).float()


class Ours:
    """Trains and scores on one device.

    Args:
        config: Shape of the encoder, as in its config.json.
        device: The device.
    """

    def __init__(self, config: Mapping[str, object], *, device: torch.device) -> None:
        self._device, self._copies = device, copies_to(device)
        self._model = Classifier(config).to(device)
        if device.type == "cuda":
            compile_layers(self._model.encoder)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=LEARNING_RATE, fused=True)

    def train(self, texts: Texts, *, batch_size: int, num_warmup: int, num_steps: int) -> Window:
        """Return what was measured over steps; the steps before them compile what they meet."""
        self._meet_shapes(texts, batch_size=batch_size)
        window, clock = Window(), Clock(self._device)
        batches = _training_batches(texts, batch_size=batch_size, num_steps=num_warmup + num_steps, copies=self._copies)
        started = time.perf_counter()
        with Prefetcher(batches, in_thread=self._copies.select_device) as sent:
            self._model.train()
            for step in range(num_warmup + num_steps):
                if step == num_warmup:
                    _synchronise(self._device)
                    window, clock, started = Window(), Clock(self._device), time.perf_counter()
                self._step(sent, window=window, clock=clock, batch_size=batch_size)
        _synchronise(self._device)
        window.seconds = time.perf_counter() - started
        window.parts = clock.milliseconds(num_steps)
        return window

    def score(self, texts: Texts) -> Window:
        """Return what was measured while every text is scored once."""
        shapes = few_shapes(self._device.type, max_length=MAX_LENGTH)
        batches = length_batches(texts.lengths, tokens_per_micro_batch=TOKENS_OF_A_PASS["score"], shapes=shapes)
        window, scores = Window(), []
        self._model.eval()
        _synchronise(self._device)
        started = time.perf_counter()
        made = _sent(texts, batches, copies=self._copies, shapes=shapes)
        with torch.no_grad(), Prefetcher(made, in_thread=self._copies.select_device) as sent:
            for lengths, one in sent:
                batch = self._copies.received(one)
                with autocast(self._device):
                    scores.append(self._model(batch).argmax(dim=-1))
                window.add(lengths)
                window.steps += 1
        torch.cat(scores).cpu()
        window.seconds = time.perf_counter() - started
        return window

    def _meet_shapes(self, texts: Texts, *, batch_size: int) -> None:
        """Run one pass of each length, so that nothing is compiled while the clock runs."""
        shapes = few_shapes(self._device.type, max_length=MAX_LENGTH)
        self._model.train()
        for length in (length for length in LENGTHS if length <= MAX_LENGTH):
            padded = Texts(lengths=np.full(batch_size, length - 1, dtype=np.int32), vocab_size=texts.vocab_size)
            for lengths in (padded, replace(padded, lengths=padded.lengths + 1)):
                made = _sent(lengths, [np.arange(batch_size)], copies=self._copies, shapes=shapes)
                batch = self._copies.received(next(made)[1])
                with autocast(self._device):
                    scores_BL = self._model(batch)
                scores_BL.sum().backward()
        self._optimizer.zero_grad()

    def _step(self, sent: Prefetcher[_Planned], *, window: Window, clock: Clock, batch_size: int) -> None:
        while True:
            clock.begin("waiting for the batch")
            lengths, one, ends = next(sent)
            batch = self._copies.received(one)
            clock.begin("forward")
            with autocast(self._device):
                scores_BL = self._model(batch)
            loss = nn.functional.cross_entropy(scores_BL, batch["labels_B"], reduction="sum") / batch_size
            clock.begin("backward")
            loss.backward()
            window.add(lengths)
            window.shapes.add((batch["input_ids_BT"].shape[0], batch["input_ids_BT"].shape[1]))
            if ends:
                break
        clock.begin("clipping")
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        clock.begin("optimiser")
        self._optimizer.step()
        self._optimizer.zero_grad()
        clock.end()
        window.steps += 1


class Clock:
    """Sums the time of the parts of steps, as the device sees them; on CUDA by events, without waiting."""

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
        self._marks: list[tuple[str, float | torch.cuda.Event]] = []

    def begin(self, part: str) -> None:
        """End the part before, and begin another."""
        if self._on_cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append((part, event))
        else:
            self._marks.append((part, time.perf_counter()))

    def end(self) -> None:
        """End the last part of a step."""
        self.begin("")

    def milliseconds(self, num_steps: int) -> dict[str, float]:
        """Return part -> mean milliseconds of a step; call it when the device has finished."""
        sums: dict[str, float] = {}
        for (part, first), (_, second) in zip(self._marks, self._marks[1:], strict=False):
            if part:
                sums[part] = sums.get(part, 0.0) + _between(first, second) / num_steps
        return sums


_Planned = tuple[np.ndarray, Sent, bool]


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context for arithmetic in bfloat16 on CUDA, and in float32 elsewhere."""
    return torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.type == "cuda")


def _training_batches(texts: Texts, *, batch_size: int, num_steps: int, copies: DeviceCopies) -> Generator[_Planned]:
    shapes = few_shapes(copies.kind, max_length=MAX_LENGTH)
    task = TaskShape(name="mnli", lengths=texts.lengths)
    plan = BatchPlan([task], weights={"mnli": 1.0}, batch_size=batch_size, seed=0)
    for step in range(num_steps):
        (block,) = plan.step(step)
        cuts = split_block(
            block,
            lengths=texts.lengths,
            tokens_per_micro_batch=TOKENS_OF_A_PASS["train"],
            num_ranks=1,
            couples_examples=False,
            shapes=shapes,
        )
        for number, (indices,) in enumerate(cuts, start=1):
            batch = prepared_batch(texts, indices, generator=np.random.default_rng(0), shapes=shapes)
            yield texts.lengths[indices], copies.send(batch), number == len(cuts)


def _sent(
    texts: Texts, batches: list[np.ndarray], *, copies: DeviceCopies, shapes: FewShapes | None
) -> Generator[tuple[np.ndarray, Sent]]:
    for indices in batches:
        batch = prepared_batch(texts, indices, generator=np.random.default_rng(0), shapes=shapes)
        yield texts.lengths[indices], copies.send(batch)


def _between(first: float | torch.cuda.Event, second: float | torch.cuda.Event) -> float:
    if isinstance(first, torch.cuda.Event) and isinstance(second, torch.cuda.Event):
        return first.elapsed_time(second)
    assert isinstance(first, float)  # noqa: S101  (a clock has one kind of marks)
    assert isinstance(second, float)  # noqa: S101
    return (second - first) * 1000


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
