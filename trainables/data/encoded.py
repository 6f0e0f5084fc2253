"""A task's examples as token ids, made once and read from a memory-mapped file.

The cache is a folder of folders named by content key. One is complete when it exists: it is written under another
name and renamed, so processes that race make the same thing twice and one copy stays. Opening it needs no network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: encoded values are the kind's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.classes import Reading
from trainables.data.columns import Example, ListColumn, open_columns
from trainables.data.images import IndirectColumn, image_hashes, open_images
from trainables.data.request import EncodedRequest, PixelFormat, TokenizerSource, encoding_key, tokenizer_fingerprint
from trainables.data.source import source_fingerprint, source_splits
from trainables.data.writing import FACTS, FILE, EncodedFacts, write_encoded
from trainables.errors import TaskDataError
from trainables.results import SplitRows
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import CollateContext, Kind
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

__all__ = [
    "EncodedRequest",
    "EncodedTask",
    "PixelFormat",
    "TokenizerSource",
    "open_encoded_task",
    "tokenizer_fingerprint",
]


class EncodedTask:
    """An encoded split. Reading is safe from many threads and processes.

    Args:
        request: What was asked for.
        folder: Its folder in the cache.
        fingerprint: The content key.
    """

    def __init__(self, request: EncodedRequest, *, folder: Path, fingerprint: str) -> None:
        self.spec: TaskSpec = request.spec
        self.kind: Kind = kind(request.spec.kind)
        self.fingerprint = fingerprint
        self.facts = EncodedFacts.model_validate_json((folder / FACTS).read_bytes())
        self.columns: Mapping[str, Sequence[Any]] = open_columns(folder / FILE)
        if self.spec.has_images:
            self.columns |= self._image_columns(open_images(folder))
        self.split_rows: tuple[SplitRows, ...] = (self.facts.split_rows,)
        """What became of the rows of its splits: one, or one for each language."""
        self._folder = folder
        self.lengths: NDArray[np.int32] = cast("NDArray[np.int32]", self.columns["length"])
        self._request = request

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def image_files(self) -> Sequence[bytes]:
        """The distinct images of the split, as files, memory-mapped; only for a task with images."""
        return open_images(self._folder)

    @property
    def image_hashes(self) -> NDArray[np.uint8]:
        """Content hash of each of `image_files`, shape [num_images, 16]."""
        return image_hashes(self._folder)

    def with_images(self, images: Sequence[Any]) -> EncodedTask:
        """Return the task with something else in place of each of its `image_files`: features made of them."""
        task = copy.copy(self)
        task.columns = {**self.columns, **self._image_columns(images)}
        return task

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of some examples, named in `trainables/tasks/kinds/kind.py`.

        Args:
            indices: Numbers of the examples, at least one.
            generator: Random numbers of this batch (masking).
        """
        return self.collate([self.example(number) for number in np.asarray(indices).tolist()], generator=generator)

    def example(self, number: int) -> Example:
        """Return one encoded example."""
        return Example(self.columns, number)

    def collate(self, examples: Sequence[Example], *, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        """Return the tensors of encoded examples of this task, of any of its splits and languages.

        Args:
            examples: At least one.
            generator: Random numbers of this batch (masking).
        """
        return self.kind.collate(examples, replace(self._context, generator=generator))

    def score(self, outputs: Mapping[str, NDArray[Any]]) -> float:
        """Return the kind's metric (0..1).

        Args:
            outputs: The head's outputs of every example, in the examples' order.

        Raises:
            TaskDataError: There is nothing to score.
        """
        return self.kind.score(outputs, self.columns, spec=self.spec)

    def _image_columns(self, images: Sequence[Any]) -> dict[str, IndirectColumn]:
        columns: dict[str, IndirectColumn] = {}
        for name in self.spec.image_columns:
            column = self.columns[name]
            numbers = column.numbers if isinstance(column, IndirectColumn) else cast("NDArray[np.int32]", column)
            columns[name] = IndirectColumn(images, numbers=numbers)
        return columns

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
    reading = Reading()
    fingerprint = source_fingerprint(spec)
    if fingerprint is None:
        rows = _rows(request, reading=reading)
        fingerprint = rows._fingerprint  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (the hub's commit is in no public field)
    key = encoding_key(request, source=fingerprint)
    folder = request.cache / "encoded" / key
    if not folder.is_dir():
        if rows is None:
            rows = _rows(request, reading=reading)
        write_encoded(folder, rows=rows, request=request, reading=reading)
    return EncodedTask(request, folder=folder, fingerprint=key)


def _rows(request: EncodedRequest, *, reading: Reading) -> Dataset:
    from trainables.data.load import load_rows

    return load_rows(request.spec, split=request.split, language=request.language, reading=reading)


def _check_columns(spec: TaskSpec) -> None:
    # The captions of an image task are single texts; of a task in its own right a side that is left out is a slip.
    optional = {"hypothesis"} if spec.control else set[str]()
    missing = [name for name in kind(spec.kind).required_columns if name not in spec.columns and name not in optional]
    if missing:
        msg = (
            f"cannot encode task {spec.name!r}: its `columns` name no {missing[0]!r}, they name "
            f"{', '.join(spec.columns)}; kind {spec.kind} needs {', '.join(kind(spec.kind).required_columns)}; add it"
        )
        raise TaskDataError(msg)
