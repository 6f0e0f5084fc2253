"""A file's hash and, where it holds weights, whether they are finite: both in one pass over its bytes.

A stage's key needs the hash of every file of a checkpoint, so its weights are read in any case. A weight that is not a
number makes every score one; here it is found before anything has been started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from pathlib import Path

from trainables.errors import CheckpointError
from trainables.models.pretrained.header import Tensor, read_header

PIECE_BYTES = 1 << 21
"""Bytes that are read, hashed and looked at together: they stay in a core's cache."""


_FLOATS = {"F64": "<f8", "F32": "<f4"}
_EXPONENTS = {"F16": 0x7C00, "BF16": 0x7F80}
"""Type of two bytes -> its largest exponent, in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a pass over a file has found."""

    sha256: str
    not_finite: str | None
    """The first tensor that holds a NaN or an infinite number, or None."""


def file_facts(path: Path) -> FileFacts:
    """Return a file's facts; it is read again only when it has changed."""
    facts = path.stat()
    return _read(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(path: Path, size: int, mtime_ns: int) -> FileFacts:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    not_finite: str | None = None
    with path.open("rb") as file:
        reading = _Reading(file)
        for name, tensor in _weights(path).items():
            for _ in reading.pieces(end=tensor.start):
                pass
            for piece in reading.pieces(end=tensor.end):
                if not_finite is None and not _are_finite(piece, dtype=tensor.dtype):
                    not_finite = name
        for _ in reading.pieces():
            pass
    return FileFacts(sha256=reading.digest.hexdigest(), not_finite=not_finite)


class _Reading:
    """Reads a file from its beginning, and hashes what is read."""

    def __init__(self, file: BufferedReader) -> None:
        self.digest = hashlib.sha256()
        self._file, self._buffer, self._here = file, memoryview(bytearray(PIECE_BYTES)), 0

    def pieces(self, *, end: int | None = None) -> Generator[memoryview]:
        """Yield what comes next, up to a place or the end of the file; a piece holds until the next is asked for."""
        while end is None or self._here < end:
            wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - self._here)
            num_read = self._file.readinto(self._buffer[:wanted])
            if not num_read:
                return
            self._here += num_read
            piece = self._buffer[:num_read]
            self.digest.update(piece)
            yield piece


def _are_finite(piece: memoryview, *, dtype: str) -> bool:
    import numpy as np  # late: commands that only ask start without it

    if dtype in _EXPONENTS:
        # As whole numbers: processors have no fast way for halves. Infinite and NaN are those of the largest exponent.
        return int((np.frombuffer(piece, "<u2") & 0x7FFF).max()) < _EXPONENTS[dtype]
    values = np.frombuffer(piece, _FLOATS[dtype])
    # A NaN goes through both. Neither makes an array as long as the values, as isfinite does.
    return bool(np.isfinite(values.max()) and np.isfinite(values.min()))


def _weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file whose numbers are looked at; a file of another kind, or a torn one, has none."""
    if path.suffix != ".safetensors":
        return {}
    try:
        tensors = read_header(path)
    except CheckpointError:
        return {}  # the check of its folder says so; here its bytes are what identifies it
    return {name: tensor for name, tensor in tensors.items() if _is_weight(name, tensor)}


def _is_weight(name: str, tensor: Tensor) -> bool:
    # Masks of attention are stored beside the weights by some, and are infinite on purpose.
    return tensor.dtype in {*_FLOATS, *_EXPONENTS} and not name.endswith(("mask", "masked_bias"))
