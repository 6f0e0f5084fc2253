"""The sides of `train_throughput.py`. Each side runs in its own process, which lives for the whole benchmark.

Both train on the same token ids, which are computed before: tokenising is not measured on either side.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast  # Any: transformers is untyped

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.config.trial import Precision
    from trainables.data.batch_plan import BatchPlan, Block
    from trainables.data.encoded_split import EncodedTask
    from trainables.engine import Engine
    from trainables.training.rank import Rank
    from trainables.training.trainer import ProgressReporter, Trainer

Order = Literal["random", "group_by_length"]
"""Names of Trainer's `train_sampling_strategy`."""

Step = list["NDArray[np.integer]"]
"""The lengths of the examples in each micro-batch of a step."""

TASK = "mnli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is the same for every side."""

    encoder: Path
    """Folder of the encoder."""
    cache: Path
    """Folder for the encoded task."""
    threads: int
    """CPU threads."""
    batch_size: int
    """Examples of an optimiser step."""
    max_length: int
    """Longest text in tokens."""
    learning_rate: float
    """Peak rate of AdamW."""
    num_warmup_steps: int
    """Steps before the clock starts."""
    freeze_embeddings: bool = True
    """Whether the embeddings keep their values."""
    precision: Precision = "float32"
    """Type of our arithmetic: what a sweep on this machine has by default, unless the user names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was measured over some steps."""

    seconds: float
    """Wall time."""
    cpu_seconds: float
    """Processor time of all threads."""
    lengths: tuple[int, ...]
    """Real tokens of each example that was trained on."""
    padded_tokens: int
    """Tokens that went through the encoder, padding included."""

    @property
    def tokens(self) -> int:
        """Real tokens."""
        return sum(self.lengths)


