"""An image and its caption: which of many images does a caption describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.pixels import image_files, pixel_values
from trainables.tasks.text import checked_texts, encode_texts, padded, with_row_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

NUM_CANDIDATES = 100
"""Images that a caption chooses among, at most; a split is scored in blocks of as many, in its own order."""


class ImageTextRetrieval:
    """Kind of a task whose rows are `image`, `caption`; scored by recall@1 of image retrieval in blocks of 100."""

    name: KindName = "image_text_retrieval"
    required_columns: tuple[str, ...] = ("image", "caption")
    couples_examples: bool = True

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length` (text tokens), `image` (a file's bytes), `row`.

        Raises:
            TaskDataError: A caption is not text, or an image no image.
        """
        rows = with_row_numbers(rows)
        input_ids = encode_texts(checked_texts(rows, column="caption", context=context), context=context)
        return {
            "input_ids": input_ids,
            "length": [len(ids) for ids in input_ids],
            "image": image_files(rows, context=context),
            "row": list(rows["row"]),
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, `pixel_values_B3HW`.

        Raises:
            TaskDataError: The context has no image size.
        """
        text = padded([example["input_ids"] for example in examples], context=context)
        return {**text, "pixel_values_B3HW": pixel_values(examples, context=context)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return recall@1 (0..1) of `texts` against `images` (both B x E): the caption's own image is the nearest.

        Images that tie share the point, so that a collapsed model scores chance.

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec  # one metric
        if len(examples["length"]) == 0:
            msg = "cannot score retrieval: there are 0 examples, at least 1 is needed; score a split that has some"
            raise TaskDataError(msg)
        texts_BE, images_BE = outputs["texts"], outputs["images"]
        blocks = range(0, len(texts_BE), NUM_CANDIDATES)
        points = [
            _points(texts_BE[at : at + NUM_CANDIDATES], images_BE=images_BE[at : at + NUM_CANDIDATES]) for at in blocks
        ]
        return float(np.concatenate(points).mean())


def _points(texts_BE: NDArray[Any], *, images_BE: NDArray[Any]) -> NDArray[np.float64]:
    similarities_BB = texts_BE @ images_BE.T
    best_B1 = similarities_BB.max(axis=1, keepdims=True)
    at_best_BB = np.isclose(similarities_BB, best_B1, rtol=0, atol=1e-7)
    return np.diagonal(at_best_BB) / at_best_BB.sum(axis=1)
