"""A task's examples as token ids, encoded once and then read from a memory-mapped file.

The cache holds a folder for each content key. A folder that exists is complete, because it is written under another
name and then renamed. If two processes encode the same split, one copy is kept. Its checksums are checked when it is
opened (`sealed_cache`). Opening a split needs no network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast  # Any: encoded values are the kind's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.columns import Example, ListColumn, open_columns
from trainables.data.encoded_writer import FACTS, FILE, EncodedFacts, write_encoded
from trainables.data.images import IndirectColumn, image_hashes, open_images
from trainables.data.labels.classes import Reading
from trainables.data.request import EncodedRequest, PixelFormat, TokenizerSource, encoding_key, tokenizer_fingerprint
from trainables.data.sealed_cache import make_unless_whole
from trainables.data.shared_cache import cached_kind
from trainables.data.sources.source import source_fingerprint, source_splits
from trainables.errors import TaskDataError
from trainables.results import SplitRows
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import CollateContext, Kind
from trainables.tasks.spec import IMAGE_COLUMNS, TaskSpec

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from trainables.data.prefix_file import PrefixVectors

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
        request: The request that it answers.
        folder: Folder of the split in the cache.
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
        """Counts of the rows that were read and left out: one entry, or one for each language."""
        self._folder = folder
        self.lengths: NDArray[np.int32] = cast("NDArray[np.int32]", self.columns["length"])
        self._request = request
        self._prefix: PrefixVectors | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def pad_id(self) -> int:
        """Number of the padding token."""
        tokenizer: Any = self._request.tokenizer.tokenizer
        return int(tokenizer.pad_token_id)

    @property
    def image_files(self) -> Sequence[bytes]:
        """The distinct images of the split, as files, memory-mapped; only for a task with images."""
        return open_images(self._folder)

    @property
    def image_hashes(self) -> NDArray[np.uint8]:
        """Content hash of each of `image_files`, shape [num_images, 16]."""
        return image_hashes(self._folder)

    def with_images(self, images: Sequence[Any]) -> EncodedTask:
        """Return the task with each of its `image_files` replaced, for example by features computed from it."""
        task = copy.copy(self)
        task.columns = {**self.columns, **self._image_columns(images)}
        return task

    def with_column(self, name: str, values: Sequence[Any]) -> EncodedTask:
        """Return the task with one of its columns replaced, for example by vectors computed from it."""
        task = copy.copy(self)
        task.columns = {**self.columns, name: values}
        return task

    def without_images(self) -> EncodedTask:
        """Return the task asked without images: the same examples, whose batches hold no images."""
        task = copy.copy(self)
        task.spec = self.spec.without_images()
        task.columns = {name: values for name, values in self.columns.items() if name not in self.spec.image_columns}
        return task

    def with_prefix(self, prefix: PrefixVectors) -> EncodedTask:
        """Return the task with batches that hold the vectors above an encoder's frozen prefix too."""
        task = copy.copy(self)
        task._prefix = prefix  # noqa: SLF001  (a copy of this object)
        return task

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch of examples; `trainables/tasks/kinds/kind.py` lists their names.

        Args:
            indices: Numbers of the examples, at least one.
            generator: Random numbers of this batch (masking).
        """
        numbers = np.asarray(indices)
        batch = self.collate([self.example(number) for number in numbers.tolist()], generator=generator)
        return batch if self._prefix is None else self._prefix.added_to(batch, indices=numbers)

    def example(self, number: int) -> Example:
        """Return one encoded example."""
        return Example(self.columns, number)

    def collate(self, examples: Sequence[Example], *, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        """Return the tensors of encoded examples of this task, from any of its splits and languages.

        Args:
            examples: At least one.
            generator: Random numbers of this batch (masking).
        """
        return self.kind.collate(examples, replace(self._context, generator=generator))

    def score(self, outputs: Mapping[str, NDArray[Any]]) -> float:
        """Return the task's metric (0..1).

        Args:
            outputs: The head's outputs for every example, in the order of the examples.

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
    """Return a task's encoded split; encode it if it is not in the cache.

    Args:
        request: Which examples are read, and how they are encoded.

    Raises:
        TaskDataError: The rows do not fit the task, or no row has a usable label.
        UnavailableError: The task's repository is not in the mirror, the cache or on the hub.
    """
    spec = request.spec
    _check_columns(spec)
    source_splits(spec, split=request.split, language=request.language)
    loaded: _Loaded | None = None
    fingerprint = source_fingerprint(spec)
    if fingerprint is None:
        loaded = _load(request)
        fingerprint = loaded.rows._fingerprint  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (no public field holds the hub's commit)
    key = encoding_key(request, source=fingerprint)
    folder = cached_kind("encoded", cache=request.cache) / key

    def make() -> None:
        rows, reading = _load(request) if loaded is None else loaded
        write_encoded(folder, rows=rows, request=request, reading=reading)

    make_unless_whole(folder, make=make)
    return EncodedTask(request, folder=folder, fingerprint=key)


class _Loaded(NamedTuple):
    rows: Dataset
    reading: Reading


def _load(request: EncodedRequest) -> _Loaded:
    from trainables.data.sources.loader import load_rows

    reading = Reading()
    rows = load_rows(request.spec, split=request.split, language=request.language, reading=reading)
    return _Loaded(rows, reading)


def _check_columns(spec: TaskSpec) -> None:
    # A control of captions has single texts, and a task can be asked without its images; all else is a mistake.
    optional = {"hypothesis"} if spec.control else set(IMAGE_COLUMNS.get(spec.kind, ()))
    missing = [name for name in kind(spec.kind).required_columns if name not in spec.columns and name not in optional]
    if missing:
        msg = (
            f"cannot encode task {spec.name!r}: {missing[0]!r} is missing in `columns`, which has "
            f"{', '.join(spec.columns)}; kind {spec.kind} needs {', '.join(kind(spec.kind).required_columns)}; add it"
        )
        raise TaskDataError(msg)
