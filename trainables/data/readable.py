"""Whether a split can be read, as far as that is known without `datasets`, a download or a second of work."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

from trainables.data.cells import file_rows, is_left_out
from trainables.data.classes import Reading
from trainables.data.files import source_files
from trainables.data.left_out import reason_of
from trainables.data.locate import locate_dataset
from trainables.data.mirrored import check_mirrored
from trainables.data.source import composed_tasks, source_fingerprint
from trainables.errors import TaskDataError
from trainables.results import SplitRows
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, HubSource, TaskSpec
from trainables.tasks.supertags import read_sentences
from trainables.tasks.texts_source import TextsSource

MAX_CHECKED_ROWS = 100_000
"""Rows of a user's file that are checked before a trial starts: about a second. Later ones are checked when read."""


def check_readable(spec: TaskSpec, *, split: str, language: str) -> tuple[SplitRows, ...]:
    """Return what is known of rows that will be left out, when nothing is known that keeps a split from being read.

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
        return (_check_file_rows(spec.model_dump_json(), digest, split=split, language=language),)
    if isinstance(spec.source, CorpusSource):
        read_sentences(spec, split=split)
    elif isinstance(spec.source, TextsSource):
        source_fingerprint(spec.model_copy(update={"languages": (language,)}))
    elif isinstance(spec.source, CompositeSource):
        parts = [check_readable(part, split=split, language=language) for part in composed_tasks(spec)]
        return tuple(rows for part in parts for rows in part)
    elif isinstance(spec.source, HubSource):
        location = locate_dataset(spec.source.repository)
        if location.kind == "mirror" and location.path is not None:
            check_mirrored(spec, folder=location.path, split=split, language=language)
    return ()


@lru_cache(maxsize=256)
def _check_file_rows(spec_json: str, digest: str | None, *, split: str, language: str) -> SplitRows:
    """Check rows once for each content: a sweep checks every family."""
    del digest
    spec, reading = TaskSpec.model_validate_json(spec_json), Reading()
    num_left_out = 0
    for name in spec.splits[split]:
        rows = file_rows(spec, split=name, language=language, reading=reading)
        num_left_out += sum(is_left_out(row) for row in islice(rows, MAX_CHECKED_ROWS))
    if num_left_out == reading.num_rows:
        paths = [path for name in spec.splits[split] for path in source_files(spec, split=name, language=language)]
        msg = (
            f"cannot read task {spec.name!r}: splits.{split}: its files have {reading.num_rows} rows, 0 of them with a "
            f"label ({', '.join(path.name for path in paths)}); it needs at least 1: add rows"
        )
        raise TaskDataError(msg)
    return SplitRows(
        task=spec.name,
        split=split,
        language=language,
        num_rows=reading.num_rows,
        num_left_out=num_left_out,
        reason=reason_of(reading, kind=spec.kind) if num_left_out else "",
    )
