"""Kind `multiple_choice`: a question with several choices, one of which is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.text_batches import accuracy, checked_texts, encode_texts, labelled, padded_runs, scalars

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec


class MultipleChoice:
    """Kind of a task whose rows are `question`, `choices` (texts), `label` (a choice's number); scored by accuracy.

    A task can also have `context`, a text that is read before the question.

    Every example of a task has the same number of choices, so that examples can be stacked.
    """

    name: KindName = "multiple_choice"
    required_columns: tuple[str, ...] = ("question", "choices", "label")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return `input_ids` (concatenated choices), `choice_lengths`, `length` (choices x longest), `label`, `row`.

        Raises:
            TaskDataError: A text or label is not valid, or rows have different numbers of choices.
        """
        choices: list[list[str]] = [list(texts) for texts in rows["choices"]]
        num_choices = _num_choices(choices, context=context)
        kept = labelled(rows, context=context, num_classes=num_choices)
        questions = _questions(kept, context=context)
        flat = {"choices": [text for texts in kept["choices"] for text in texts]}
        input_ids = encode_texts(
            [question for question in questions for _ in range(num_choices)],
            context=context,
            pairs=checked_texts(flat, column="choices", context=context),
        )
        groups = [input_ids[at : at + num_choices] for at in range(0, len(input_ids), num_choices)]
        return {
            "input_ids": [[token for ids in group for token in ids] for group in groups],
            "choice_lengths": [[len(ids) for ids in group] for group in groups],
            "length": [num_choices * max(map(len, group)) for group in groups],
            "label": kept["label"],
            "row": kept["row"],
        }

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BCT`, `attention_mask_BCT`, `labels_B`.

        Raises:
            TaskDataError: Examples have different numbers of choices.
        """
        lengths = [example["choice_lengths"] for example in examples]
        if len({len(choice_lengths) for choice_lengths in lengths}) != 1:
            raise _uneven_choices({len(choice_lengths) for choice_lengths in lengths}, task=context.spec.name)
        tokens = np.concatenate([example["input_ids"] for example in examples])
        text = padded_runs(tokens, lengths_B=np.concatenate(lengths), context=context)
        shape = (len(examples), len(lengths[0]), -1)
        return {
            "input_ids_BCT": text["input_ids_BT"].view(shape),
            "attention_mask_BCT": text["attention_mask_BT"].view(shape),
            "labels_B": scalars(examples, column="label"),
        }

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the accuracy (0..1) of `logits` (B x choices).

        Raises:
            TaskDataError: There is nothing to score.
        """
        del spec  # one metric
        return accuracy(outputs["logits"].argmax(axis=-1), labels=examples["label"])


def _questions(rows: Columns, *, context: EncodingContext) -> list[str]:
    questions = checked_texts(rows, column="question", context=context)
    if "context" not in rows:
        return questions
    contexts = checked_texts(rows, column="context", context=context)
    return [f"{before} {question}" for before, question in zip(contexts, questions, strict=True)]


def _num_choices(choices: Sequence[Sequence[str]], *, context: EncodingContext) -> int:
    counts = {len(texts) for texts in choices}
    if len(counts) > 1 or 0 in counts:
        raise _uneven_choices(counts, task=context.spec.name)
    return next(iter(counts), 1)


def _uneven_choices(counts: set[int], *, task: str) -> TaskDataError:
    return TaskDataError(
        f"cannot read task {task!r}: its rows have {' and '.join(map(str, sorted(counts)))} choices; every row must "
        "have the same number of choices, at least 1; remove or complete the other rows"
    )
