"""Functions for texts that the kinds share: encoding with the tokenizer's template, padding, labels, accuracy.

Shapes: B examples, T tokens of the longest example.
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
"""Label number that data sets on the hub use for examples without an agreed label, or with a secret one."""


def encode_texts(
    texts: Sequence[str], *, context: EncodingContext, pairs: Sequence[str] | None = None
) -> list[list[int]]:
    """Return the token ids of texts or pairs in the tokenizer's template; the longer side is truncated first.

    Args:
        texts: First sides.
        context: Tokenizer and maximum length.
        pairs: Second sides, or None for single texts.
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
    """Return the texts of a column, after checking them.

    Raises:
        TaskDataError: A value is not a text.
    """
    texts = list(rows[column])
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            msg = (
                f"cannot encode task {context.spec.name!r}: column {column!r} holds {text!r} in row {number} of this "
                "batch, but must hold a text; correct the task's `columns` or the data"
            )
            raise TaskDataError(msg)
    return texts


def labelled(rows: Columns, *, context: EncodingContext, num_classes: int | None = None) -> dict[str, list[Any]]:
    """Return the rows that have a label; rows with a missing label or -1 are dropped.

    Args:
        rows: Rows with a `label` column of class numbers.
        context: The task, for its labels and its name in errors.
        num_classes: Number of classes; None takes it from the task's labels.

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
                f"from 0 to {limit - 1}; correct the task's `labels` (and `label_values` where the source holds text)"
            )
            raise TaskDataError(msg)
        kept.append(number)
    return {name: [values[number] for number in kept] for name, values in rows.items()}


def with_row_numbers(rows: Columns) -> Columns:
    """Return rows with a `row` column: their numbers in the source, which stay when rows are dropped or split."""
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
    """Return the tensors of `padded` from concatenated sequences.

    Args:
        tokens: Tokens of all sequences, one sequence after the other.
        lengths_B: Length of each sequence, in tokens.
        context: Its tokenizer gives the padding token.
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
            f"cannot score: there are {len(predictions)} predictions for {len(expected)} labelled examples; the two "
            "numbers must be equal and at least 1; score a split that has labels"
        )
        raise TaskDataError(msg)
    return float(np.mean(predictions == expected))
