"""Encodes a split into Arrow files, in chunks, and publishes them atomically."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: encoded values are the kind's own, and pyarrow is untyped

import numpy as np
import pyarrow as pa
from pydantic import Field

from trainables.config.frozen import FrozenModel
from trainables.data.images import UNREADABLE, ImageWriter
from trainables.data.labels.classes import Reading
from trainables.data.labels.left_out import reason_of
from trainables.data.request import EncodedRequest
from trainables.data.sealed_cache import write_checksums
from trainables.data.sources.cells import with_answers
from trainables.data.sources.locked_content import LockedRowCounter
from trainables.errors import TaskDataError
from trainables.monitoring.watchdog import send_heartbeat
from trainables.results import SplitRows
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import EncodingContext
from trainables.tasks.metrics.vqa_answers import commonest_answers
from trainables.tasks.special_tokens import SpellingCounter

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "examples.arrow"
"""Name of the Arrow file in the folder of an encoded split."""

FACTS = "facts.json"
"""Name of the file with the counts of an encoded split."""

ROWS_PER_CHUNK = 2000
"""Rows that are tokenised and written together."""

MAX_UNREADABLE_SHARE = 0.1
"""Largest share of a split's examples with unreadable images; a larger share is an error."""

NUM_NAMED_ROWS = 10
"""Most rows with an unreadable image that a message names."""

log = logging.getLogger(__name__)


class EncodedFacts(FrozenModel):
    """Counts of an encoded split, which are written when it is encoded."""

    num_rows: int = Field(ge=0)
    """Rows of the source that were read."""
    num_unreadable: int = Field(default=0, ge=0)
    """Examples that were left out because one of their images cannot be decoded."""
    unreadable_rows: tuple[int, ...] = Field(default=(), strict=False)
    """Row numbers of the first of these examples in the source's split."""
    reason: str | None = None
    """Why the image of the first of them cannot be decoded."""
    answers: tuple[str, ...] = Field(default=(), strict=False)
    """For `visual_question_answering`: the answer vocabulary, in the order of the numbers."""
    split_rows: SplitRows
    """Counts of rows that were left out, and of rows whose texts spell special tokens."""


