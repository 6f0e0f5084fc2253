"""Computes vectors of a task's texts with a frozen encoder: 1,000 items take about a minute on two cores.

Shapes: N examples, B examples of a batch, T tokens, D size of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: a raw row's values are the data set's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.batch_plan import length_batches

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from trainables.models.encoder import Encoder
    from trainables.tasks.spec import TaskSpec

_TOKENS_PER_BATCH = 4096
_CLASS_KINDS = frozenset({"sentence_pair", "image_classification", "image_pair_classification"})
"""Kinds whose label is one of the task's classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenFeatures:
    """Vectors and labels of some items of a task."""

    vectors_ND: NDArray[np.float32]
    """Mean of the last layer's vectors over the tokens of each text."""
    labels_N: NDArray[np.int64] | None
    """Class of each item; None for a task without classes."""


class FeatureMaker:
    """Computes the vectors of tasks with one encoder.

    Args:
        folder: Folder of the encoder.
        num_items: Number of items of each task, drawn from its train split with a fixed seed.
        max_length: Maximum length of a text in tokens.

    Raises:
        CheckpointError: The folder does not hold an encoder.
    """

    def __init__(self, folder: Path, *, num_items: int, max_length: int) -> None:
        from trainables.models.encoder import load_encoder, load_tokenizer

        self._tokenizer: PreTrainedTokenizerBase = load_tokenizer(folder)
        self._encoder: Encoder = load_encoder(folder, dropout=0.0).eval()
        self._num_items, self._max_length = num_items, max_length

    def features(self, spec: TaskSpec) -> FrozenFeatures:
        """Return the vectors of a task's items; for a task with images, the vectors of its texts.

        Raises:
            InputError: The rows of the task cannot be read.
        """
        encoded = self._encoded(spec)
        texts = [_text(encoded, number) for number in range(len(encoded["input_ids"]))]
        labels = encoded["label"] if spec.kind in _CLASS_KINDS and spec.labels else None
        return FrozenFeatures(
            vectors_ND=self._vectors(texts, spec=spec),
            labels_N=None if labels is None else np.asarray(labels, dtype=np.int64),
        )

    def _encoded(self, spec: TaskSpec) -> dict[str, list[Any]]:
        from trainables.data.sources.loader import load_rows
        from trainables.tasks.kinds.by_name import kind
        from trainables.tasks.kinds.kind import EncodingContext

        rows = load_rows(spec, split="train", language=spec.training_language)
        drawn = np.random.default_rng(0).permutation(len(rows))[: self._num_items]
        columns = cast("dict[str, list[Any]]", rows.select(np.sort(drawn).tolist())[:])
        context = EncodingContext(spec=spec, tokenizer=self._tokenizer, max_length=self._max_length)
        return kind(spec.kind).encode({**columns, "row": range(len(drawn))}, context)

    def _vectors(self, texts: Sequence[Sequence[int]], *, spec: TaskSpec) -> NDArray[np.float32]:
        import torch

        from trainables.tasks.kinds.kind import CollateContext
        from trainables.tasks.kinds.text_batches import padded

        lengths = np.array([len(text) for text in texts], dtype=np.int32)
        found_ND = np.zeros((len(texts), self._encoder.hidden_size), dtype=np.float32)
        generator = np.random.default_rng(0)
        context = CollateContext(spec=spec, tokenizer=self._tokenizer, generator=generator)
        with torch.no_grad():
            for indices in length_batches(lengths, tokens_per_micro_batch=_TOKENS_PER_BATCH):
                batch = padded([np.asarray(texts[number], dtype=np.int64) for number in indices], context=context)
                text = self._encoder(batch["input_ids_BT"], batch["attention_mask_BT"])
                weights_BT1 = text.text_mask_BT[:, :, None].float()
                mean_BD = (text.text_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)
                found_ND[indices] = mean_BD.float().numpy()
        return found_ND


def _text(encoded: Mapping[str, Sequence[Any]], number: int) -> list[int]:
    """Return the tokens of an item; for multiple choice, those of the question with its right choice."""
    tokens = [int(token) for token in encoded["input_ids"][number]]
    if "choice_lengths" not in encoded:
        return tokens
    lengths, right = encoded["choice_lengths"][number], encoded["label"][number]
    return tokens[sum(lengths[:right]) : sum(lengths[: right + 1])]
