"""The contract that every kind of task keeps: rows -> encoded columns -> a batch of tensors -> a score.

A kind is stateless; one instance serves every task and thread. `encode` runs once for each data set (its result is
cached on disk as Arrow, keyed by content), `collate` runs for every batch, so it must be cheap. A kind does not know
of ranks, engines or stages. Its head lives in `trainables/models/text_heads.py` or `trainables/models/image_heads.py`.

Tensors a batch holds, by kind (B examples, T tokens, C choices, H x W pixels):

    sentence_pair         input_ids_BT attention_mask_BT labels_B
    multiple_choice       input_ids_BCT attention_mask_BCT labels_B
    span_qa               input_ids_BT attention_mask_BT span_mask_BT starts_B ends_B
    tagging               input_ids_BT attention_mask_BT targets_BT (-100 where nothing is predicted)
    image_classification  input_ids_BT attention_mask_BT pixel_values_B3HW labels_B
    image_pair_classification  input_ids_BT attention_mask_BT pixel_values_BN3HW labels_B (N = 2 images)
    image_text_retrieval  input_ids_BT attention_mask_BT pixel_values_B3HW
    visual_question_answering  input_ids_BT attention_mask_BT pixel_values_B3HW credits_BA (A answers)
    masked_lm             input_ids_BT attention_mask_BT targets_BT (-100 where nothing is predicted)
    text_retrieval        input_ids_BT attention_mask_BT (one text an example, a query or a candidate)

Where a frozen vision tower's features are at hand, `image_features_BKV` stands for the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol  # Any: a raw row's values are the data set's own

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerBase

    from trainables.tasks.spec import KindName, TaskSpec

Columns = Mapping[str, Sequence[Any]]
"""Column name -> values, all of one length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingContext:
    """What encoding depends on beside the rows; with the rows' fingerprint it keys the cache."""

    spec: TaskSpec
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    """Longest text in tokens, special tokens included, image tokens excluded."""
    split: str = "train"
    """Our split that the rows are of."""
    answers: tuple[str, ...] = ()
    """For `visual_question_answering`: the answers that can be given, commonest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateContext:
    """What collating depends on beside the examples."""

    spec: TaskSpec
    tokenizer: PreTrainedTokenizerBase
    generator: np.random.Generator
    """Random numbers of this batch (masking); seeded by phase seed, step and block, so that any step can be remade."""
    image_size: int | None = None
    """Side in pixels that images are scaled to; None for kinds without images."""
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Channel means that pixels (0..1) are normalised with."""
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Channel deviations that pixels are normalised with."""
    token_counts: np.ndarray | None = None
    """How often each token id occurs in the encoded split; only where the task's masking asks for it."""


class Kind(Protocol):
    """One format of task."""

    name: KindName
    required_columns: tuple[str, ...]
    """Columns that a task of this kind must name."""
    couples_examples: bool
    """Whether an example's loss depends on the others of its batch (contrastive): such a batch is never split."""

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return encoded columns, one entry per example, among them `length` (tokens).

        Rows are keyed by the kind's own column names. Examples without a usable label are dropped, so the result can
        be shorter than the input.

        Raises:
            TaskDataError: A value does not fit the kind; names the column and the value.
        """
        ...

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return a batch's tensors, padded to its longest example."""
        ...

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the task's metric (0..1) over a whole split.

        Args:
            outputs: The head's outputs of every example, concatenated in the examples' order.
            examples: The encoded columns.
            spec: The task: its metric, its labels.
        """
        ...
