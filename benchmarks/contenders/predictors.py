"""The sides of `evaluation_throughput.py`. Both use the same weights, token ids and threads."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast  # Any: transformers is untyped

import numpy as np
import torch

from trainables.config import PhaseConfig
from trainables.config.trial import Precision
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.data.joined_splits import JoinedTask
from trainables.evaluation.predictor import predict
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.hugging_face_folder import export_classifier
from trainables.models.task_model import TaskModel, build_task_model, head_state
from trainables.tasks.registry import task
from trainables.training.rank import Rank

TOKENS_PER_MICRO_BATCH = 4096
"""The default of an evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What both sides score."""

    encoder: Path
    """Folder of the encoder."""
    model: TaskModel
    """Ours."""
    exported: Path
    """The same weights as a folder for transformers."""
    tasks: Mapping[str, EncodedTask]
    """Language -> encoded pairs."""
    tokenizer: Any
    """Pads for the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The seconds and the logits of one turn."""

    seconds: float
    logits: dict[str, np.ndarray]
    """Language -> logits, in the order of the data."""


def make_contest(encoder: Path, *, scratch: Path, threads: int, max_length: int, num_items: int | None) -> Contest:
    """Return model, exported model and encoded languages; this is not timed."""
    torch.set_num_threads(threads)
    phase = PhaseConfig(mixture={"mnli": 1.0}, steps=1, dropout=0.0, pooling="first")
    model = build_task_model(phase, {"mnli": task("mnli")}, encoder=load_encoder(encoder, dropout=0.0)).eval()
    exported = scratch / "exported"
    head = head_state(model.state_dict(), task="mnli")
    export_classifier(encoder, head=head, pooling="first", labels=task("mnli").labels, folder=exported)
    tokenizer = load_tokenizer(encoder)
    source = TokenizerSource(tokenizer=tokenizer, fingerprint=tokenizer_fingerprint(encoder))
    tasks = {
        language: open_encoded_task(
            EncodedRequest(
                spec=task("xnli"),
                split="validation",
                language=language,
                tokenizer=source,
                max_length=max_length,
                num_examples=num_items,
                cache=scratch,
            )
        )
        for language in task("xnli").languages
    }
    return Contest(encoder=encoder, model=model, exported=exported, tasks=tasks, tokenizer=tokenizer)


def predict_ours(contest: Contest, *, precision: Precision) -> Prediction:
    """Score all languages as one stream."""
    rank = Rank(number=0, num_ranks=1, device=torch.device("cpu"))
    started = time.perf_counter()
    stream = JoinedTask(contest.tasks)
    with torch.autocast(
        "cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"
    ):  # as `trainables.ranks.evaluating`
        outputs = predict(contest.model, stream, head="mnli", rank=rank, tokens_per_micro_batch=TOKENS_PER_MICRO_BATCH)
    seconds = time.perf_counter() - started
    return Prediction(seconds=seconds, logits={name: one["logits"] for name, one in stream.split(outputs).items()})


def predict_hugging_face(contest: Contest, *, batch_size: int, precision: Precision) -> Prediction:
    """Score language by language with transformers' own model, Trainer and padding."""
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

    model = cast("Any", AutoModelForSequenceClassification).from_pretrained(contest.exported)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_eval_batch_size=batch_size,
            use_cpu=True,
            bf16=precision == "bfloat16",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model, args=arguments, data_collator=DataCollatorWithPadding(tokenizer=contest.tokenizer)
        )
        data = {name: _token_ids(one) for name, one in contest.tasks.items()}
        logits: dict[str, np.ndarray] = {}
        started = time.perf_counter()
        for name, examples in data.items():
            logits[name] = cast("Any", trainer.predict(cast("Any", examples))).predictions
        seconds = time.perf_counter() - started
    return Prediction(seconds=seconds, logits=logits)


def _token_ids(encoded: EncodedTask) -> list[dict[str, list[int]]]:
    return [{"input_ids": list(map(int, ids))} for ids in encoded.columns["input_ids"]]
