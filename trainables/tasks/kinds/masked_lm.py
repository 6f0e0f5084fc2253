"""Kind `masked_lm`: a text, or a pair of texts, whose masked tokens are predicted.

Other tokens are masked in every batch (Liu et al. 2019, RoBERTa, section 4.1). Of the chosen tokens, 80 % become the
mask token, 10 % become a random token, and 10 % stay (Devlin et al. 2019, section 3.1). With pairs in two languages
this is translation language modelling (Lample and Conneau 2019, arXiv 1901.07291, section 3.3).

Shapes: B examples, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.text_batches import checked_texts, encode_texts, padded, with_row_numbers
from trainables.tasks.spec import MaskingPolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

NOT_PREDICTED = -100
"""Target of a token that is not predicted; torch's cross-entropy ignores it."""

MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1
"""Shares of the chosen tokens that become the mask token, and a random token (Devlin et al. 2019, section 3.1)."""


class MaskedLm:
    """Kind of a task whose rows are `text` and, optionally, `text_pair`; scored by masked accuracy.

    A row without a pair can hold a list of texts, such as the captions of an image: each text is an example.
    """

    name: KindName = "masked_lm"
    required_columns: tuple[str, ...] = ("text",)
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length`, `second_start` (position of the second side; `length` without one), `row`.

        Raises:
            TaskDataError: A value is not a text.
        """
        rows = _one_text_a_row(with_row_numbers(rows))
        texts = checked_texts(rows, column="text", context=context)
        pairs = checked_texts(rows, column="text_pair", context=context) if "text_pair" in rows else None
        input_ids = encode_texts(texts, context=context, pairs=pairs)
        lengths = [len(ids) for ids in input_ids]
        separator: Any = context.tokenizer.sep_token_id
        starts = lengths if pairs is None else [ids.index(separator) for ids in input_ids]
        return {"input_ids": input_ids, "length": lengths, "second_start": starts, "row": list(rows["row"])}

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT` with masked tokens, `attention_mask_BT`, and `targets_BT`."""
        text = padded([example["input_ids"] for example in examples], context=context)
        input_ids_BT = text["input_ids_BT"].numpy()
        second_start_B = np.array([example["second_start"] for example in examples])
        one_side_BT = _one_side(
            second_start_B, lengths_B=text["attention_mask_BT"].numpy().sum(axis=1), context=context
        )
        usable_BT = one_side_BT & ~_special_tokens(context)[input_ids_BT]
        chosen_BT = choose(usable_BT, weights_BT=_weights(input_ids_BT, context=context), context=context)
        targets_BT = np.where(chosen_BT, input_ids_BT, NOT_PREDICTED)
        masked_BT = _mask(input_ids_BT, chosen_BT=chosen_BT, context=context)
        return {**text, "input_ids_BT": torch.from_numpy(masked_BT), "targets_BT": torch.from_numpy(targets_BT)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the share (0..1) of masked tokens that are predicted: `correct` over `total` (B each, tokens).

        Raises:
            TaskDataError: No token was masked.
        """
        del spec  # one metric
        total = int(outputs["total"].sum())
        if total == 0:
            msg = (
                f"cannot score masked tokens: {len(examples['length'])} examples have 0 masked tokens, at least 1 is "
                "needed; check that the texts are not empty"
            )
            raise TaskDataError(msg)
        return float(outputs["correct"].sum() / total)


def _one_text_a_row(rows: Columns) -> Columns:
    texts = rows["text"]
    if "text_pair" in rows or not any(isinstance(value, list) for value in texts):
        return rows
    pairs = zip(texts, rows["row"], strict=True)
    flat = [(text, row) for value, row in pairs for text in (value if isinstance(value, list) else [value])]
    return {"text": [text for text, _ in flat], "row": [row for _, row in flat]}


def choose(
    usable_BT: NDArray[np.bool_], *, weights_BT: NDArray[np.float64], context: CollateContext
) -> NDArray[np.bool_]:
    """Return which tokens are predicted: in each example, the policy's share of its usable tokens, and at least one.

    They are drawn without replacement, each with a probability proportional to its weight (Efraimidis and Spirakis
    2006: the smallest of exponential variates divided by the weights).

    Args:
        usable_BT: Tokens that can be masked.
        weights_BT: Weights, all above 0.
        context: Random numbers and the masking policy.
    """
    policy = context.spec.masking or MaskingPolicy()
    num_usable_B = usable_BT.sum(axis=1)
    num_chosen_B = np.minimum(num_usable_B, np.maximum(1, np.rint(policy.mask_rate * num_usable_B).astype(np.int64)))
    waits_BT = context.generator.standard_exponential(usable_BT.shape) / weights_BT
    waits_BT[~usable_BT] = np.inf
    ranks_BT = waits_BT.argsort(axis=1).argsort(axis=1)
    return (ranks_BT < num_chosen_B[:, None]) & usable_BT


def _one_side(
    second_start_B: NDArray[np.int64], *, lengths_B: NDArray[np.int64], context: CollateContext
) -> NDArray[np.bool_]:
    """Return the tokens on sides that are masked: one side, drawn at random, in a share of the pairs; else both."""
    policy = context.spec.masking or MaskingPolicy()
    in_second_BT = np.arange(lengths_B.max()) >= second_start_B[:, None]
    draws_B, sides_B = context.generator.random((2, len(lengths_B)))
    one_side_B = (draws_B < policy.one_side_probability) & (second_start_B < lengths_B)
    return (in_second_BT == (sides_B < 0.5)[:, None]) | ~one_side_B[:, None]  # noqa: PLR2004  (equal probability)


def _special_tokens(context: CollateContext) -> NDArray[np.bool_]:
    special = np.zeros(len(context.tokenizer), dtype=np.bool_)
    special[context.tokenizer.all_special_ids] = True
    return special


def _weights(input_ids_BT: NDArray[np.int64], *, context: CollateContext) -> NDArray[np.float64]:
    exponent = (context.spec.masking or MaskingPolicy()).frequency_exponent
    if context.token_counts is None or exponent == 0:
        return np.ones(input_ids_BT.shape)
    return np.maximum(context.token_counts[input_ids_BT], 1).astype(np.float64) ** exponent


def _mask(
    input_ids_BT: NDArray[np.int64], *, chosen_BT: NDArray[np.bool_], context: CollateContext
) -> NDArray[np.int64]:
    mask_id: Any = context.tokenizer.mask_token_id
    draws_BT = context.generator.random(input_ids_BT.shape)
    ordinary = np.flatnonzero(~_special_tokens(context))
    random_BT = ordinary[context.generator.integers(0, len(ordinary), input_ids_BT.shape)]
    masked_BT = np.where(chosen_BT & (draws_BT < MASKED_SHARE), mask_id, input_ids_BT)
    return np.where(chosen_BT & (draws_BT >= 1 - RANDOM_SHARE), random_BT, masked_BT)
