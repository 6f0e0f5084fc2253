"""An image and a question; the answer is one of the commonest of the train split (VQA v2, arXiv 1612.00837)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.pixels import image_files, image_tensors
from trainables.tasks.kinds.text import checked_texts, encode_texts, padded, with_row_numbers
from trainables.tasks.metrics.answers import FULL_CREDIT, answers_of, people_of

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec


class VisualQuestionAnswering:
    """Kind of a task whose rows are `image`, `question`, `answers`; scored by soft accuracy.

    Several people answered each question. An answer's credit is min(people / 3, 1) (Antol et al. 2015, arXiv
    1505.00468, section 3); the official script averages this over subsets of nine of ten people and strips articles
    and punctuation, which is left out here.
    """

    name: KindName = "visual_question_answering"
    required_columns: tuple[str, ...] = ("image", "question", "answers")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length` (text tokens), `image` (a file's bytes), `answers`, `people`, `row`.

        `answers` are numbers in `context.answers`, `people` how many gave each, up to those for full credit. A
        question none of whose answers can be given stays: it earns nothing. One without any answer is dropped.

        Raises:
            TaskDataError: A question is not text, answers are no answers, or an image no image.
        """
        rows = with_row_numbers(rows)
        given = [answers_of(value, task=context.spec.name) for value in rows["answers"]]
        kept = {name: [one for one, texts in zip(rows[name], given, strict=True) if texts] for name in rows}
        input_ids = encode_texts(checked_texts(kept, column="question", context=context), context=context)
        numbers = {answer: number for number, answer in enumerate(context.answers)}
        people = [_numbered(people_of(texts), numbers) for texts in given if texts]
        return {
            "input_ids": input_ids,
            "length": [len(ids) for ids in input_ids],
            "image": image_files(kept, context=context),
            "answers": [np.array(list(counts), dtype=np.int32) for counts in people],
            "people": [np.array(list(counts.values()), dtype=np.int32) for counts in people],
            "row": kept["row"],
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, the images' tensor, `credits_BA` (0..1).

        Raises:
            TaskDataError: The context has no image size.
        """
        text = padded([example["input_ids"] for example in examples], context=context)
        credits_BA = np.zeros((len(examples), context.spec.num_answers or 0), dtype=np.float32)
        for row, example in enumerate(examples):
            credits_BA[row, example["answers"]] = np.asarray(example["people"], dtype=np.float32) / FULL_CREDIT
        images = image_tensors(examples, context=context)
        return {**text, **images, "credits_BA": torch.from_numpy(credits_BA)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the mean credit (0..1) of the answers in `choices` (B; numbers in the vocabulary).

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec
        if len(examples["length"]) == 0:
            msg = "cannot score answers: there are 0 questions, at least 1 is needed; score a split that has some"
            raise TaskDataError(msg)
        pairs = zip(examples["answers"], examples["people"], strict=True)
        known = [dict(zip(answers, people, strict=True)) for answers, people in pairs]
        earned = [credit.get(int(choice), 0) for credit, choice in zip(known, outputs["choices"], strict=True)]
        return float(np.mean(earned)) / FULL_CREDIT


def _numbered(people: Mapping[str, int], numbers: Mapping[str, int]) -> dict[int, int]:
    """Return the number of each answer that can be given -> people who gave it."""
    return {numbers[answer]: count for answer, count in people.items() if answer in numbers}
