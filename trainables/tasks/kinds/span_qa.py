"""Kind `span_qa`: a question whose answer is a span of a context. Long contexts are read in windows.

Shapes: B windows, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.text_batches import checked_texts, padded, scalars, with_row_numbers
from trainables.tasks.metrics.squad_f1 import best_exact_match, best_f1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

STRIDE = 128
"""Tokens that neighbouring windows share (SQuAD script of Devlin et al. 2019), at most a third of `max_length`."""

NO_ANSWER = 0
"""Start and end position in a window without the answer: the first token, `<s>`."""


class SpanQa:
    """Kind of a task whose rows are `context`, `question`, `answers`; scored by SQuAD's F1 or exact match.

    `answers` holds `text` (texts) and `answer_start` (characters), as in SQuAD; both are empty for a question without
    an answer in its context. An example is a window; `row` is the number of its question. The target of a window
    without the answer is `<s>`. A prediction can be `<s>` (no answer) only in tasks that are `unanswerable`.
    """

    name: KindName = "span_qa"
    required_columns: tuple[str, ...] = ("context", "question", "answers")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return for each window `input_ids`, `length`, `context_start` (its first context token), `start`, `end`.

        Further columns are for scoring: `row`, `answers` (accepted texts), `text` (the window's part of the context),
        `text_starts` and `text_ends` (characters of `text` where each context token starts and ends).

        Raises:
            TaskDataError: A value is not a text, or an answer is not at the position that the source gives.
        """
        rows = with_row_numbers(rows)
        if not rows["row"]:
            return {name: [] for name in _ENCODED}
        encoded = _windows(rows, context)
        windows = [_window(encoded, number, rows=rows, context=context) for number in range(len(encoded["input_ids"]))]
        return {name: [window[name] for window in windows] for name in _ENCODED}

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, `span_mask_BT` (1: context and `<s>`), `starts_B`, `ends_B`."""
        text = padded([example["input_ids"] for example in examples], context=context)
        firsts_B = np.array([example["context_start"] for example in examples])
        # The tokenizer's template adds one special token after the context.
        ends_B = np.array([example["length"] for example in examples]) - 1
        places = np.arange(text["input_ids_BT"].shape[1])
        span_mask_BT = (places >= firsts_B[:, None]) & (places < ends_B[:, None])
        span_mask_BT[:, NO_ANSWER] = True
        return {
            **text,
            "span_mask_BT": torch.from_numpy(span_mask_BT.astype(np.int64)),
            "starts_B": scalars(examples, column="start"),
            "ends_B": scalars(examples, column="end"),
        }

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the mean over questions of SQuAD's F1 (0..1), or of its exact match with `metric: exact_match`.

        Args:
            outputs: Outputs of the head, as `answers_given` reads them.
            examples: The encoded columns.
            spec: The task, for its metric and `unanswerable`.

        Raises:
            TaskDataError: There is nothing to score.
        """
        given = answers_given(outputs, examples, unanswerable=spec.unanswerable)
        if not given:
            msg = "cannot score span_qa: there are 0 questions, at least 1 is needed; score a split that has questions"
            raise TaskDataError(msg)
        measure = best_exact_match if spec.metric == "exact_match" else best_f1
        each = [measure(one.text, answers=one.accepted, unanswerable=spec.unanswerable) for one in given]
        return float(np.mean(each))


class GivenAnswer(NamedTuple):
    """The predicted answer to a question."""

    row: int
    """Number of the question in its source."""
    text: str
    """The answer; empty for no answer."""
    accepted: list[str]
    """Accepted answers; empty for a question without an answer."""
    no_answer_margin: float
    """Logit of no answer minus logit of the best span; negative where the span is better."""


def answers_given(
    outputs: Mapping[str, np.ndarray], examples: Columns, *, unanswerable: bool = False
) -> list[GivenAnswer]:
    """Return the predicted answer to each question, in the source's order: the best span of its best window.

    Args:
        outputs: `starts`, `ends` (token positions, inclusive), `span_logits` and `null_logits`, B each.
        examples: The encoded columns.
        unanswerable: Whether a prediction can be "no answer". It is so where the lowest `null_logits` among the
            question's windows is above the best span's logits: SQuAD v2's rule with a threshold of 0 (Devlin et al.
            2019, section 4.3).
    """
    windows: dict[int, list[int]] = {}
    for number, row in enumerate(examples["row"]):
        windows.setdefault(int(row), []).append(number)
    given: list[GivenAnswer] = []
    for row in sorted(windows):
        best = max(windows[row], key=lambda number: float(outputs["span_logits"][number]))
        margin = min(float(outputs["null_logits"][number]) for number in windows[row])
        margin -= float(outputs["span_logits"][best])
        span = (int(outputs["starts"][best]), int(outputs["ends"][best]))
        text = "" if unanswerable and margin > 0 else _answer(examples, best, span=span)
        given.append(GivenAnswer(row, text, list(examples["answers"][best]), margin))
    return given


