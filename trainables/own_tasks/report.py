"""What a task looks like to an encoder: sizes, lengths, classes, examples. Behind `xstilts tasks check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: a raw row's values are the data set's own

import numpy as np
from pydantic import Field

from trainables.config import FrozenModel
from trainables.data.cells import is_left_out, with_answers
from trainables.data.classes import Reading
from trainables.data.files import long_cells_note
from trainables.data.left_out import reason_of
from trainables.data.locate import MINIATURE, locate_model, mirror_folder
from trainables.data.readable import check_readable
from trainables.errors import UnavailableError
from trainables.results import SplitRows
from trainables.tasks.spec import GeneratedSource, TaskSpec
from trainables.tasks.special_tokens import SpellingCounter

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

MAX_EXAMINED = 10_000
"""Rows of a split and language whose length is measured."""

MAX_NAMED_CLASSES = 12
"""Classes that a note about their order names."""
_NUM_BOOLEANS = 2

NUM_EXAMPLES = 3
UNBOUNDED = 1_000_000
"""Tokens that no text has: lengths are measured uncut."""

_XLM_R = ("FacebookAI/xlm-roberta-large", "FacebookAI/xlm-roberta-base")


class SplitReport(FrozenModel):
    """One split in one language."""

    split: str
    """Our split."""
    language: str
    """Language code."""
    num_rows: int
    """Rows of the source."""
    num_examples: int
    """Rows that have a label, of those examined."""
    num_examined: int
    """Rows whose length was measured: the first ones."""
    median_tokens: int
    """Median length of a text or pair, in tokens, uncut."""
    tokens_95: int
    """Length that 95 % do not exceed."""
    max_tokens: int
    """The longest."""
    too_long: float
    """Share (0..1) that exceeds the longest text: cut, or for spans and tags read in pieces."""
    classes: dict[str, int]
    """Class -> how often it is the right one; empty for kinds without classes."""
    left_out: SplitRows
    """Rows of the whole split that make no example, and those of which texts spell special tokens."""
    num_without_name: int = 0
    """Labels that are numbers to which the source gives no name: the task's order was taken for theirs."""
    unlabelled: dict[str, int] = Field(default_factory=dict)
    """What stands in place of a label, or of a word's tag -> how often."""


class ExampleReport(FrozenModel):
    """One example."""

    cells: dict[str, str]
    """Column -> what is in it, labels by name."""
    tokens: tuple[str, ...] = Field(strict=False)
    """What the encoder reads; of a question with choices, the right one."""


class TaskReport(FrozenModel):
    """What was found in a task."""

    name: str
    """Name of the task."""
    kind: str
    """Its format."""
    metric: str
    """What scores it."""
    languages: tuple[str, ...] = Field(strict=False)
    """Languages that it has."""
    encoder: str
    """Encoder whose tokenizer was used."""
    max_length: int
    """Longest text, in tokens."""
    splits: tuple[SplitReport, ...] = Field(strict=False)
    """Every split in every language."""
    examples: tuple[ExampleReport, ...] = Field(strict=False)
    """The first examples of the first split."""
    warnings: tuple[str, ...] = Field(strict=False)
    """What is no mistake, and may be a surprise."""


def examine_task(spec: TaskSpec, *, encoder: str | None, max_length: int) -> TaskReport:
    """Return what is found in a task, after checking all its rows.

    Args:
        spec: The task.
        encoder: Name or folder of the encoder whose tokenizer is used; None chooses XLM-R's, where it is here.
        max_length: Longest text in tokens.

    Raises:
        InputError: The task, its rows or the encoder do not fit; says what and where.
    """
    parts = [(split, language) for split in spec.splits for language in _languages(spec, split)]
    for split, language in parts:
        check_readable(spec, split=split, language=language)
    from trainables.models.encoder import load_tokenizer
    from trainables.plan.starting_weights import encoder_folder

    name = encoder or default_encoder()
    examiner = _Examiner(spec, tokenizer=load_tokenizer(encoder_folder(name, revision=None)), max_length=max_length)
    splits = [examiner.split(split, language=language) for split, language in parts]
    return TaskReport(
        name=spec.name,
        kind=spec.kind,
        metric=spec.metric,
        languages=spec.languages,
        encoder=name,
        max_length=max_length,
        splits=tuple(splits),
        examples=tuple(examiner.examples(parts[0][0], language=parts[0][1])),
        warnings=tuple(_warnings(spec, splits=splits)),
    )


