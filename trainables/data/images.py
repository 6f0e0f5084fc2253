"""The distinct images of an encoded split: each is stored once, checked once, and identified by its content.

Many examples share an image (SNLI-VE has 530,000 sentences on 31,000 photographs). So an example holds the number of
its image, and the image files are stored separately, unchanged. They are decoded when a batch needs them. When a split
is written, each file is decoded once as a check, so that an unreadable image is found before training, not during it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any  # pyarrow is untyped, and a column's values are its kind's own

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trainables.data.columns import open_columns
from trainables.tasks.kinds.pixels import why_unreadable

FILES = "images.arrow"
"""File with the image files, one a row."""

HASHES = "images.npy"
"""File with the content hash of each image file: uint8, shape [num_images, HASH_BYTES]."""

HASH_BYTES = 16

UNREADABLE = -1
"""The number of an image that cannot be decoded."""

_BYTES_PER_CHUNK = 64 * 1024 * 1024
_SCHEMA: Any = pa.schema([("file", pa.binary())])


class ImageWriter:
    """Writes distinct image files into a folder. They are complete after `close`.

    Args:
        folder: An existing folder; the caller publishes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[bytes, int] = {}
        self._hashes: list[bytes] = []
        self._pending: list[bytes] = []
        self._num_pending_bytes = 0
        self._file = (folder / FILES).open("wb")
        self._writer: Any = pa.ipc.new_file(self._file, _SCHEMA)
        self.reason: str | None = None
        """Why the first unreadable image cannot be decoded."""

    def add(self, file: bytes) -> int:
        """Return the number of an image, after writing it if it is new; `UNREADABLE` if it cannot be decoded."""
        digest = hashlib.blake2b(file, digest_size=HASH_BYTES).digest()
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = self._write(file, digest=digest)
        return number

    def close(self) -> None:
        """Write the remaining images and the hashes, and close the file."""
        self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        hashes = np.frombuffer(b"".join(self._hashes), dtype=np.uint8).reshape(-1, HASH_BYTES)
        np.save(self._folder / HASHES, hashes, allow_pickle=False)

    def _write(self, file: bytes, *, digest: bytes) -> int:
        problem = why_unreadable(file)
        if problem is not None:
            self.reason = self.reason or problem
            return UNREADABLE
        self._hashes.append(digest)
        self._pending.append(file)
        self._num_pending_bytes += len(file)
        if self._num_pending_bytes > _BYTES_PER_CHUNK:
            self._flush()
        return len(self._hashes) - 1

    def _flush(self) -> None:
        self._writer.write_table(pa.table({"file": pa.array(self._pending, type=pa.binary())}))
        self._pending, self._num_pending_bytes = [], 0


class IndirectColumn(Sequence[Any]):
    """A column that holds numbers of items, and returns the items.

    Args:
        items: The items.
        numbers: Number of each example's item, shape [num_examples].
    """

    def __init__(self, items: Sequence[Any], *, numbers: NDArray[np.integer]) -> None:
        self._items, self.numbers = items, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        """Return the item of example `index`."""
        return self._items[int(self.numbers[index])]

    def reordered(self, order: NDArray[np.integer]) -> IndirectColumn:
        """Return the column in another order: position i has the item of example `order[i]`."""
        return IndirectColumn(self._items, numbers=self.numbers[order])


def open_images(folder: Path) -> Sequence[bytes]:
    """Return the image files of an encoded split, memory-mapped."""
    return open_columns(folder / FILES)["file"]


def image_hashes(folder: Path) -> NDArray[np.uint8]:
    """Return the content hash of each image of an encoded split, shape [num_images, HASH_BYTES]."""
    return np.load(folder / HASHES, allow_pickle=False)
