"""Reports what an encoder reads of a task: sizes, lengths, classes, examples. `xstilts tasks check` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: a raw row's values are the data set's own

import numpy as np
from pydantic import Field

from trainables.config import FrozenModel
from trainables.data.labels.classes import Reading
from trainables.data.labels.left_out import reason_of
from trainables.data.sources.cells import is_left_out, with_answers
from trainables.data.sources.files import long_cells_note
from trainables.data.sources.locator import MINIATURE, locate_model, mirror_folder
from trainables.data.sources.readable import check_content, check_readable
from trainables.errors import UnavailableError
from trainables.results import SplitRows
from trainables.tasks.spec import GeneratedSource, TaskSpec
from trainables.tasks.special_tokens import SpellingCounter

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

MAX_EXAMINED = 10_000
"""Most rows of a split in a language whose length is measured."""

MAX_NAMED_CLASSES = 12
"""Most classes that a warning about their order names."""
_NUM_BOOLEANS = 2

NUM_EXAMPLES = 3
UNBOUNDED = 1_000_000
"""A maximum length in tokens that no text reaches, so that lengths are measured before truncation."""

_XLM_R = ("FacebookAI/xlm-roberta-large", "FacebookAI/xlm-roberta-base")


class SplitReport(FrozenModel):
    """One split in one language."""

    split: str
    """Split of the task: `train`, `validation` or `test`."""
    language: str
    """Language code."""
    num_rows: int
    """Rows of the source."""
    num_examples: int
    """Rows that have a label, among those examined."""
    num_examined: int
    """Rows whose length was measured: the first ones."""
    median_tokens: int
    """Median length of a text or pair, in tokens, before truncation."""
    tokens_95: int
    """The 95th percentile of the lengths."""
    max_tokens: int
    """The largest length."""
    too_long: float
    """Share (0..1) of lengths above `max_length`. Such texts are truncated; spans and tags are read in pieces."""
    classes: dict[str, int]
    """Class -> number of its examples; empty for kinds without classes."""
    left_out: SplitRows
    """Rows of the whole split that are left out, and rows whose texts spell special tokens."""
    num_without_name: int = 0
    """Labels that are numbers without a name in the source; they were read in the order of the task's classes."""
    unlabelled: dict[str, int] = Field(default_factory=dict)
    """Value that means "no label" (or "no tag") -> how often it occurs."""


class ExampleReport(FrozenModel):
    """One example."""

    cells: dict[str, str]
    """Column -> its value; labels are written by name."""
    tokens: tuple[str, ...] = Field(strict=False)
    """The tokens that the encoder reads. For multiple choice: those of the question with the right choice."""


class TaskReport(FrozenModel):
    """The report of a task."""

    name: str
    """Name of the task."""
    kind: str
    """Kind of the task: its format."""
    metric: str
    """Metric that scores it."""
    languages: tuple[str, ...] = Field(strict=False)
    """Languages of the task."""
    encoder: str
    """Encoder whose tokenizer was used."""
    max_length: int
    """Maximum length of a text, in tokens."""
    splits: tuple[SplitReport, ...] = Field(strict=False)
    """Every split in every language."""
    examples: tuple[ExampleReport, ...] = Field(strict=False)
    """The first examples of the first split."""
    warnings: tuple[str, ...] = Field(strict=False)
    """Notes on what is allowed but may be a mistake."""


def examine_task(spec: TaskSpec, *, encoder: str | None, max_length: int) -> TaskReport:
    """Return the report of a task, after checking all its rows.

    Args:
        spec: The task.
        encoder: Name or folder of the encoder whose tokenizer is used; None chooses one as `default_encoder` does.
        max_length: Maximum length of a text in tokens.

    Raises:
        InputError: The task, one of its rows or the encoder cannot be used; the message says what is wrong and where.
    """
    parts = [(split, language) for split in spec.splits for language in _languages(spec, split)]
    for split, language in parts:
        check_readable(spec, split=split, language=language)
        check_content(spec, split=split, language=language)
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
    """Return the name of an encoder that needs no download: XLM-R, one from the mirror, or the miniature."""
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
    """Return the first row of a task; labels are written by name.

    Raises:
        InputError: The row cannot be read.
    """
    from trainables.data.sources.loader import load_rows

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
        """Return the report of one split."""
        reading = Reading()
        rows = self._rows(split, language=language, reading=reading)
        examined = rows.select(range(min(len(rows), MAX_EXAMINED)))
        encoded = self._encode(examined, max_length=UNBOUNDED, split=split)
        lengths = np.array([_longest(encoded, number) for number in range(len(encoded["length"]))] or [0])
        return SplitReport(
            split=split,
            language=language,
            num_rows=len(rows),
            num_examples=len(set(encoded["row"])),
            num_examined=len(examined),
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
        from trainables.data.sources.loader import load_rows

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
    # The `length` of a question with choices is the number of choices times the longest, which is what it costs.
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
        found.append("there is no validation split; set num_dev_items: 0 in a phase that trains on this task")
    if "train" not in spec.splits:
        found.append("there is no train split: the task can be scored, but not trained on")
    for split in splits:
        if note := long_cells_note(spec, split=split.split, language=split.language):
            found.append(note)
        missing = [name for name in spec.labels if split.classes and name not in split.classes]
        if missing:
            found.append(f"{split.split} {split.language} has no examples of class {', '.join(missing)}")
        found += filter(None, (split.left_out.left_out_words(), split.left_out.spelling_words()))
        found += _tag_notes(split, spec=spec)
    return found + _order_notes(spec, splits=splits)


def _order_notes(spec: TaskSpec, *, splits: Sequence[SplitReport]) -> list[str]:
    """Return a warning about labels that are numbers without names; the package's own rows need none."""
    places = ", ".join(f"{split.split} {split.language}" for split in splits if split.num_without_name)
    if not places or isinstance(spec.source, GeneratedSource):
        return []
    if spec.kind == "multiple_choice":
        order = "0 is read as the first choice; check that the source counts from 0, or give label_values"
    else:
        named = ", ".join(f"{number} is {name}" for number, name in list(enumerate(spec.labels))[:MAX_NAMED_CLASSES])
        more = " ..." if len(spec.labels) > MAX_NAMED_CLASSES else ""
        more += "; false is read as 0 and true as 1" if len(spec.labels) == _NUM_BOOLEANS else ""
        order = (
            f"they are read in the order of `labels`: {named}{more}; compare it with the source, or give label_values"
        )
    return [f"labels are numbers that the source does not name, so {order} (in {places})"]


def _tag_notes(split: SplitReport, *, spec: TaskSpec) -> list[str]:
    if spec.kind != "tagging" or not split.unlabelled:
        return []
    number, values = sum(split.unlabelled.values()), ", ".join(split.unlabelled)
    place = f"{split.split} {split.language}"
    return [f"{place}: {number} words or sentences have no tag ({values}); these words are not scored"]