_ENCODED = (
    "input_ids",
    "length",
    "context_start",
    "start",
    "end",
    "row",
    "answers",
    "text",
    "text_starts",
    "text_ends",
)


def _windows(rows: Columns, context: EncodingContext) -> Any:
    """Return the tokenizer's windows. A question is truncated to half of the maximum length."""
    questions = checked_texts(rows, column="question", context=context)
    questions = _truncated([question.strip() for question in questions], context=context)
    return context.tokenizer(
        questions,
        checked_texts(rows, column="context", context=context),
        truncation="only_second",
        max_length=context.max_length,
        stride=min(STRIDE, context.max_length // 3),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )


def _truncated(questions: list[str], *, context: EncodingContext) -> list[str]:
    most = context.max_length // 2 - 4
    tokens: Any = context.tokenizer(questions, add_special_tokens=False, return_offsets_mapping=True)
    return [
        question if len(offsets) <= most else question[: offsets[most - 1][1]]
        for question, offsets in zip(questions, tokens["offset_mapping"], strict=True)
    ]


def _window(encoded: Any, number: int, *, rows: Columns, context: EncodingContext) -> dict[str, Any]:
    source = encoded["overflow_to_sample_mapping"][number]
    input_ids: list[int] = encoded["input_ids"][number]
    sides: list[int | None] = encoded.sequence_ids(number)
    first = next((place for place, side in enumerate(sides) if side == 1), len(input_ids) - 1)
    offsets = np.array(encoded["offset_mapping"][number][first : len(input_ids) - 1], dtype=np.int64).reshape(-1, 2)
    answers = rows["answers"][source] or {"text": [], "answer_start": []}
    low, high = (int(offsets[0, 0]), int(offsets[-1, 1])) if len(offsets) else (0, 0)
    start, end = _span(offsets, answers=answers, rows=rows, source=source, context=context)
    return {
        "input_ids": input_ids,
        "length": len(input_ids),
        "context_start": first,
        "start": first + start if start >= 0 else NO_ANSWER,
        "end": first + end if start >= 0 else NO_ANSWER,
        "row": int(rows["row"][source]),
        "answers": list(answers["text"]),
        "text": rows["context"][source][low:high],
        "text_starts": (offsets[:, 0] - low).tolist(),
        "text_ends": (offsets[:, 1] - low).tolist(),
    }


def _span(
    offsets: NDArray[np.int64], *, answers: Mapping[str, Any], rows: Columns, source: int, context: EncodingContext
) -> tuple[int, int]:
    """Return the first and last token of the first answer among a window's context tokens, or (-1, -1)."""
    if not len(answers["text"]):
        return -1, -1
    text, low = answers["text"][0], int(answers["answer_start"][0])
    high = low + len(text)
    if rows["context"][source][low:high] != text:
        msg = (
            f"cannot encode task {context.spec.name!r}: answer {text!r} is not at character {low} of its context "
            f"(row {rows['row'][source]}); answer_start counts characters from 0; correct the data"
        )
        raise TaskDataError(msg)
    if not len(offsets) or low < offsets[0, 0] or high > offsets[-1, 1] or high == low:
        return -1, -1
    start = int(np.searchsorted(offsets[:, 1], low, side="right"))
    end = int(np.searchsorted(offsets[:, 0], high, side="left")) - 1
    return start, max(start, end)


def _answer(examples: Columns, number: int, *, span: tuple[int, int]) -> str:
    starts, ends = examples["text_starts"][number], examples["text_ends"][number]
    first = examples["context_start"][number]
    low, high = span[0] - first, min(span[1] - first, len(ends) - 1)
    if not 0 <= low <= high:
        return ""
    return examples["text"][number][starts[low] : ends[high]]
