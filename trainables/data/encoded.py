"""A task's examples as token ids, made once and read from a memory-mapped file.

The cache is a folder of folders named by content key. One is complete when it exists: it is written under another
name and renamed, so processes that race make the same thing twice and one copy stays. Opening it needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: encoded values are the kind's own; pyarrow is untyped

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trainables.config.frozen import content_key
from trainables.data.columns import Example, ListColumn, open_columns
from trainables.data.source import source_fingerprint, source_splits
from trainables.errors import TaskDataError
from trainables.tasks.kind import CollateContext, EncodingContext, Kind
from trainables.tasks.kinds import kind
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

FORMAT = 1
"""Raised by hand when the layout of the cache changes."""

ROWS_PER_CHUNK = 2000
"""Rows that are tokenised and written at a time."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "vocab.txt",
)
"""Files that decide how a text is tokenised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSource:
    """A loaded tokenizer and what identifies it.

    Args:
        tokenizer: A fast tokenizer.
        fingerprint: Its folder's `tokenizer_fingerprint`.
    """

    tokenizer: PreTrainedTokenizerBase
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How images become pixels; decided by the vision tower.

    Args:
        image_size: Side of the square, in pixels.
        image_mean: Channel means of pixels in 0..1.
        image_std: Channel deviations.
    """

    image_size: int
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRequest:
    """Which examples are wanted, and how they are encoded.

    Args:
        spec: The task.
        split: Our split: `train`, `validation` or `test`.
        language: One of the task's languages.
        tokenizer: Tokenizer and its fingerprint.
        max_length: Longest text in tokens, special tokens included.
        num_examples: Only the first rows of the source's split; None takes all.
        cache: Folder that holds the `encoded` folder; made when missing.
        pixels: For tasks with images. Not part of the cache's key.
    """

    spec: TaskSpec
    split: str
    tokenizer: TokenizerSource
    max_length: int
    cache: Path
    language: str = "en"
    num_examples: int | None = None
    pixels: PixelFormat | None = None


class EncodedTask:
    """An encoded split. Reading is safe from many threads and processes.

    Args:
        request: What was asked for.
        path: The Arrow file.
        fingerprint: The content key.
    """

    def __init__(self, request: EncodedRequest, *, path: Path, fingerprint: str) -> None:
        self.spec: TaskSpec = request.spec
        self.kind: Kind = kind(request.spec.kind)
        self.fingerprint = fingerprint
        self.columns: Mapping[str, Sequence[Any]] = open_columns(path)
        self.lengths: NDArray[np.int32] = cast("NDArray[np.int32]", self.columns["length"])
        self._request = request

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of some examples, named in `trainables/tasks/kind.py`.

        Args:
            indices: Numbers of the examples, at least one.
            generator: Random numbers of this batch (masking).
        """
        numbers = np.asarray(indices).tolist()
        return self.kind.collate(
            [Example(self.columns, number) for number in numbers], replace(self._context, generator=generator)
        )

    def score(self, outputs: Mapping[str, NDArray[Any]]) -> float:
        """Return the kind's metric (0..1).

        Args:
            outputs: The head's outputs of every example, in the examples' order.

        Raises:
            TaskDataError: There is nothing to score.
        """
        return self.kind.score(outputs, self.columns)

    @cached_property
    def _context(self) -> CollateContext:
        pixels = self._request.pixels
        context = CollateContext(
            spec=self.spec,
            tokenizer=self._request.tokenizer.tokenizer,
            generator=np.random.default_rng(0),
            token_counts=self._token_counts(),
        )
        if pixels is None:
            return context
        return replace(context, image_size=pixels.image_size, image_mean=pixels.image_mean, image_std=pixels.image_std)

    def _token_counts(self) -> NDArray[np.int64] | None:
        if self.spec.masking is None or self.spec.masking.frequency_exponent == 0:
            return None
        return cast("ListColumn", self.columns["input_ids"]).value_counts(len(self._request.tokenizer.tokenizer))


def open_encoded_task(request: EncodedRequest) -> EncodedTask:
    """Return a task's encoded split, encoding it when the cache does not hold it.

    Args:
        request: Which examples, and how.

    Raises:
        TaskDataError: The rows do not fit the task, or none has a usable label.
        UnavailableError: Neither mirror, nor cache, nor hub has the task's repository.
    """
    spec = request.spec
    _check_columns(spec)
    source_splits(spec, split=request.split, language=request.language)
    rows: Dataset | None = None
    fingerprint = source_fingerprint(spec)
    if fingerprint is None:
        rows = _rows(request)
        fingerprint = rows._fingerprint  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (the hub's commit is in no public field)
    key = _key(request, source=fingerprint)
    folder = request.cache / "encoded" / key
    if not folder.is_dir():
        if rows is None:
            rows = _rows(request)
        _write(folder, rows=rows, request=request)
    return EncodedTask(request, path=folder / "examples.arrow", fingerprint=key)


def _rows(request: EncodedRequest) -> Dataset:
    from trainables.data.load import load_rows

    return load_rows(request.spec, split=request.split, language=request.language)


def tokenizer_fingerprint(folder: Path) -> str:
    """Return a hash of the files in a checkpoint's folder that make its tokenizer."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _key(request: EncodedRequest, *, source: str) -> str:
    return content_key(
        {
            "format": FORMAT,
            "spec": request.spec.model_dump(mode="json", exclude={"notes", "licence", "citation", "masking"}),
            "split": request.split,
            "language": request.language,
            "source": source,
            "tokenizer": request.tokenizer.fingerprint,
            "max_length": request.max_length,
            "num_examples": request.num_examples,
        }
    )


