"""Kind `visual_question_answering`: an image and a question (VQA v2, arXiv 1612.00837).

The answer is one of the most frequent answers of the train split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.pixels import image_files, image_tensors
from trainables.tasks.kinds.text_batches import checked_texts, encode_texts, padded, with_row_numbers
from trainables.tasks.metrics.vqa_answers import FULL_CREDIT, answers_of, people_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec


class VisualQuestionAnswering:
    """Kind of a task whose rows are `image`, `question`, `answers`; scored by soft accuracy, or by accuracy.

    With the metric `accuracy`, each given answer has full credit: GQA (arXiv 1902.09506) has one for each question.

    With `soft_accuracy`, several people answered each question. The credit of an answer is min(people / 3, 1) (Antol et
    al. 2015, arXiv 1505.00468, section 3). The official script also averages over subsets of nine of ten people and
    removes articles and punctuation; this kind does not.
    """

    name: KindName = "visual_question_answering"
    required_columns: tuple[str, ...] = ("image", "question", "answers")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids`, `length` (text tokens), `image` (a file's bytes), `answers`, `people`, `row`.

        `answers` are numbers in `context.answers`; `people` is how many people gave each, up to the number for full
        credit. A question whose answers are all outside the vocabulary is kept, and scores 0. A question without any
        answer is dropped.

        Raises:
            TaskDataError: A question, its answers or an image are not valid.
        """
        rows = with_row_numbers(rows)
        given = [answers_of(value, task=context.spec.name) for value in rows["answers"]]
        kept = {name: [value for value, texts in zip(rows[name], given, strict=True) if texts] for name in rows}
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
            people = np.asarray(example["people"], dtype=np.float32)
            credits_BA[row, example["answers"]] = _credits(people, spec=context.spec)
        images = image_tensors(examples, context=context)
        return {**text, **images, "credits_BA": torch.from_numpy(credits_BA)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the mean credit (0..1) of the answers in `choices` (B; numbers in the vocabulary).

        Raises:
            TaskDataError: There is nothing to score.
        """
        if len(examples["length"]) == 0:
            msg = "cannot score answers: there are 0 questions, at least 1 is needed; score a split that has questions"
            raise TaskDataError(msg)
        pairs = zip(examples["answers"], examples["people"], strict=True)
        known = [dict(zip(answers, people, strict=True)) for answers, people in pairs]
        earned = [credit.get(int(choice), 0) for credit, choice in zip(known, outputs["choices"], strict=True)]
        if spec.metric == "accuracy":
            return float(np.mean(np.array(earned) > 0))
        return float(np.mean(earned)) / FULL_CREDIT


def _credits(people: NDArray[np.float32], *, spec: TaskSpec) -> NDArray[np.float32]:
    """Return the credit (0..1) of answers that some people gave."""
    return (people > 0).astype(np.float32) if spec.metric == "accuracy" else people / np.float32(FULL_CREDIT)


def _numbered(people: Mapping[str, int], numbers: Mapping[str, int]) -> dict[int, int]:
    """Return number of the answer -> number of people who gave it, for the answers in the vocabulary."""
    return {numbers[answer]: count for answer, count in people.items() if answer in numbers}
