"""Kind `tagging`: a sentence as words, and a tag for each word: parts of speech, named entities, supertags.

A word's tag is predicted at its first subword (Devlin et al. 2019, section 5.3). A sentence that is too long is split
between words into several pieces, so that every word is predicted and scored.

Shapes: B pieces, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple  # Any: a raw row's values are the data set's own

import numpy as np
import torch

from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.kinds.text_batches import UNLABELLED, accuracy, padded, with_row_numbers
from trainables.tasks.metrics.spans_f1 import spans_f1
from trainables.tasks.supertags import UNSEEN

if TYPE_CHECKING:
    from trainables.tasks.kinds.kind import CollateContext, Columns, EncodingContext
    from trainables.tasks.spec import KindName, TaskSpec

NOT_PREDICTED = -100
"""Target of a token that is not a first subword, or whose word has no tag; torch's cross-entropy ignores it."""


class TaggedSentence(NamedTuple):
    """A sentence's tags by name, without words that have no gold tag."""

    row: int
    """Number of the sentence in its source."""
    gold: list[str]
    """Gold tags; `<unseen>` replaces a tag that is not among the task's labels."""
    predicted: list[str]
    """Predicted tags."""


class Tagging:
    """Kind of a task whose rows are `tokens` (words) and `tags` (class numbers), one for each word.

    Scored by accuracy over words, or with `metric: seqeval_f1` by the F1 of the spans that IOB tags mark. An example is
    a piece of a sentence; `row` is the number of its sentence. A sentence without words makes no example.
    """

    name: KindName = "tagging"
    required_columns: tuple[str, ...] = ("tokens", "tags")
    couples_examples: bool = False

    def encode(self, rows: Columns, context: EncodingContext) -> dict[str, list[Any]]:
        """Return for each piece `input_ids`, `length`, `word_starts` (each word's first subword), `tags`, `row`.

        Sentences without tags (None) are dropped. A word whose tag is None or -1 is read but not scored.

        Raises:
            TaskDataError: A word or tag is not valid, or a sentence does not have one tag for each word.
        """
        rows = with_row_numbers(rows)
        given = [number for number, tags in enumerate(rows["tags"]) if tags is not None]
        sentences = [_words(rows, number, context=context) for number in given]
        subwords = _subwords({word for words in sentences for word in words}, context=context)
        columns: dict[str, list[Any]] = {name: [] for name in _ENCODED}
        for number, words in zip(given, sentences, strict=True):
            tags = _tags(rows, number, num_words=len(words), context=context)
            for piece in _pieces([subwords[word] for word in words], tags=tags, context=context):
                for name, value in zip(_ENCODED, (*piece, int(rows["row"][number])), strict=True):
                    columns[name].append(value)
        return columns

    def collate(self, examples: Sequence[Mapping[str, Any]], context: CollateContext) -> dict[str, torch.Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT`, `targets_BT` (-100 where nothing is predicted)."""
        text = padded([example["input_ids"] for example in examples], context=context)
        targets_BT = np.full(text["input_ids_BT"].shape, NOT_PREDICTED, dtype=np.int64)
        for row, example in enumerate(examples):
            tags = np.asarray(example["tags"])
            targets_BT[row, example["word_starts"]] = np.where(tags < 0, NOT_PREDICTED, tags)
        return {**text, "targets_BT": torch.from_numpy(targets_BT)}

    def score(self, outputs: Mapping[str, np.ndarray], examples: Columns, *, spec: TaskSpec) -> float:
        """Return the task's metric (0..1) of `tags` (B x T, class numbers): accuracy, or F1 of spans.

        Raises:
            TaskDataError: There is nothing to score.
        """
        sentences = tagged_sentences(outputs, examples, labels=spec.labels)
        gold = [sentence.gold for sentence in sentences]
        predicted = [sentence.predicted for sentence in sentences]
        if spec.metric == "seqeval_f1":
            return spans_f1(gold, predicted=predicted)
        pairs = [pair for sentence in sentences for pair in zip(sentence.gold, sentence.predicted, strict=True)]
        hits = [tag == guess for tag, guess in pairs]
        return accuracy(np.array(hits, dtype=np.int64), labels=[1] * len(hits))


def tagged_sentences(
    outputs: Mapping[str, np.ndarray], examples: Columns, *, labels: Sequence[str]
) -> list[TaggedSentence]:
    """Return the sentences of a split with gold and predicted tags, in the source's order; their pieces are joined.

    Args:
        outputs: `tags`, B x T.
        examples: The encoded columns.
        labels: The task's labels.
    """
    names = [*labels, "<unseen>"]
    sentences: dict[int, TaggedSentence] = {}
    for number, row in enumerate(examples["row"]):
        sentence = sentences.setdefault(int(row), TaggedSentence(int(row), [], []))
        predicted = outputs["tags"][number][np.asarray(examples["word_starts"][number])]
        for tag, guess in zip(examples["tags"][number], predicted, strict=True):
            if tag != NOT_PREDICTED:
                sentence.gold.append(names[-1 if tag == UNSEEN else tag])
                sentence.predicted.append(names[int(guess)])
    return [sentences[row] for row in sorted(sentences)]


_ENCODED = ("input_ids", "length", "word_starts", "tags", "row")


def _words(rows: Columns, number: int, *, context: EncodingContext) -> list[str]:
    words: list[Any] = list(rows["tokens"][number] or ())
    for word in words:
        if not isinstance(word, str):
            msg = (
                f"cannot encode task {context.spec.name!r}: column 'tokens' holds {word!r} in row "
                f"{rows['row'][number]}, but each entry must be a word; correct the task's `columns` or the data"
            )
            raise TaskDataError(msg)
    return words


def _tags(rows: Columns, number: int, *, num_words: int, context: EncodingContext) -> list[int]:
    tags, limit = list(rows["tags"][number]), len(context.spec.labels)
    where = f"cannot encode task {context.spec.name!r}: row {rows['row'][number]}"
    if len(tags) != num_words:
        counts = f"{number_of(num_words, 'word')} and {number_of(len(tags), 'tag')}"
        msg = f"{where} has {counts}; each word needs one tag; correct the data"
        raise TaskDataError(msg)
    for tag in tags:
        if tag not in (None, UNLABELLED, UNSEEN) and not (isinstance(tag, int | np.integer) and 0 <= tag < limit):
            msg = (
                f"{where} has tag {tag!r}, which is not a class number from 0 to {limit - 1}; list every tag in the "
                "task's `labels` (and in `label_values` where the source uses other names)"
            )
            raise TaskDataError(msg)
    return [NOT_PREDICTED if tag in (None, UNLABELLED) else int(tag) for tag in tags]


def _subwords(words: set[str], *, context: EncodingContext) -> dict[str, list[int]]:
    """Return each word's token ids: at least one (the unknown token for spaces), and no more than fit into a piece."""
    if not words:
        return {}
    unknown: Any = context.tokenizer.unk_token_id
    ordered = sorted(words)
    encoded: Any = context.tokenizer(ordered, add_special_tokens=False, return_attention_mask=False)
    most = max(1, context.max_length - len(_template(context)))
    return {word: (ids or [unknown])[:most] for word, ids in zip(ordered, encoded["input_ids"], strict=True)}


def _template(context: EncodingContext) -> list[int]:
    """Return the special tokens around a text: one before the text, the others after it."""
    encoded: Any = context.tokenizer("")
    return encoded["input_ids"]


def _pieces(
    subwords: Sequence[list[int]], *, tags: Sequence[int], context: EncodingContext
) -> list[tuple[list[int], int, list[int], list[int]]]:
    """Return the pieces of a sentence, with the parts that `_ENCODED` names, except the row."""
    first, *last = _template(context)
    pieces: list[tuple[list[int], list[int], list[int]]] = []
    for ids, tag in zip(subwords, tags, strict=True):
        if not pieces or len(pieces[-1][0]) + len(ids) + len(last) > context.max_length:
            pieces.append(([first], [], []))
        input_ids, starts, kept = pieces[-1]
        starts.append(len(input_ids))
        kept.append(tag)
        input_ids.extend(ids)
    return [([*ids, *last], len(ids) + len(last), starts, kept) for ids, starts, kept in pieces]