def write_encoded(folder: Path, *, rows: Dataset, request: EncodedRequest, reading: Reading) -> None:
    """Encode rows into `folder`. It is written under another name and renamed, so it is complete when it exists.

    Examples with an unreadable image are left out; their number is written into `FACTS` and logged.

    Args:
        folder: Folder for this content in the cache. If another process creates it first, that copy is kept.
        rows: The rows of the split.
        request: How the split is encoded.
        reading: Counts of its labels.

    Raises:
        TaskDataError: A row does not fit the task, no row has a usable label, or too many images are unreadable.
    """
    part = folder.with_name(f".{folder.name[:16]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir(parents=True)
    try:
        _SplitWriter(part, request=request, reading=reading).write(rows)
        write_checksums(part, key=folder.name)
        _publish(part, folder=folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, *, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster, with the same content
            raise


class _SplitWriter:
    """Writes one split into a folder, and counts the rows that it leaves out."""

    def __init__(self, folder: Path, *, request: EncodedRequest, reading: Reading) -> None:
        self._folder, self._request, self._reading = folder, request, reading
        self._locked = LockedRowCounter(request.spec, split=request.split)
        self._spelling = SpellingCounter(request.spec.kind, tokenizer=request.tokenizer.tokenizer)
        self._num_used = 0
        self._images = ImageWriter(folder) if request.spec.has_images else None
        self._unreadable: list[int] = []
        self._num_examples = 0

    def write(self, rows: Dataset) -> None:
        """Write the files of the split.

        Raises:
            TaskDataError: It has no usable examples, or too many unreadable images.
        """
        if self._request.num_examples is not None:
            rows = rows.select(range(min(len(rows), self._request.num_examples)))
        answers = _answers(self._request)
        with (self._folder / FILE).open("wb") as file:
            writer: pa.RecordBatchFileWriter | None = None
            for chunk in self._encoded_chunks(rows, answers=answers):
                table = _arrow(self._with_numbers(chunk))
                writer = writer or pa.ipc.new_file(file, table.schema)
                writer.write_table(table)
                self._num_examples += table.num_rows
                send_heartbeat()
            if writer is not None:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        self._finish(num_rows=len(rows), answers=answers)

    def _encoded_chunks(self, rows: Dataset, *, answers: tuple[str, ...]) -> Iterator[dict[str, list[Any]]]:
        request = self._request
        context = EncodingContext(
            spec=request.spec,
            tokenizer=request.tokenizer.tokenizer,
            max_length=request.max_length,
            split=request.split,
            answers=answers,
        )
        encoder = kind(request.spec.kind)
        for start in range(0, len(rows), ROWS_PER_CHUNK):
            chunk = cast("dict[str, list[Any]]", rows[start : start + ROWS_PER_CHUNK])
            size = len(next(iter(chunk.values())))
            encoded = encoder.encode(with_answers({**chunk, "row": range(start, start + size)}), context)
            self._spelling.add(chunk)
            self._locked.add(chunk)
            self._num_used += len(set(encoded["row"]))
            if "id" in chunk:  # for every kind: items keep the names of the source
                encoded["id"] = [str(chunk["id"][row - start]) for row in encoded["row"]]
            if encoded["length"]:
                yield encoded

    def _split_rows(self, num_rows: int) -> SplitRows:
        num_left_out = num_rows - self._num_used
        return SplitRows(
            task=self._request.spec.name,
            split=self._request.split,
            language=self._request.language,
            num_rows=num_rows,
            num_left_out=num_left_out,
            reason=reason_of(self._reading, kind=self._request.spec.kind) if num_left_out else "",
            num_spelling=self._spelling.num_rows,
            spelled=tuple(self._spelling.spelled),
        )

    def _with_numbers(self, chunk: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return a chunk with numbers instead of images, without the examples that have an unreadable image."""
        if self._images is None:
            return chunk
        numbers = {name: [self._images.add(file) for file in chunk[name]] for name in self._request.spec.image_columns}
        chunk = chunk | numbers
        readable = [UNREADABLE not in images for images in zip(*numbers.values(), strict=True)]
        self._unreadable += [row for row, good in zip(chunk["row"], readable, strict=True) if not good]
        return {name: [value for value, good in zip(chunk[name], readable, strict=True) if good] for name in chunk}

    def _finish(self, *, num_rows: int, answers: tuple[str, ...]) -> None:
        self._locked.check()
        reason = None
        if self._images is not None:
            self._images.close()
            reason = self._images.reason
        self._check(num_rows, reason=reason)
        facts = EncodedFacts(
            num_rows=num_rows,
            num_unreadable=len(self._unreadable),
            unreadable_rows=tuple(self._unreadable[:NUM_NAMED_ROWS]),
            reason=reason,
            answers=answers,
            split_rows=self._split_rows(num_rows),
        )
        (self._folder / FACTS).write_text(facts.model_dump_json(indent=1), encoding="utf-8")
        if facts.num_unreadable:
            log.warning("%s; these examples are left out", self._unreadable_message(reason))

    def _check(self, num_rows: int, *, reason: str | None) -> None:
        name, split = self._request.spec.name, self._request.split
        if len(self._unreadable) > MAX_UNREADABLE_SHARE * (self._num_examples + len(self._unreadable)):
            msg = (
                f"cannot encode task {name!r}: {self._unreadable_message(reason)}; at most "
                f"{MAX_UNREADABLE_SHARE:.0%} are allowed; repair the images or remove their rows"
            )
            raise TaskDataError(msg)
        if self._num_examples == 0:
            msg = (
                f"cannot encode task {name!r}: split {split!r} has {num_rows} rows and 0 usable examples, but needs "
                "at least 1; check its labels"
            )
            raise TaskDataError(msg)

    def _unreadable_message(self, reason: str | None) -> str:
        total = self._num_examples + len(self._unreadable)
        rows = ", ".join(map(str, self._unreadable[:NUM_NAMED_ROWS]))
        return (
            f"task {self._request.spec.name!r}, split {self._request.split!r}: {len(self._unreadable)} of {total} "
            f"examples have an image that cannot be decoded ({reason}), the first ones in rows {rows}"
        )


def _answers(request: EncodedRequest) -> tuple[str, ...]:
    """Return the answer vocabulary: the most frequent answers of the whole train split."""
    if request.spec.num_answers is None:
        return ()
    from trainables.data.sources.loader import load_rows

    rows = load_rows(request.spec, split="train", language=request.language).select_columns("answers")
    return commonest_answers(rows["answers"], num_answers=request.spec.num_answers, task=request.spec.name)


def _arrow(encoded: Mapping[str, list[Any]]) -> Any:
    return pa.table({name: _arrow_column(values) for name, values in encoded.items()})


def _arrow_column(values: list[Any]) -> Any:
    """Return a column as an Arrow array; whole numbers become int32, also when the first lists are empty."""
    if values and isinstance(values[0], np.ndarray):
        return pa.array(values, type=pa.list_(pa.int32()))
    first = next((value for value in values if not isinstance(value, list) or value), None)
    probe = first[0] if isinstance(first, list) else first
    if isinstance(probe, int | np.integer):
        return pa.array(values, type=pa.list_(pa.int32()) if isinstance(values[0], list) else pa.int32())
    if isinstance(first, list | None):
        return pa.array(values, type=pa.list_(pa.string()))
    return pa.array(values)
