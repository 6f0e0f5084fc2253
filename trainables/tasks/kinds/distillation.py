"""Kind `distillation`: a text whose sentence vector a frozen teacher gives, and the same text or a translation of it.

The teacher reads the English text. The student, which is trained, reads the translation, or the English text where
there is none (Reimers and Gurevych 2020, arXiv 2004.09813; for CLIP: Carlsson et al. 2022, Multilingual-CLIP, LREC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.tasks.kinds.image_text_retrieval import recall_in_blocks
from trainables.tasks.kinds.text_batches import checked_texts, encode_texts, padded, with_row_numbers

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

TAUGHT = "taught"
"""Column with the text that the teacher reads. `trainables/training/teacher_vectors.py` replaces it by its vectors."""


class Distillation:
    """Kind of a task whose rows are `text` (English) and, optionally, `translation`; scored by recall@1.

    A row can hold a list of texts, such as the captions of an image: each text is an example. With translations, it
    holds one text and one translation, or a list of translations of it, each an example.
    """

    name: KindName = "distillation"
    required_columns: tuple[str, ...] = ("text",)
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids` (of the student's text), `length`, `taught` (the teacher's text), `row`.

        Rows without a text, or without a translation where the task has translations, are dropped.

        Raises:
            TaskDataError: A value is not a text.
        """
        pairs = _pairs(with_row_numbers(rows))
        input_ids = encode_texts(checked_texts(pairs, column="read", context=context), context=context)
        return {
            "input_ids": input_ids,
            "length": [len(ids) for ids in input_ids],
            TAUGHT: checked_texts(pairs, column="text", context=context),
            "row": pairs["row"],
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, and `teacher_vectors_BV` where they were computed before."""
        text = padded([example["input_ids"] for example in examples], context=context)
        vectors = [example[TAUGHT] for example in examples]
        if isinstance(vectors[0], str):
            return text
        return {**text, "teacher_vectors_BV": torch.from_numpy(np.stack(vectors))}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return how often (0..1) the student's vector is nearest to the teacher's of its own text, in blocks of 100.

        Args:
            outputs: `student` and `teacher` (both B x V, of length 1).
            examples: The encoded columns.
            spec: Not used: there is one metric.

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec
        return recall_in_blocks(outputs["student"], images_BE=outputs["teacher"], num=len(examples["length"]))


def _pairs(rows: Columns) -> dict[str, list[Any]]:
    """Return rows with one English `text` and one text that the student reads, `read`, in each."""
    pairs: list[tuple[Any, Any, int]] = []
    translations = rows.get("translation")
    for number, texts in enumerate(map(_several, rows["text"])):
        row = int(rows["row"][number])
        if translations is None:
            pairs += [(text, text, row) for text in texts]
        else:
            pairs += [(text, read, row) for text in texts[:1] for read in _several(translations[number])]
    return {"text": [one[0] for one in pairs], "read": [one[1] for one in pairs], "row": [one[2] for one in pairs]}


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value or ())