def default_encoder() -> str:
    """Return the name of an encoder that is here without a download: XLM-R, one of the mirror's, or the miniature."""
    for name in _XLM_R:
        try:
            if locate_model(name).path is not None:
                return name
        except UnavailableError:
            continue
    mirror = mirror_folder()
    mirrored = sorted((mirror / "models").glob("*/*/tokenizer.json")) if mirror else list[Path]()
    return "/".join(mirrored[0].parts[-3:-1]) if mirrored else MINIATURE


def example_cells(spec: TaskSpec) -> dict[str, str]:
    """Return the first row of a task, labels by name.

    Raises:
        InputError: It cannot be read.
    """
    from trainables.data.load import load_rows

    split = next(iter(spec.splits))
    rows = load_rows(spec, split=split, language=spec.training_language)
    return _cells(rows[0], spec=spec)


def _languages(spec: TaskSpec, split: str) -> Sequence[str]:
    return (spec.training_language,) if split == "train" else spec.languages


class _Examiner:
    """Measures splits of one task."""

    def __init__(self, spec: TaskSpec, *, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self._spec, self._tokenizer, self._max_length = spec, tokenizer, max_length

    def split(self, split: str, *, language: str) -> SplitReport:
        """Return what one split is like."""
        reading = Reading()
        rows = self._rows(split, language=language, reading=reading)
        some = rows.select(range(min(len(rows), MAX_EXAMINED)))
        encoded = self._encode(some, max_length=UNBOUNDED, split=split)
        lengths = np.array([_longest(encoded, number) for number in range(len(encoded["length"]))] or [0])
        return SplitReport(
            split=split,
            language=language,
            num_rows=len(rows),
            num_examples=len(set(encoded["row"])),
            num_examined=len(some),
            median_tokens=int(np.median(lengths)),
            tokens_95=int(np.quantile(lengths, 0.95, method="higher")),
            max_tokens=int(lengths.max()),
            too_long=float(np.mean(lengths > self._max_length)),
            classes=_classes(rows, spec=self._spec),
            left_out=self._left_out(rows, split=split, language=language, reading=reading),
            num_without_name=reading.num_without_name,
            unlabelled=dict(reading.unlabelled),
        )

    def _left_out(self, rows: Dataset, *, split: str, language: str, reading: Reading) -> SplitRows:
        spelling = SpellingCounter(self._spec.kind, tokenizer=self._tokenizer)
        texts = rows.select_columns([name for name in rows.column_names if name not in self._spec.image_columns])
        num_left_out = 0
        for start in range(0, len(rows), MAX_EXAMINED):
            chunk = cast("dict[str, list[Any]]", texts[start : start + MAX_EXAMINED])
            spelling.add(chunk)
            num_left_out += sum(is_left_out(row) for row in _rows_of(chunk))
        return SplitRows(
            task=self._spec.name,
            split=split,
            language=language,
            num_rows=len(rows),
            num_left_out=num_left_out,
            reason=reason_of(reading, kind=self._spec.kind) if num_left_out else "",
            num_spelling=spelling.num_rows,
            spelled=tuple(spelling.spelled),
        )

    def examples(self, split: str, *, language: str) -> list[ExampleReport]:
        """Return the first examples of a split."""
        rows = self._rows(split, language=language)
        encoded = self._encode(rows.select(range(min(len(rows), 20))), max_length=self._max_length, split=split)
        first = {row: number for number, row in reversed(list(enumerate(encoded["row"])))}
        found = sorted(first.items())[:NUM_EXAMPLES]
        return [
            ExampleReport(cells=_cells(rows[row], spec=self._spec), tokens=self._tokens(encoded, number))
            for row, number in found
        ]

    def _rows(self, split: str, *, language: str, reading: Reading | None = None) -> Dataset:
        from trainables.data.load import load_rows

        return load_rows(self._spec, split=split, language=language, reading=reading)

    def _encode(self, rows: Dataset, *, max_length: int, split: str) -> dict[str, list[Any]]:
        from trainables.tasks.kinds.by_name import kind
        from trainables.tasks.kinds.kind import EncodingContext

        columns = cast("dict[str, list[Any]]", rows[:])
        context = EncodingContext(spec=self._spec, tokenizer=self._tokenizer, max_length=max_length, split=split)
        return kind(self._spec.kind).encode(with_answers({**columns, "row": range(len(rows))}), context)

    def _tokens(self, encoded: Mapping[str, list[Any]], number: int) -> tuple[str, ...]:
        ids = list(encoded["input_ids"][number])
        if "choice_lengths" in encoded:
            lengths, right = encoded["choice_lengths"][number], encoded["label"][number]
            ids = ids[sum(lengths[:right]) : sum(lengths[: right + 1])]
        return tuple(self._tokenizer.convert_ids_to_tokens([int(token) for token in ids]))


def _rows_of(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _longest(encoded: Mapping[str, list[Any]], number: int) -> int:
    # The `length` of a question with choices is what it costs: choices times the longest.
    return max(encoded["choice_lengths"][number]) if "choice_lengths" in encoded else encoded["length"][number]


def _classes(rows: Dataset, *, spec: TaskSpec) -> dict[str, int]:
    names = spec.labels or spec.label_values
    if "label" in rows.column_names:
        counts = Counter(rows["label"])
    elif "tags" in rows.column_names:
        counts = Counter(tag for tags in rows["tags"] for tag in tags or ())
    elif spec.kind == "span_qa":
        return dict(Counter(map(_answered, rows["answers"])))
    else:
        return {}
    return {_class_name(number, names=names): counts[number] for number in sorted(counts, key=str)}


def _answered(answers: Any) -> str:
    if answers is None:
        return "(not stated)"
    return "answered" if answers["text"] else "without an answer"


def _class_name(number: Any, *, names: Sequence[str]) -> str:
    if number is None or number < 0:
        return "(no label)"
    return str(names[number] if number < len(names) else number)


def _cells(row: Mapping[str, Any], *, spec: TaskSpec) -> dict[str, str]:
    names = spec.labels or spec.label_values
    return {column: _shown(column, value, names=names) for column, value in row.items()}


def _shown(column: str, value: Any, *, names: Sequence[str]) -> str:
    if column == "label":
        return _class_name(value, names=names)
    if column == "tags":
        return " ".join(_class_name(tag, names=names) for tag in value or ())
    if isinstance(value, Mapping):
        return _shown_object(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return (" " if column == "tokens" else " | ").join(str(item) for item in value)
    return str(value)


def _shown_object(value: Mapping[str, Any]) -> str:
    if "bytes" in value:
        return f"an image, {len(value['bytes'] or b'')} bytes"
    return ", ".join(f"{name} {part}" for name, part in value.items())


def _warnings(spec: TaskSpec, *, splits: Sequence[SplitReport]) -> list[str]:
    found: list[str] = []
    if "validation" not in spec.splits:
        found.append("there is no validation split; a phase that trains on it needs num_dev_items: 0")
    if "train" not in spec.splits:
        found.append("there is no train split: it can be scored, and not trained on")
    for split in splits:
        if note := long_cells_note(spec, split=split.split, language=split.language):
            found.append(note)
        missing = [name for name in spec.labels if split.classes and name not in split.classes]
        if missing:
            found.append(f"{split.split} {split.language} has no example of class {', '.join(missing)}")
        found += filter(None, (split.left_out.left_out_words(), split.left_out.spelling_words()))
        found += _tag_notes(split, spec=spec)
    return found + _order_notes(spec, splits=splits)


def _order_notes(spec: TaskSpec, *, splits: Sequence[SplitReport]) -> list[str]:
    """Return what is to be said of labels that are numbers without names; the package's own rows are in order."""
    places = ", ".join(f"{split.split} {split.language}" for split in splits if split.num_without_name)
    if not places or isinstance(spec.source, GeneratedSource):
        return []
    if spec.kind == "multiple_choice":
        order = "0 is taken for the first choice; check that the source counts from 0, or give label_values"
    else:
        named = ", ".join(f"{number} is {name}" for number, name in list(enumerate(spec.labels))[:MAX_NAMED_CLASSES])
        more = " ..." if len(spec.labels) > MAX_NAMED_CLASSES else ""
        more += "; false counts as 0 and true as 1" if len(spec.labels) == _NUM_BOOLEANS else ""
        order = f"the task's order is taken: {named}{more}; check it against the source's, or give label_values"
    return [f"labels are numbers, and the source does not name them, so {order} (in {places})"]


def _tag_notes(split: SplitReport, *, spec: TaskSpec) -> list[str]:
    if spec.kind != "tagging" or not split.unlabelled:
        return []
    number, values = sum(split.unlabelled.values()), ", ".join(split.unlabelled)
    place = f"{split.split} {split.language}"
    return [f"{place}: {number} words or sentences have no tag ({values}); such words are not scored"]
