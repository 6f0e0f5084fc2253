"""Loads the rows of a task from any source. One of the few modules that import `datasets`."""

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

from trainables.data.labels.classes import Reading
from trainables.data.labels.labels import with_class_numbers
from trainables.data.sources.cells import file_rows
from trainables.data.sources.hub import HUB_ERRORS, Wanted, hub_refusal
from trainables.data.sources.joined_rows import joined_columns, with_joined, with_shared_images
from trainables.data.sources.language_rows import rows_of_language
from trainables.data.sources.locator import Location, locate_dataset
from trainables.data.sources.mirrored import files_of_split
from trainables.data.sources.own_folders.annotations import read_annotations
from trainables.data.sources.own_folders.bitexts import read_bitext
from trainables.data.sources.own_folders.captions import read_captions
from trainables.data.sources.own_folders.entity_pools import read_entity_pool
from trainables.data.sources.sentence_pools import sentence_pool_rows
from trainables.data.sources.source import composed_tasks, folder_hash, source_splits
from trainables.data.sources.texts import load_texts
from trainables.errors import TaskDataError
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.formats import FORMATS, Content
from trainables.tasks.locked_splits import has_locked_split
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, GeneratedSource, HubSource, TaskSpec
from trainables.tasks.supertags import UNSEEN, read_sentences
from trainables.tasks.texts_source import TextsSource

ROWS_PER_TABLE = 10_000
"""Rows of a user's file that are Python objects at the same time; as Arrow they take about the size of the file."""

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

# Progress bars of a few milliseconds each would fill the logs of every rank.
datasets.disable_progress_bars()

_REPOSITORY_ERRORS: tuple[type[Exception], ...] = (yaml.YAMLError, RuntimeError, TypeError, KeyError, AttributeError)
"""Further errors of `datasets`: for a damaged README, or for a loading script, which it does not run."""


def load_rows(spec: TaskSpec, *, split: str, language: str = "en", reading: Reading | None = None) -> datasets.Dataset:
    """Return a task's rows under the kind's column names, with labels as class numbers and images not decoded.

    Args:
        spec: The task.
        split: Split of the task: `train`, `validation` or `test`.
        language: One of the task's languages.
        reading: Counts that are increased while labels are read.

    Raises:
        TaskDataError: The task does not have the split or language, or the source lacks a split, column or label.
        UnavailableError: The repository is not in the mirror, the cache or on the hub.
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
        case TextsSource():
            return load_texts(spec, split=split, language=language)
        case _:
            joined: list[datasets.Dataset] = []
            found = [_from_source(spec, split=source, language=language, joined=joined) for source in sources]
    # Labels are converted before parts are joined, because the class names of the parts can differ.
    kept = [rows_of_language(part, spec=spec, language=language) for part in found if part is not None]
    numbered = [with_class_numbers(_renamed(part, spec), spec=spec, reading=reading) for part in kept]
    rows = datasets.concatenate_datasets(numbered)
    return with_shared_images(rows, joined, spec=spec) if joined else rows


def _from_source(
    spec: TaskSpec, *, split: str, language: str, joined: list[datasets.Dataset]
) -> datasets.Dataset | None:
    """Return a split under the source's names of columns; None if it is written `name?` and not there.

    Rows of a joined configuration are added to `joined`.
    """
    match spec.source:
        case GeneratedSource():
            return _generated(spec.source, split=split, language=language)
        case CaptionSource():
            return _captions(read_captions(spec, split=split, language=language))
        case BitextSource() | EntityPoolSource() | AnnotationSource():
            return _from_own_folder(spec, split=split, language=language)
        case SentencePoolSource():
            return _sentence_pool(spec, split=split, language=language)
        case _:
            return _from_hub(spec, split=split, language=language, joined=joined)


def _generated(source: GeneratedSource, *, split: str, language: str) -> datasets.Dataset:
    from trainables.miniature.rows import rows

    return datasets.Dataset.from_dict(rows(source.generator, split=split, language=language))


def _from_files(spec: TaskSpec, *, split: str, language: str, reading: Reading | None) -> datasets.Dataset:
    contents = FORMATS[spec.kind].columns
    schema = pa.schema([(name, _ARROW_TYPES[contents[name]]) for name in contents if name in spec.columns])
    rows = file_rows(spec, split=split, language=language, reading=reading)
    tables = [schema.empty_table()]
    while chunk := list(islice(rows, ROWS_PER_TABLE)):
        tables.append(pa.Table.from_pylist(chunk, schema=schema))
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


def _from_own_folder(spec: TaskSpec, *, split: str, language: str) -> datasets.Dataset:
    if isinstance(spec.source, AnnotationSource):
        return _annotated(read_annotations(spec, split=split, language=language))
    read = read_bitext if isinstance(spec.source, BitextSource) else read_entity_pool
    return _texts(read(spec, split=split, language=language))


def _texts(columns: dict[str, list[str | None]]) -> datasets.Dataset:
    texts = datasets.Value("string")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(dict.fromkeys(columns, texts)))


def _captions(columns: dict[str, list[Any]]) -> datasets.Dataset:
    texts = datasets.Value("string")
    features = {"image": datasets.Image(decode=False), "caption": texts, "id": texts}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _annotated(columns: dict[str, list[Any]]) -> datasets.Dataset:
    rows = datasets.Dataset.from_dict({name: values for name, values in columns.items() if name != "image"})
    if "image" not in columns:
        return rows
    file = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    return rows.add_column("image", columns["image"], feature=file)  # pyright: ignore[reportCallIssue, reportArgumentType]  (fingerprints are optional)


def _sentence_pool(spec: TaskSpec, *, split: str, language: str) -> datasets.Dataset:
    source = spec.source
    assert isinstance(source, SentencePoolSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    base, text = task(source.task), datasets.Value("string")
    wanted = dict.fromkeys((*source.pool, language))
    rows = {name: load_rows(base, split=split, language=name)[:] for name in wanted}
    columns = sentence_pool_rows(spec, of_languages=rows, language=language)
    features = {name: datasets.List(text) if name == "links" else text for name in columns}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _from_hub(spec: TaskSpec, *, split: str, language: str, joined: list[datasets.Dataset]) -> datasets.Dataset | None:
    """Return a split of a repository; as in `_from_source`."""
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    location = locate_dataset(source.repository)
    rows = _of_config(spec, location=location, config=source.config_of(language, split=split), split=split)
    if rows is None or source.join is None or not joined_columns(spec):
        return rows
    config = source.joined_config_of(language, split=split)
    others = _of_config(spec, location=location, config=config, split=split.removesuffix("?"))
    assert others is not None  # noqa: S101  (it was not optional)
    first = sum(map(len, joined))
    joined.append(others)
    join = source.join.model_copy(update={"config": config})
    own = source.config_of(language, split=split) or source.repository
    return with_joined(rows, others, spec=spec, join=join, own=own, first=first)


def _of_config(spec: TaskSpec, *, location: Location, config: str | None, split: str) -> datasets.Dataset | None:
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    revision = source.revision if location.path is None else None
    files = _files_of_one_split(spec, location=location, config=config, split=split.removesuffix("?"))
    try:
        return datasets.load_dataset(
            location.target,
            config,
            split=split.removesuffix("?"),
            revision=revision,
            cache_dir=_prepared_folder(location),
            data_files=files,
            verification_mode="no_checks" if files else None,  # without it, `datasets` requires the other splits too
        )
    except (*HUB_ERRORS, DatasetsError, *_REPOSITORY_ERRORS) as error:
        if split.endswith("?") and "Unknown split" in str(error):
            return None
        wanted = Wanted(repository=source.repository, folder="datasets", revision=revision)
        if location.path is None and (refusal := hub_refusal(error, wanted=wanted)):
            raise refusal from error
        msg = (
            f"cannot load task {spec.name!r}: split {split!r}, config {config!r} of {location.target!r}: "
            f"{_root_cause(error)}; the source must hold every split that the task names; correct the task or mirror"
        )
        raise TaskDataError(msg) from error


def _root_cause(error: BaseException) -> str:
    """Return in one line the first error of a chain; `datasets` raises its own errors from it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _files_of_one_split(
    spec: TaskSpec, *, location: Location, config: str | None, split: str
) -> dict[str, list[str]] | None:
    """Return the files of one split of a source with a locked test split, so that `datasets` reads no other split."""
    is_locked = isinstance(spec.source, HubSource) and has_locked_split(spec.source.repository)
    if location.path is None or not ("test" in spec.splits or is_locked):
        return None
    files = files_of_split(location.path, config=config, split=split)
    return {split: files} if files else None


