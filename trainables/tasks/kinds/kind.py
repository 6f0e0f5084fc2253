"""The interface of a kind of task: rows -> encoded columns -> a batch of tensors -> a score.

A kind is stateless; one instance is used for every task and thread. `encode` runs once for each data set (its result is
cached on disk as Arrow, keyed by content). `collate` runs for every batch, so it must be cheap. A kind knows nothing
about ranks, engines or stages. Its head is in `trainables/models/text_heads.py` or `trainables/models/image_heads.py`.

Tensors of a batch, by kind (B examples, T tokens, C choices, H x W pixels):

    sentence_pair         input_ids_BT attention_mask_BT labels_B
    multiple_choice       input_ids_BCT attention_mask_BCT labels_B
    span_qa               input_ids_BT attention_mask_BT span_mask_BT starts_B ends_B
    tagging               input_ids_BT attention_mask_BT targets_BT (-100 where nothing is predicted)
    image_classification  input_ids_BT attention_mask_BT pixel_values_B3HW labels_B
    image_pair_classification  input_ids_BT attention_mask_BT pixel_values_BN3HW labels_B (N = 2 images)
    image_text_retrieval  input_ids_BT attention_mask_BT pixel_values_B3HW
    visual_question_answering  input_ids_BT attention_mask_BT pixel_values_B3HW credits_BA (A answers)
    masked_lm             input_ids_BT attention_mask_BT targets_BT (-100 where nothing is predicted)
    text_retrieval        input_ids_BT attention_mask_BT (an example is one text: a query or a candidate)
    distillation          input_ids_BT attention_mask_BT teacher_vectors_BV (V: size of the teacher's vectors)

Where the features of a frozen vision tower were computed before, `image_features_BKV` replaces the pixels.
`trainables/data/batches.py` then prepares a batch for the device: it leaves out a mask without padding.
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
    """Settings of encoding; together with the rows' fingerprint they make the key of the cache."""

    spec: TaskSpec
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    """Maximum length of a text in tokens, including special tokens and without image tokens."""
    split: str = "train"
    """Split of the task that the rows belong to."""
    answers: tuple[str, ...] = ()
    """For `visual_question_answering`: the answer vocabulary, the most frequent answer first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateContext:
    """Settings of collating."""

    spec: TaskSpec
    tokenizer: PreTrainedTokenizerBase
    generator: np.random.Generator
    """Random numbers of this batch (masking), seeded by phase seed, step and block: any step can be repeated."""
    image_size: int | None = None
    """Side in pixels that images are resized to; None for kinds without images."""
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Channel means that pixels (0..1) are normalised with."""
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Channel standard deviations that pixels are normalised with."""
    token_counts: np.ndarray | None = None
    """How often each token id occurs in the encoded split; set only where the task's masking uses frequencies."""


class Kind(Protocol):
    """One format of tasks."""

    name: KindName
    required_columns: tuple[str, ...]
    """Columns that a task of this kind must have."""
    couples_examples: bool
    """Whether an example's loss depends on the others of its batch (contrastive). Such a batch is never split."""

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return encoded columns with one entry per example, including `length` (tokens).

        Args:
            rows: Rows under the kind's own column names.
            context: Task, tokenizer and maximum length.

        Returns:
            The columns. Examples without a usable label are dropped, so there can be fewer examples than rows.

        Raises:
            TaskDataError: A value does not fit the kind; the message names the column and the value.
        """
        ...

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch, padded to its longest example."""
        ...

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the task's metric (0..1) over a whole split.

        Args:
            outputs: The head's outputs for every example, concatenated in the order of the examples.
            examples: The encoded columns.
            spec: The task, for its metric and labels.
        """
        ...