@dataclass(slots=True)
class _Clock:
    """Marks the boundaries of steps."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    def mark(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.walls.append(time.perf_counter())
        self.cpus.append(usage.ru_utime + usage.ru_stime)


def gemm_gflops(size: int, *, threads: int, precision: Precision = "float32", seconds: float = 1.0) -> float:
    """Return the rate of products of two square matrices, in GFLOP/s: the median over `seconds`.

    In float32 it is that of the faster library: torch's own, or the one that our linear layers use on this processor.
    """
    from trainables.models.layers.linear import linear, multiplies_with_onednn

    torch.set_num_threads(threads)
    left, right, product = (torch.randn(size, size, dtype=getattr(torch, precision)) for _ in range(3))

    def multiply() -> None:
        if precision == "float32" and multiplies_with_onednn():
            linear(left, right, None)
        else:
            torch.mm(left, right, out=product)

    multiply()
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not rates:
        started = time.perf_counter()
        multiply()
        rates.append(2 * size**3 / (time.perf_counter() - started) / 1e9)
    return float(np.median(rates))


def train_ours(settings: Settings, *, num_steps: int, seed: int) -> Window:
    """Train with this project's engine on one rank, as `trainables.ranks.job_runner` does for a job."""
    ours = our_training(settings, num_steps=num_steps, seed=seed)
    clock = _Clock()
    ours.run(clock)
    ours.engine.destroy()
    return _window(clock, steps=ours.plan.steps, first=settings.num_warmup_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurTraining:
    """A phase of this project that can be run, also several times."""

    engine: Engine
    trainer: Trainer
    plan: ObservedPlan
    num_steps: int

    def run(self, clock: _Clock | None = None) -> None:
        """Take all steps of the phase; the clock marks the beginning, and each step's end."""
        from trainables.training.checkpoint_writer import CheckpointWriter
        from trainables.training.trainer import Stretch

        no_checkpoints = CheckpointWriter(None, seconds=1.0)
        reporter = _marking_reporter(clock or _Clock(), num_steps=self.num_steps)
        self.trainer.run(Stretch(end=self.num_steps), reporter=reporter, checkpoints=no_checkpoints)


def our_training(settings: Settings, *, num_steps: int, seed: int) -> OurTraining:
    """Return the training of the settings' phase, with `num_steps` steps after those that warm up."""
    from trainables.config import EngineConfig, PhaseConfig
    from trainables.engine import Engine, EngineRequest
    from trainables.models.encoder import load_encoder
    from trainables.models.task_model import build_task_model, parameter_groups
    from trainables.training.trainer import Trainer, training_data

    work = PhaseConfig(
        mixture={TASK: 1.0},
        steps=settings.num_warmup_steps + num_steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        max_length=settings.max_length,
        freeze_embeddings=settings.freeze_embeddings,
        seed=seed,
    )
    config = EngineConfig(device="cpu", precision=settings.precision)
    rank, task = cpu_rank(settings.threads), _encoded(settings)
    encoder = load_encoder(settings.encoder, dropout=work.dropout)
    model = build_task_model(work, {TASK: task.spec}, encoder=encoder)
    groups = parameter_groups(model, weight_decay=work.weight_decay)
    engine = Engine(EngineRequest(module=model, parameter_groups=groups, phase=work, config=config, device=rank.device))
    data = training_data(work, {TASK: task})
    plan = ObservedPlan(data.plan, lengths=task.lengths, budget=config.pass_tokens)
    trainer = Trainer(
        engine,
        data=replace(data, plan=cast("BatchPlan", plan)),
        rank=rank,
        tokens_per_micro_batch=config.pass_tokens,
    )
    return OurTraining(engine=engine, trainer=trainer, plan=plan, num_steps=data.num_steps)


def train_hugging_face(
    settings: Settings, *, num_steps: int, seed: int, order: Order, precision: Precision = "float32"
) -> Window:
    """Train with transformers' Trainer and its own sequence-classification head (first token, dense, tanh).

    Trainer computes in float32 unless it is told otherwise.
    """
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer

    torch.set_num_threads(settings.threads)
    tokenizer, rows = _rows(settings)
    collate = _ObservedCollator(DataCollatorWithPadding(tokenizer))
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=_classifier(settings),
            args=_arguments(
                settings, Path(folder), num_steps=num_steps, seed=seed, order=order, bf16=precision == "bfloat16"
            ),
            train_dataset=rows,
            data_collator=collate,
            processing_class=tokenizer,
            callbacks=[_step_marker(clock)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return _window(clock, steps=collate.steps, first=settings.num_warmup_steps)


def _marking_reporter(clock: _Clock, *, num_steps: int) -> ProgressReporter:
    """Return a reporter that marks when training begins and when each step has ended.

    The batch plan cannot tell: it is asked for steps ahead of the training, by the thread that prepares batches.
    """
    from trainables.monitoring.progress import ignore_progress
    from trainables.training.trainer import ProgressReporter

    class MarkingReporter(ProgressReporter):
        def report(self, step: int, losses: list[float]) -> None:
            del step, losses
            clock.mark()

    clock.mark()
    return MarkingReporter(phase="target", num_steps=num_steps, report=ignore_progress)


class ObservedPlan:
    """A batch plan that notes the lengths in each micro-batch of the steps it is asked for."""

    def __init__(self, plan: BatchPlan, *, lengths: NDArray[np.int32], budget: int) -> None:
        self._plan, self._lengths, self._budget = plan, lengths, budget
        self.steps: list[Step] = []

    def step(self, step: int) -> tuple[Block, ...]:
        """Return what the plan returns."""
        blocks = self._plan.step(step)
        self.steps.append([lengths for block in blocks for lengths in self._micro_batches(block)])
        return blocks

    def _micro_batches(self, block: Block) -> Step:
        from trainables.data.batch_plan import split_block

        parts = split_block(
            block,
            lengths=self._lengths,
            tokens_per_micro_batch=self._budget,
            num_ranks=1,
            couples_examples=False,
        )
        return [self._lengths[indices] for (indices,) in parts]


class _ObservedCollator:
    """A collator that notes the real length of every example; its calls come in the order of steps."""

    def __init__(self, collate: Any) -> None:
        self._collate = collate
        self.steps: list[Step] = []

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = self._collate(features)
        self.steps.append([batch["attention_mask"].sum(dim=1).numpy()])
        return batch


def _step_marker(clock: _Clock) -> Any:
    from transformers import TrainerCallback

    class StepMarker(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.mark()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.mark()

    return StepMarker()


def _arguments(settings: Settings, folder: Path, *, num_steps: int, seed: int, order: Order, bf16: bool) -> Any:
    from transformers import TrainingArguments

    steps = settings.num_warmup_steps + num_steps
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        warmup_steps=round(0.1 * steps),  # ours: the same share, by default
        train_sampling_strategy=order,
        seed=seed,
        bf16=bf16,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


def _window(clock: _Clock, *, steps: Sequence[Step], first: int) -> Window:
    """Return what lies between the boundary before step `first` and the last boundary."""
    # Trainer's loader is one batch ahead: it has collated a step that was never taken.
    taken = [lengths for step in steps[first : len(clock.walls) - 1] for lengths in step]
    return Window(
        seconds=clock.walls[-1] - clock.walls[first],
        cpu_seconds=clock.cpus[-1] - clock.cpus[first],
        lengths=tuple(np.concatenate(taken).tolist()),
        padded_tokens=sum(len(lengths) * int(lengths.max()) for lengths in taken),
    )


@cache
def cpu_rank(threads: int) -> Rank:
    """Return the only rank of a group in this process, on the CPU."""
    from trainables.engine import ProcessGroupConfig
    from trainables.ranks.local_group import free_port
    from trainables.ranks.rank_process import join

    return join(
        ProcessGroupConfig(
            rank=0, num_ranks=1, local_rank=0, host="127.0.0.1", port=free_port(), threads=threads, device="cpu"
        )
    )


@cache
def _encoded(settings: Settings) -> EncodedTask:
    from trainables.data.encoded_split import EncodedRequest, TokenizerSource, open_encoded_task, tokenizer_fingerprint
    from trainables.models.encoder import load_tokenizer
    from trainables.tasks.registry import task

    folder = settings.encoder
    source = TokenizerSource(tokenizer=load_tokenizer(folder), fingerprint=tokenizer_fingerprint(folder))
    return open_encoded_task(
        EncodedRequest(
            spec=task(TASK), split="train", tokenizer=source, max_length=settings.max_length, cache=settings.cache
        )
    )


@cache
def _rows(settings: Settings) -> tuple[Any, Any]:
    """Return the tokenizer and the same examples as a data set that Trainer reads."""
    from datasets import Dataset

    from trainables.models.encoder import load_tokenizer

    columns = _encoded(settings).columns
    input_ids = [ids.tolist() for ids in columns["input_ids"]]
    mask = [[1] * len(ids) for ids in input_ids]
    labels = [int(label) for label in columns["label"]]
    rows = {"input_ids": input_ids, "attention_mask": mask, "labels": labels}
    return load_tokenizer(settings.encoder), Dataset.from_dict(rows)


def _classifier(settings: Settings) -> Any:
    from transformers import AutoModelForSequenceClassification

    from trainables.models.families.by_name import family_of
    from trainables.models.transformers_model import quiet_transformers

    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(
            settings.encoder, num_labels=3, dtype=torch.float32, local_files_only=True
        )
    frozen = settings.freeze_embeddings
    for module in family_of(model.config.model_type).embedding_modules(model.base_model) if frozen else ():
        module.requires_grad_(requires_grad=False)
    return model
