"""Whether a split can be read, as far as that is known without `datasets`, a download or a second of work."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

from trainables.data.cells import UNLABELLED, file_rows
from trainables.data.files import source_files
from trainables.data.locate import locate_dataset
from trainables.data.mirrored import check_mirrored
from trainables.data.source import composed_tasks, source_fingerprint
from trainables.errors import TaskDataError
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, HubSource, TaskSpec
from trainables.tasks.supertags import read_sentences
from trainables.tasks.texts_source import TextsSource

MAX_CHECKED_ROWS = 100_000
"""Rows of a user's file that are checked before a trial starts: about a second. Later ones are checked when read."""


def check_readable(spec: TaskSpec, *, split: str, language: str) -> None:
    """Return when nothing is known that keeps a split from being read.

    Args:
        spec: The task.
        split: One of its splits.
        language: One of its languages.

    Raises:
        ConfigError: The mirror's copy lacks the configuration, split or column.
        TaskDataError: Texts or a file are missing, a file has changed or has a row that does not fit; or parts do not.
        UnavailableError: Neither mirror, nor cache, nor hub has the repository.
    """
    if isinstance(spec.source, FileSource):
        digest = source_fingerprint(spec)
        _check_file_rows(spec.model_dump_json(), digest, split=split, language=language)
    elif isinstance(spec.source, CorpusSource):
        read_sentences(spec, split=split)
    elif isinstance(spec.source, TextsSource):
        source_fingerprint(spec.model_copy(update={"languages": (language,)}))
    elif isinstance(spec.source, CompositeSource):
        for part in composed_tasks(spec):
            check_readable(part, split=split, language=language)
    elif isinstance(spec.source, HubSource):
        location = locate_dataset(spec.source.repository)
        if location.kind == "mirror" and location.path is not None:
            check_mirrored(spec, folder=location.path, split=split, language=language)


@lru_cache(maxsize=256)
def _check_file_rows(spec_json: str, digest: str | None, *, split: str, language: str) -> None:
    """Check rows once for each content: a sweep checks every family."""
    del digest
    spec = TaskSpec.model_validate_json(spec_json)
    num_rows = num_labelled = 0
    for name in spec.splits[split]:
        for row in islice(file_rows(spec, split=name, language=language), MAX_CHECKED_ROWS):
            num_rows += 1
            num_labelled += row.get("label") != UNLABELLED
    if num_labelled == 0:
        paths = [path for name in spec.splits[split] for path in source_files(spec, split=name, language=language)]
        msg = (
            f"cannot read task {spec.name!r}: splits.{split}: its files have {num_rows} rows, 0 of them with a label "
            f"({', '.join(path.name for path in paths)}); it needs at least 1: add rows"
        )
        raise TaskDataError(msg)