def _prepared_folder(location: Location) -> str | None:
    """Return where `datasets` stores the Arrow files of a local folder; None, for the hub, is its default.

    datasets 5.2 names these files only by the base name and configuration of the folder. So it would return the rows of
    another mirror, or old rows of a mirror that has changed.
    """
    if location.path is None:
        return None
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "xstilts" / folder_hash(location.path)[:32])


def _renamed(rows: datasets.Dataset, spec: TaskSpec) -> datasets.Dataset:
    if any("." in column for column in spec.source_columns):
        rows = _with_fields(rows, spec)
    missing = [column for column in spec.source_columns if column not in rows.column_names]
    if missing:
        msg = (
            f"cannot load task {spec.name!r}: its source has no column {missing[0]!r}; it has "
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
            renamed = renamed.add_column(ours, values, feature=feature)  # pyright: ignore[reportCallIssue]  (fingerprints are optional)
    for column, feature in renamed.features.items():
        if isinstance(feature, datasets.Image):
            renamed = renamed.cast_column(column, datasets.Image(decode=False))
    return renamed


def _joined(rows: datasets.Dataset, columns: Sequence[str], *, content: Content | None) -> tuple[list[Any], Any]:
    """Return several columns as one column of lists, and its feature; a text and its start become a list of answers."""
    values = list(zip(*(rows[column] for column in columns), strict=True))
    if content != "answers":
        return [list(parts) for parts in values], datasets.List(rows.features[columns[0]])
    feature = {"text": rows.features[columns[0]], "answer_start": rows.features[columns[1]]}
    return [
        [{"text": text, "answer_start": start}] if text not in (None, "") else [] for text, start in values
    ], datasets.List(feature)


def _with_fields(rows: datasets.Dataset, spec: TaskSpec) -> datasets.Dataset:
    """Return rows with an additional column for each struct field that the task reads, such as `choices.text`."""
    flat = rows.flatten()
    fields = [column for column in spec.source_columns if "." in column and column in flat.column_names]
    return datasets.concatenate_datasets([rows, flat.select_columns(fields)], axis=1)