def _check_columns(spec: TaskSpec) -> None:
    missing = [column for column in kind(spec.kind).required_columns if column not in spec.columns]
    if missing:
        msg = (
            f"cannot encode task {spec.name!r}: its `columns` name no {missing[0]!r}, they name "
            f"{', '.join(spec.columns)}; kind {spec.kind} needs {', '.join(kind(spec.kind).required_columns)}; add it"
        )
        raise TaskDataError(msg)


def _write(folder: Path, *, rows: Dataset, request: EncodedRequest) -> None:
    part = folder.with_name(f".{folder.name[:16]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir(parents=True)
    try:
        if _write_file(part / "examples.arrow", rows=rows, request=request) == 0:
            msg = (
                f"cannot encode task {request.spec.name!r}: split {request.split!r} has {len(rows)} rows and 0 usable "
                "examples, it needs at least 1; check its labels"
            )
            raise TaskDataError(msg)
        _publish(part, folder=folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, *, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same content
            raise


def _write_file(path: Path, *, rows: Dataset, request: EncodedRequest) -> int:
    num_examples = 0
    with path.open("wb") as file:
        writer: pa.RecordBatchFileWriter | None = None
        for chunk in _encoded_chunks(rows, request=request):
            table = _arrow(chunk)
            writer = writer or pa.ipc.new_file(file, table.schema)
            writer.write_table(table)
            num_examples += table.num_rows
        if writer is not None:
            writer.close()
        file.flush()
        os.fsync(file.fileno())
    return num_examples


def _encoded_chunks(rows: Dataset, *, request: EncodedRequest) -> Iterator[dict[str, list[Any]]]:
    context = EncodingContext(spec=request.spec, tokenizer=request.tokenizer.tokenizer, max_length=request.max_length)
    encoder = kind(request.spec.kind)
    if request.num_examples is not None:
        rows = rows.select(range(min(len(rows), request.num_examples)))
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        chunk = cast("dict[str, list[Any]]", rows[start : start + ROWS_PER_CHUNK])
        size = len(next(iter(chunk.values())))
        encoded = encoder.encode({**chunk, "row": range(start, start + size)}, context)
        if encoded["length"]:
            yield encoded


def _arrow(encoded: Mapping[str, list[Any]]) -> Any:
    return pa.table({name: _arrow_column(values) for name, values in encoded.items()})


def _arrow_column(values: list[Any]) -> Any:
    """Return a column with whole numbers as int32, whether or not its first lists are empty."""
    first = next((value for value in values if not isinstance(value, list) or value), None)
    probe = first[0] if isinstance(first, list) else first
    if isinstance(probe, int | np.integer):
        return pa.array(values, type=pa.list_(pa.int32()) if isinstance(values[0], list) else pa.int32())
    if isinstance(first, list | None):
        return pa.array(values, type=pa.list_(pa.string()))
    return pa.array(values)
