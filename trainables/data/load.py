"""Rows of a task, from a mirror, the hub or the miniature: the only loader, and a door to `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any  # Any: a raw row's values are the data set's own, and pyarrow is untyped

import datasets
import datasets.config
import pyarrow as pa
import yaml
from datasets.exceptions import DatasetsError
from datasets.table import InMemoryTable

from trainables.data.cells import file_rows
from trainables.data.classes import Reading
from trainables.data.hub import HUB_ERRORS, Wanted, hub_refusal
from trainables.data.labels import with_class_numbers
from trainables.data.locate import Location, locate_dataset
from trainables.data.mirrored import files_of_split
from trainables.data.source import composed_tasks, folder_hash, source_splits
from trainables.data.texts import load_texts
from trainables.errors import TaskDataError
from trainables.tasks.formats import FORMATS, Content
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, GeneratedSource, HubSource, TaskSpec
from trainables.tasks.supertags import UNSEEN, read_sentences
from trainables.tasks.texts_source import TextsSource

ROWS_PER_TABLE = 10_000
"""Rows of a user's file that are Python objects at a time; as Arrow they take about the file's size."""

_ARROW_TYPES: dict[Content, Any] = {
    "text": pa.string(),
    "maybe_text": pa.string(),
    "texts": pa.list_(pa.string()),
    "some_texts": pa.list_(pa.string()),
    "words": pa.list_(pa.string()),
    "class": pa.int64(),
    "classes": pa.list_(pa.int64()),
    "choice": pa.int64(),
    "answers": pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
    "id": pa.string(),
    "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
}

# Bars of a few milliseconds each would fill the logs of every rank.
datasets.disable_progress_bars()

_REPOSITORY_ERRORS: tuple[type[Exception], ...] = (yaml.YAMLError, RuntimeError, TypeError, KeyError, AttributeError)
"""What `datasets` raises beside them: of a README that is torn, of a loading script, which is not run."""


def load_rows(spec: TaskSpec, *, split: str, language: str = "en", reading: Reading | None = None) -> datasets.Dataset:
    """Return a task's rows under the kind's column names, labels as class numbers, images undecoded.

    Args:
        spec: The task.
        split: Our split: `train`, `validation` or `test`.
        language: Which of the task's languages.
        reading: Counts what is met in their labels.

    Raises:
        TaskDataError: The task has no such split or language, or the source lacks a split, column or label.
        UnavailableError: Neither mirror, nor cache, nor hub has the repository.
    """
    sources = source_splits(spec, split=split, language=language)
    match spec.source:
        case CompositeSource():
            return _composed(spec, sources=sources, language=language, reading=reading)
        case CorpusSource():
            return datasets.concatenate_datasets([_from_corpus(spec, split=source) for source in sources])
        case FileSource():
            files = [_from_files(spec, split=source, language=language, reading=reading) for source in sources]
            return datasets.concatenate_datasets(files)
        case GeneratedSource():
            parts = [_generated(spec.source, split=source, language=language) for source in sources]
        case HubSource():
            location = locate_dataset(spec.source.repository)
            found = [_from_hub(spec, location=location, split=source, language=language) for source in sources]
            parts = [part for part in found if part is not None]
        case TextsSource():
            return load_texts(spec, split=split, language=language)
    # Parts are numbered by their own feature's class names before they are joined: those could differ.
    numbered = [with_class_numbers(_renamed(part, spec), spec=spec, reading=reading) for part in parts]
    return datasets.concatenate_datasets(numbered)


def _generated(source: GeneratedSource, *, split: str, language: str) -> datasets.Dataset:
    from trainables.miniature.rows import rows

    return datasets.Dataset.from_dict(rows(source.generator, split=split, language=language))


def _from_files(spec: TaskSpec, *, split: str, language: str, reading: Reading | None) -> datasets.Dataset:
    contents = FORMATS[spec.kind].columns
    schema = pa.schema([(name, _ARROW_TYPES[contents[name]]) for name in contents if name in spec.columns])
    rows = file_rows(spec, split=split, language=language, reading=reading)
    tables = [schema.empty_table()]
    while some := list(islice(rows, ROWS_PER_TABLE)):
        tables.append(pa.Table.from_pylist(some, schema=schema))
    return datasets.Dataset(InMemoryTable(pa.concat_tables(tables)))


def _composed(spec: TaskSpec, *, sources: tuple[str, ...], language: str, reading: Reading | None) -> datasets.Dataset:
    parts = [(source, part) for source in sources for part in composed_tasks(spec)]
    return datasets.concatenate_datasets(
        [load_rows(part, split=source, language=language, reading=reading) for source, part in parts]
    )


def _from_corpus(spec: TaskSpec, *, split: str) -> datasets.Dataset:
    numbers = {label: number for number, label in enumerate(spec.labels)}
    sentences = read_sentences(spec, split=split)
    words = [list(words) for words, _ in sentences]
    tags = [[numbers.get(tag, UNSEEN) for tag in tags] for _, tags in sentences]
    return datasets.Dataset.from_dict({"tokens": words, "tags": tags})


def _from_hub(spec: TaskSpec, *, location: Location, split: str, language: str) -> datasets.Dataset | None:
    """Return a split of a repository, or None where it lacks one that is written `name?`."""
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    config = source.config_of(language)
    revision = source.revision if location.path is None else None
    files = _files_alone(spec, location=location, config=config, split=split.removesuffix("?"))
    try:
        return datasets.load_dataset(
            location.target,
            config,
            split=split.removesuffix("?"),
            revision=revision,
            cache_dir=_prepared_folder(location),
            data_files=files,
            verification_mode="no_checks" if files else None,  # else it misses the splits that it is not to read
        )
    except (*HUB_ERRORS, DatasetsError, *_REPOSITORY_ERRORS) as error:
        if split.endswith("?") and "Unknown split" in str(error):
            return None
        wanted = Wanted(repository=source.repository, folder="datasets", revision=revision)
        if location.path is None and (refusal := hub_refusal(error, wanted=wanted)):
            raise refusal from error
        msg = (
            f"cannot load task {spec.name!r}: split {split!r}, config {config!r} of {location.target!r}: "
            f"{_said(error)}; the source must hold every split that the task names; correct the task or the mirror"
        )
        raise TaskDataError(msg) from error


def _said(error: BaseException) -> str:
    """Return in one line what was wrong at the bottom: `datasets` raises errors of its own from it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _files_alone(spec: TaskSpec, *, location: Location, config: str | None, split: str) -> dict[str, list[str]] | None:
    """Return the files of one split of a task that has a locked one, so that no other split is read."""
    if location.path is None or "test" not in spec.splits:
        return None
    files = files_of_split(location.path, config=config, split=split)
    return {split: files} if files else None


