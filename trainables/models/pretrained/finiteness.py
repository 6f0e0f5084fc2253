"""Computes the hash of a file and, for weights, checks that they are finite, in one pass over its bytes.

A stage's key needs the hash of every file of a checkpoint, so the weights are read in any case. A single NaN among the
weights makes every score NaN; this check finds it before a trial starts.
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
"""Bytes that are read, hashed and checked together: they fit into the cache of a core."""


_FLOATS = {"F64": "<f8", "F32": "<f4"}
_EXPONENTS = {"F16": 0x7C00, "BF16": 0x7F80}
"""16-bit type -> bits of its largest exponent, which infinite numbers and NaN have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Hash and finiteness of a file."""

    sha256: str
    not_finite: str | None
    """The first tensor that holds a NaN or an infinite number, or None."""


def file_facts(path: Path) -> FileFacts:
    """Return the hash and finiteness of a file; it is read again only if it has changed."""
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
    """Reads a file from the start, and hashes the bytes that are read."""

    def __init__(self, file: BufferedReader) -> None:
        self.digest = hashlib.sha256()
        self._file, self._buffer, self._here = file, memoryview(bytearray(PIECE_BYTES)), 0

    def pieces(self, *, end: int | None = None) -> Generator[memoryview]:
        """Yield the next bytes, up to a position or the end of the file. A piece is valid until the next is read."""
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
    import numpy as np  # imported late: some commands do not need it, and start faster

    if dtype in _EXPONENTS:
        # As whole numbers, because processors are slow with 16-bit floats. The largest exponent means infinite or NaN.
        return int((np.frombuffer(piece, "<u2") & 0x7FFF).max()) < _EXPONENTS[dtype]
    values = np.frombuffer(piece, _FLOATS[dtype])
    # Both return NaN if there is a NaN. Unlike isfinite of all values, neither allocates an array of their length.
    return bool(np.isfinite(values.max()) and np.isfinite(values.min()))


def _weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file that are checked; none for a file of another type or a damaged one."""
    if path.suffix != ".safetensors":
        return {}
    try:
        tensors = read_header(path)
    except CheckpointError:
        return {}  # the check of the folder reports the damage; here only the hash of the bytes is needed
    return {name: tensor for name, tensor in tensors.items() if _is_weight(name, tensor)}


def _is_weight(name: str, tensor: Tensor) -> bool:
    # Some checkpoints store attention masks with the weights; these are infinite on purpose.
    return tensor.dtype in {*_FLOATS, *_EXPONENTS} and not name.endswith(("mask", "masked_bias"))
