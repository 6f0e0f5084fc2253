"""A question whose answer is a span of a context. Long contexts are read in windows.

Shapes: B windows, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.tasks.kinds.text import checked_texts, padded, scalars, with_row_numbers
from trainables.tasks.metrics.squad_f1 import best_exact_match, best_f1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

STRIDE = 128
"""Tokens that neighbouring windows share (Devlin et al. 2019's SQuAD script), at most a third of the longest text."""

NO_ANSWER = 0
"""Position that start and end have in a window without the answer: the first token, `<s>`."""


class SpanQa:
    """Kind of a task whose rows are `context`, `question`, `answers`; scored by SQuAD's F1 or exact match.

    `answers` holds `text` (texts) and `answer_start` (characters), as in SQuAD; both are empty for a question that its
    context does not answer. An example is a window; `row` says which question it belongs to. A window without the
    answer trains towards `<s>`; when answers are given `<s>` counts only in tasks that are `unanswerable`.
    """

    name: KindName = "span_qa"
    required_columns: tuple[str, ...] = ("context", "question", "answers")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return for each window `input_ids`, `length`, `context_start` (its first context token), `start`, `end`.

        And for scoring: `row`, `answers` (accepted texts), `text` (the context that the window sees), `text_starts`
        and `text_ends` (characters of that text where each context token starts and ends).

        Raises:
            TaskDataError: A text is not text, or an answer stands elsewhere than its source says.
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
        # The template ends with one special token after the context.
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
            outputs: As `answers_given` reads them.
            examples: The encoded columns.
            spec: Its metric, and whether some of its questions have no answer.

        Raises:
            TaskDataError: There is nothing to score.
        """
        given = answers_given(outputs, examples, unanswerable=spec.unanswerable)
        if not given:
            msg = "cannot score span_qa: there are 0 questions, at least 1 is needed; score a split that has some"
            raise TaskDataError(msg)
        measure = best_exact_match if spec.metric == "exact_match" else best_f1
        return float(np.mean([measure(one.text, answers=one.accepted) for one in given]))


class GivenAnswer(NamedTuple):
    """What was answered to a question."""

    row: int
    """Number of the question in its source."""
    text: str
    """The answer; empty for none."""
    accepted: list[str]
    """Accepted answers; empty where the context holds none."""
    no_answer_margin: float
    """Logits by which no answer beats the best span; negative where the span wins."""


def answers_given(
    outputs: Mapping[str, np.ndarray], examples: Columns, *, unanswerable: bool = False
) -> list[GivenAnswer]:
    """Return the answer to each question, in the source's order: the best span of its best window.

    Args:
        outputs: `starts`, `ends` (token positions, inclusive), `span_logits` and `null_logits`, B each.
        examples: The encoded columns.
        unanswerable: Whether no answer is given where the lowest `null_logits` among the question's windows is above
            the best span's logits: SQuAD v2's rule with a threshold of 0 (Devlin et al. 2019, section 4.3).
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
    """Return the tokenizer's windows; a question may take half of the longest text, and is cut to it."""
    questions = checked_texts(rows, column="question", context=context)
    questions = _cut([question.strip() for question in questions], context=context)
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


def _cut(questions: list[str], *, context: EncodingContext) -> list[str]:
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
    """Return the first answer's first and last token among a window's context tokens, or (-1, -1)."""
    if not len(answers["text"]):
        return -1, -1
    text, low = answers["text"][0], int(answers["answer_start"][0])
    high = low + len(text)
    if rows["context"][source][low:high] != text:
        msg = (
            f"cannot encode task {context.spec.name!r}: answer {text!r} does not stand at character {low} of its "
            f"context (row {rows['row'][source]}); answer_start counts characters from 0; correct the data"
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