def _prepared_folder(location: Location) -> str | None:
    """Return where `datasets` keeps the Arrow files of a local folder; None is its own place, for what is on the hub.

    datasets 5.2 names them by the folder's base name and configuration alone: it would serve the rows of another
    mirror, or those of this one before it was changed.
    """
    if location.path is None:
        return None
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "xstilts" / folder_hash(location.path)[:32])


def _renamed(rows: datasets.Dataset, spec: TaskSpec) -> datasets.Dataset:
    if any("." in column for column in _theirs(spec)):
        rows = _with_fields(rows, spec)
    missing = [column for column in _theirs(spec) if column not in rows.column_names]
    if missing:
        msg = (
            f"cannot load task {spec.name!r}: its source has no column {missing[0]!r}, it has "
            f"{', '.join(rows.column_names)}; correct the task's `columns`"
        )
        raise TaskDataError(msg)
    single = {theirs: ours for ours, theirs in spec.columns.items() if isinstance(theirs, str)}
    renamed = rows.select_columns(list(single)).rename_columns(
        {theirs: ours for theirs, ours in single.items() if ours != theirs}
    )
    for ours, theirs in spec.columns.items():
        if not isinstance(theirs, str):
            values, feature = _joined(rows, theirs, content=FORMATS[spec.kind].columns.get(ours))
            renamed = renamed.add_column(ours, values, feature=feature)  # pyright: ignore[reportCallIssue]  (a fingerprint is optional)
    for column, feature in renamed.features.items():
        if isinstance(feature, datasets.Image):
            renamed = renamed.cast_column(column, datasets.Image(decode=False))
    return renamed


def _joined(rows: datasets.Dataset, columns: Sequence[str], *, content: Content | None) -> tuple[list[Any], Any]:
    """Return several columns as one of lists, with its feature; a text and its start as a list of answers."""
    values = list(zip(*(rows[column] for column in columns), strict=True))
    if content != "answers":
        return [list(parts) for parts in values], datasets.List(rows.features[columns[0]])
    feature = {"text": rows.features[columns[0]], "answer_start": rows.features[columns[1]]}
    return [
        [{"text": text, "answer_start": start}] if text not in (None, "") else [] for text, start in values
    ], datasets.List(feature)


def _theirs(spec: TaskSpec) -> list[str]:
    """Return the source's columns that a task reads, each once."""
    named = [(column,) if isinstance(column, str) else column for column in spec.columns.values()]
    return list(dict.fromkeys(column for columns in named for column in columns))


def _with_fields(rows: datasets.Dataset, spec: TaskSpec) -> datasets.Dataset:
    """Return rows with the structs opened that a dotted column such as `choices.text` reaches into."""
    flat = rows.flatten()
    fields = [column for column in _theirs(spec) if "." in column and column in flat.column_names]
    return datasets.concatenate_datasets([rows, flat.select_columns(fields)], axis=1)
