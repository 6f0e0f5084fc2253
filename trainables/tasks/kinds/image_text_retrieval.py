"""Kind `image_text_retrieval`: images and captions; a caption is matched with the image that it describes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.pixels import image_columns, image_tensors
from trainables.tasks.kinds.text_batches import checked_texts, encode_texts, padded, with_row_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

NUM_CANDIDATES = 100
"""Most images that a caption is compared with. A split is scored in blocks of this size, in its own order."""


class ImageTextRetrieval:
    """Kind of a task whose rows are `image`, `caption`; scored by recall@1 of image retrieval in blocks of 100.

    A caption is a text or a list of texts (Flickr30k and COCO have five for an image). An example is an image. It is
    trained with one of its captions, drawn again each time; so a batch never holds an image twice, and another caption
    of the same image never counts as wrong. It is scored with its first caption.
    """

    name: KindName = "image_text_retrieval"
    required_columns: tuple[str, ...] = ("image", "caption")
    couples_examples: bool = True

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids` (concatenated captions), `caption_lengths`, `length` (of the longest), `image`, `row`.

        Lengths are in tokens. Rows without captions are dropped.

        Raises:
            TaskDataError: A caption or image is not valid.
        """
        captioned = _captioned(with_row_numbers(rows), only_first=context.split != "train")
        flat = {"caption": [text for texts in captioned["caption"] for text in texts]}
        input_ids = iter(encode_texts(checked_texts(flat, column="caption", context=context), context=context))
        captions = [list(itertools.islice(input_ids, len(texts))) for texts in captioned["caption"]]
        return {
            "input_ids": [[token for ids in group for token in ids] for group in captions],
            "caption_lengths": [[len(ids) for ids in group] for group in captions],
            "length": [max(map(len, group)) for group in captions],
            **image_columns(captioned, context=context),
            "row": captioned["row"],
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, the images' tensor.

        Raises:
            TaskDataError: The context has no image size.
        """
        drawn_B = context.generator.random(len(examples))
        captions = [_caption(example, drawn=drawn) for example, drawn in zip(examples, drawn_B, strict=True)]
        return {**padded(captions, context=context), **image_tensors(examples, context=context)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return recall@1 (0..1) of `texts` against `images` (both B x E): how often the own image is the nearest.

        Images with equal similarity share the point, so a collapsed model scores at chance level.

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec  # one metric
        return recall_in_blocks(outputs["texts"], images_BE=outputs["images"], num=len(examples["length"]))


def recall_in_blocks(texts_BE: NDArray[Any], *, images_BE: NDArray[Any], num: int) -> float:
    """Return how often (0..1) a text's own image is the nearest of its block, by the scalar product.

    Args:
        texts_BE: Vectors of the texts.
        images_BE: Vectors of the images, or of other texts, in the same order.
        num: Number of examples.

    Raises:
        TaskDataError: There is nothing to score.
    """
    if num == 0:
        msg = "cannot score retrieval: there are 0 examples, at least 1 is needed; score a split that has examples"
        raise TaskDataError(msg)
    blocks = range(0, len(texts_BE), NUM_CANDIDATES)
    points = [
        _points(texts_BE[at : at + NUM_CANDIDATES], images_BE=images_BE[at : at + NUM_CANDIDATES]) for at in blocks
    ]
    return float(np.concatenate(points).mean())


def _captioned(rows: Columns, *, only_first: bool) -> dict[str, list[Any]]:
    """Return the rows that have a caption, each with a list of captions."""
    lists = [[texts] if isinstance(texts, str) else list(texts or ()) for texts in rows["caption"]]
    kept = [number for number, texts in enumerate(lists) if texts]
    columns = {name: [values[number] for number in kept] for name, values in rows.items()}
    return {**columns, "caption": [lists[number][: 1 if only_first else None] for number in kept]}


def _caption(example: Mapping[str, Any], *, drawn: float) -> NDArray[np.integer]:
    """Return one caption of an example, selected by a number from 0 to 1."""
    ends = np.cumsum(example["caption_lengths"])
    number = int(drawn * len(ends))
    return example["input_ids"][0 if number == 0 else ends[number - 1] : ends[number]]


def _points(texts_BE: NDArray[Any], *, images_BE: NDArray[Any]) -> NDArray[np.float64]:
    similarities_BB = texts_BE @ images_BE.T
    best_B1 = similarities_BB.max(axis=1, keepdims=True)
    at_best_BB = np.isclose(similarities_BB, best_B1, rtol=0, atol=1e-7)
    return np.diagonal(at_best_BB) / at_best_BB.sum(axis=1)
