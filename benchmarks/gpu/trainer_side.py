"""The other side of `throughput.py`: Hugging Face's Trainer, as its documentation advises for speed.

`group_by_length`, bfloat16, SDPA, fused AdamW. Trainer needs the package accelerate.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any  # transformers is untyped

import numpy as np
import torch
from gpu.our_side import DROPOUT, LEARNING_RATE, Window
from gpu.texts import NUM_LABELS, Texts
from torch.utils.data import Dataset


class Rows(Dataset[dict[str, Any]]):
    """The texts as rows, each with its number; `input_ids` gives Trainer the lengths."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts.lengths)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return a row."""
        return {"number": number, "input_ids": np.empty(int(self._texts.lengths[number]), dtype=np.int8)}


def train_with_trainer(
    config: Mapping[str, Any], texts: Texts, *, on_cuda: bool, batch_size: int, num_warmup: int, num_steps: int
) -> Window:
    """Return what was measured over steps of Trainer, after some untimed ones."""
    from transformers import AutoModelForSequenceClassification, PrinterCallback, Trainer, XLMRobertaConfig

    window, marks = Window(), list[float]()
    seen: list[np.ndarray] = []

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        numbers = np.array([row["number"] for row in rows])
        seen.append(texts.lengths[numbers])
        batch = texts.batch(numbers, generator=np.random.default_rng(0))
        names = {"input_ids_BT": "input_ids", "attention_mask_BT": "attention_mask", "labels_B": "labels"}
        return {names[name]: tensor for name, tensor in batch.items()}

    of_model = {name: value for name, value in config.items() if name != "model_type"}
    dropout = {"hidden_dropout_prob": DROPOUT, "attention_probs_dropout_prob": DROPOUT}
    shape = XLMRobertaConfig(**of_model, **dropout, num_labels=NUM_LABELS)
    model: Any = AutoModelForSequenceClassification.from_config(shape, attn_implementation="sdpa")
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any = Trainer(
            model=model,
            args=_arguments(folder, on_cuda=on_cuda, batch_size=batch_size, num_steps=num_warmup + num_steps),
            train_dataset=Rows(texts),
            data_collator=collate,
            callbacks=[_marker(marks, on_cuda=on_cuda, first=num_warmup)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    for lengths in seen[num_warmup : num_warmup + num_steps]:
        window.add(lengths)
    window.steps, window.seconds = num_steps, marks[-1] - marks[0]
    return window


def _arguments(folder: str, *, on_cuda: bool, batch_size: int, num_steps: int) -> Any:
    from transformers import TrainingArguments

    names = {one.name for one in fields(TrainingArguments)}
    # transformers 5 renamed it.
    grouped = (
        {"train_sampling_strategy": "group_by_length"}
        if "train_sampling_strategy" in names
        else {"group_by_length": True}
    )
    return TrainingArguments(
        **grouped,
        output_dir=folder,
        per_device_train_batch_size=batch_size,
        max_steps=num_steps,
        learning_rate=LEARNING_RATE,
        bf16=on_cuda,
        use_cpu=not on_cuda,
        optim="adamw_torch_fused",
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


def _marker(marks: list[float], *, on_cuda: bool, first: int) -> Any:
    from transformers import TrainerCallback

    class Marker(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            del args, control, others
            if state.global_step == first:
                self.mark()

        def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            del args, state, control, others
            self.mark()

        def mark(self) -> None:
            if on_cuda:
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    return Marker()
