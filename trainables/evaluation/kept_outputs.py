"""Keeps the outputs of an evaluation on disk, so that it can continue after an interruption.

Each rank writes its own files from time to time. A file gets its name when it is complete, and never changes. A batch
is identified by its examples, the folder by the stage's key, and a file by the checksum of its content, so the outputs
that are read are those that would be computed again. A lost file costs only time: a damaged file is removed, and a
failed write is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npz"
_NAME_LENGTH = 2 * hashlib.sha256().digest_size
_INDICES = "indices"

log = logging.getLogger(__name__)

Batch = tuple[NDArray[np.int64], dict[str, NDArray[np.generic]]]
"""Numbers of examples, and the head's outputs for them."""


class KeptOutputs:
    """The kept outputs of one evaluation.

    Args:
        folder: Used by this stage only; made when the first file is written.
        lengths: Tokens of each example; outputs of other examples are not read.
        seconds: Time between two files.
    """

    def __init__(self, folder: Path, *, lengths: NDArray[np.int32], seconds: float) -> None:
        self._folder = folder / hashlib.sha256(lengths.tobytes()).hexdigest()[:16]
        self._seconds = seconds
        self._written = time.monotonic()
        self._waiting: list[Batch] = []

    def known(self, batches: Sequence[NDArray[np.int64]]) -> list[Batch]:
        """Return the batches whose outputs are kept, with the outputs."""
        wanted = {batch.tobytes() for batch in batches}
        found: dict[bytes, Batch] = {}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if wanted else ():
            for indices, outputs in _read(path):
                if indices.tobytes() in wanted:
                    found.setdefault(indices.tobytes(), (indices, outputs))
        return list(found.values())

    def add(self, batch: Batch) -> None:
        """Add the outputs of a batch; they are written if enough seconds have passed since the last write."""
        self._waiting.append(batch)
        if time.monotonic() - self._written < self._seconds:
            return
        with contextlib.suppress(OSError):
            self._write()
        self._waiting, self._written = [], time.monotonic()

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[np.generic]] = {}
        for number, (indices, outputs) in enumerate(self._waiting):
            named: dict[str, NDArray[np.generic]] = {_INDICES: indices, **outputs}
            arrays |= {f"{number}/{name}": array for name, array in named.items()}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        part = self._folder / f"{os.getpid()}-{uuid.uuid4().hex}.part"
        part.write_bytes(content.getbuffer())
        part.replace(self._folder / f"{_checksum(content.getbuffer())}{SUFFIX}")


def _read(path: Path) -> Iterator[Batch]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    if path.stem != _checksum(data):
        if len(path.stem) == _NAME_LENGTH:
            log.warning("%s is damaged; what it held is computed again", path)
        else:  # an earlier version named it by process and number, which say nothing of what it holds
            log.info("%s has no checksum; what it holds is computed again", path)
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        content: dict[str, NDArray[np.generic]] = {name: arrays[name] for name in arrays.files}
    batches: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, array in content.items():
        number, _, output = name.partition("/")
        batches.setdefault(number, {})[output] = array
    for outputs in batches.values():
        yield outputs.pop(_INDICES).astype(np.int64), outputs


def _checksum(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
