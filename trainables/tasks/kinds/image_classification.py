"""Kind `image_classification`: an image, a text and a class, such as visual entailment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.tasks.kinds.pixels import image_columns, image_tensors
from trainables.tasks.kinds.text_batches import accuracy, checked_texts, encode_texts, labelled, padded, scalars

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec


class ImageClassification:
    """Kind of a task whose rows are `image`, `hypothesis`, `label`; scored by accuracy."""

    name: KindName = "image_classification"
    required_columns: tuple[str, ...] = ("image", "hypothesis", "label")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length` (text tokens), `image` (a file's bytes, where the rows have it), `label`, `row`.

        Raises:
            TaskDataError: A text, label or image is not valid.
        """
        kept = labelled(rows, context=context)
        input_ids = encode_texts(checked_texts(kept, column="hypothesis", context=context), context=context)
        return {
            "input_ids": input_ids,
            "length": [len(ids) for ids in input_ids],
            **image_columns(kept, context=context),
            "label": kept["label"],
            "row": kept["row"],
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, the images' tensor where there are images, `labels_B`.

        Raises:
            TaskDataError: The context has no image size.
        """
        text = padded([example["input_ids"] for example in examples], context=context)
        images = image_tensors(examples, context=context)
        return {**text, **images, "labels_B": scalars(examples, column="label")}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the accuracy (0..1) of `logits` (B x labels).

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec  # one metric
        return accuracy(outputs["logits"].argmax(axis=-1), labels=examples["label"])
