"""Text in and out of batches, shared by the kinds: the tokenizer's own template, and padding.

Shapes: B examples, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.kind import Columns, EncodingContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext

UNLABELLED = -1
"""The number that data sets on the hub give an example whose annotators did not agree, or whose label is secret."""


def encode_texts(
    texts: Sequence[str], *, context: EncodingContext, pairs: Sequence[str] | None = None
) -> list[list[int]]:
    """Return the token ids of texts or pairs in the tokenizer's template, the longer side cut first.

    Args:
        texts: First sides.
        context: Tokenizer and longest length.
        pairs: Second sides, or None.
    """
    if not texts:
        return []
    encoded = context.tokenizer(
        list(texts),
        None if pairs is None else list(pairs),
        truncation="longest_first",
        max_length=context.max_length,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    return encoded["input_ids"]


def checked_texts(rows: Columns, *, column: str, context: EncodingContext) -> list[str]:
    """Return a column's texts.

    Raises:
        TaskDataError: A value is not text.
    """
    texts = list(rows[column])
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            msg = (
                f"cannot encode task {context.spec.name!r}: column {column!r} holds {text!r} at row {number} of this "
                "batch, and it must hold text; check the task's `columns`"
            )
            raise TaskDataError(msg)
    return texts


def labelled(rows: Columns, *, context: EncodingContext, num_classes: int | None = None) -> dict[str, list[Any]]:
    """Return the rows that have a label; missing labels and -1 are dropped.

    Args:
        rows: Rows with a `label` column of class numbers.
        context: Names the task in errors.
        num_classes: How many classes there are; None takes the task's labels.

    Raises:
        TaskDataError: A label is not a class number.
    """
    rows = with_row_numbers(rows)
    limit = num_classes or len(context.spec.labels)
    kept: list[int] = []
    for number, label in enumerate(rows["label"]):
        if label is None or label == UNLABELLED:
            continue
        if not isinstance(label, int | np.integer) or not 0 <= label < limit:
            msg = (
                f"cannot encode task {context.spec.name!r}: label {label!r} in column 'label' is not a class number "
                f"from 0 to {limit - 1}; give the task's `labels` (and `label_values` where the source holds text)"
            )
            raise TaskDataError(msg)
        kept.append(number)
    return {name: [values[number] for number in kept] for name, values in rows.items()}


def with_row_numbers(rows: Columns) -> Columns:
    """Return rows with a `row` column: their numbers in the source, which survive dropping and windows."""
    if "row" in rows:
        return rows
    return {**rows, "row": range(len(next(iter(rows.values()), ())))}


def padded(sequences: Sequence[NDArray[np.integer]], *, context: CollateContext) -> dict[str, torch.Tensor]:
    """Return `input_ids_BT` and `attention_mask_BT` (int64) of token sequences, padded on the right."""
    lengths_B = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    return padded_runs(np.concatenate(sequences), lengths_B=lengths_B, context=context)


def padded_runs(
    tokens: NDArray[np.integer], *, lengths_B: NDArray[np.integer], context: CollateContext
) -> dict[str, torch.Tensor]:
    """Return `padded` of sequences that stand on end.

    Args:
        tokens: All sequences' tokens.
        lengths_B: Tokens of each sequence.
        context: Knows the padding.
    """
    pad_id: Any = context.tokenizer.pad_token_id
    attended_BT = np.arange(lengths_B.max(initial=1)) < lengths_B[:, None]
    input_ids_BT = np.full(attended_BT.shape, pad_id, dtype=np.int64)
    input_ids_BT[attended_BT] = tokens
    return {
        "input_ids_BT": torch.from_numpy(input_ids_BT),
        "attention_mask_BT": torch.from_numpy(attended_BT.astype(np.int64)),
    }


def scalars(examples: Sequence[Mapping[str, Any]], *, column: str) -> torch.Tensor:
    """Return a column of whole numbers as an int64 tensor, shape [B]."""
    return torch.from_numpy(np.array([example[column] for example in examples], dtype=np.int64))


def accuracy(predictions: NDArray[np.integer], *, labels: Sequence[int]) -> float:
    """Return the share of predictions that equal their labels.

    Raises:
        TaskDataError: There is nothing to score, or the counts differ.
    """
    expected = np.asarray(labels)
    if len(expected) == 0 or len(expected) != len(predictions):
        msg = (
            f"cannot score: {len(predictions)} predictions for {len(expected)} labelled examples, and there must be as "
            "many, at least 1; score a split that has labels"
        )
        raise TaskDataError(msg)
    return float(np.mean(predictions == expected))
