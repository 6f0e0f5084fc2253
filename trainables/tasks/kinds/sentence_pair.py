"""Kind `sentence_pair`: two texts and a class, such as natural language inference or paraphrase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.tasks.kinds.text_batches import accuracy, checked_texts, encode_texts, labelled, padded, scalars

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec


class SentencePair:
    """Kind of a task whose rows are `premise`, `hypothesis`, `label`; scored by accuracy.

    A control can have only the premise.
    """

    name: KindName = "sentence_pair"
    required_columns: tuple[str, ...] = ("premise", "hypothesis", "label")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length`, `label`, `row`; rows without a label are dropped.

        Raises:
            TaskDataError: A text or label is not valid.
        """
        kept = labelled(rows, context=context)
        premises = checked_texts(kept, column="premise", context=context)
        hypotheses = checked_texts(kept, column="hypothesis", context=context) if "hypothesis" in kept else None
        input_ids = encode_texts(premises, context=context, pairs=hypotheses)
        lengths = [len(ids) for ids in input_ids]
        return {"input_ids": input_ids, "length": lengths, "label": kept["label"], "row": kept["row"]}

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, `labels_B`."""
        text = padded([example["input_ids"] for example in examples], context=context)
        return {**text, "labels_B": scalars(examples, column="label")}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the accuracy (0..1) of `logits` (B x labels).

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec  # one metric
        return accuracy(outputs["logits"].argmax(axis=-1), labels=examples["label"])
