"""Reads plain texts by language, without labels: lines of files, or paragraphs of a repository's articles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any  # Any: a raw row's values are the data set's own

import datasets
from datasets.exceptions import DatasetsError

from trainables.data.file_formats.data_file import TextFile
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.sources.hub import HUB_ERRORS, Wanted, hub_refusal
from trainables.data.sources.locator import locate_dataset
from trainables.data.sources.source import text_files
from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.spec import TaskSpec
from trainables.tasks.texts_source import TextsSource

TEXTS_A_DEV_TEXT = 50
"""One text in this many, starting with the first, belongs to the dev split."""


def load_texts(spec: TaskSpec, *, split: str, language: str) -> datasets.Dataset:
    """Return the texts of a language in a column `text`.

    Args:
        spec: A task whose source is a `TextsSource`.
        split: `train`, or `validation` for every fiftieth text.
        language: One of its languages.

    Raises:
        TaskDataError: The language does not have enough texts.
        UnavailableError: The repository is not in the mirror, the cache or on the hub.
    """
    source = spec.source
    assert isinstance(source, TextsSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    lines = _lines_of_files(source, language) if source.folder else _paragraphs(source, language)
    texts = list(islice(lines, source.num_texts))
    wanted = [text for number, text in enumerate(texts) if (number % TEXTS_A_DEV_TEXT == 0) == (split == "validation")]
    if not wanted:
        counts = f"{source.place!r} has {number_of(len(texts), 'text')}, but at least 2 are needed"
        msg = f"cannot train on texts in {language!r}: {counts}; add texts"
        raise TaskDataError(msg)
    return datasets.Dataset.from_dict({"text": wanted})


def _lines_of_files(source: TextsSource, language: str) -> Iterator[str]:
    for path in text_files(source, language):
        file = TextFile(
            path=path, encoding="utf-8", what="text", error=partial(_file_error, path=path, language=language)
        )
        yield from _not_empty(text_lines(file))


def _file_error(problem: str, *, where: str = "", path: Path, language: str) -> TaskDataError:
    place = f"{path.name}, {where}" if where else path.name
    return TaskDataError(f"cannot read texts in {language!r}: {place}: {problem}")


def _paragraphs(source: TextsSource, language: str) -> Iterator[str]:
    """Yield the paragraphs of articles. They are streamed, because a large Wikipedia has tens of gigabytes."""
    location = locate_dataset(source.repository or "")
    config = (source.config or "").format(language=language)
    revision = source.revision if location.path is None else None
    try:
        rows: Any = datasets.load_dataset(location.target, config, split="train", revision=revision, streaming=True)
        for row in rows:
            yield from _not_empty(row["text"].split("\n"))
    except (*HUB_ERRORS, DatasetsError) as error:
        wanted = Wanted(repository=location.repository, folder="datasets", revision=revision)
        if location.path is None and (refusal := hub_refusal(error, wanted=wanted)):
            raise refusal from error
        step = "correct the name of the repository or the language"
        msg = f"cannot read texts in {language!r}: config {config!r} of {location.target!r}: {error}; {step}"
        raise TaskDataError(msg) from error


def _not_empty(lines: Any) -> Iterator[str]:
    return (text for line in lines if (text := line.strip()))
