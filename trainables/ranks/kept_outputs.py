"""What an evaluation has predicted so far, kept on the disk: one that is interrupted goes on.

Each rank writes files of its own, now and then, each complete when it bears its name; nobody changes one. A batch is
known by its examples, and the folder by the stage's key, so what is read is what would be computed again. Losing the
files costs time only: one that cannot be read is left out, and a disk that cannot be written is not complained of here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npz"
_INDICES = "indices"

Batch = tuple[NDArray[np.int64], dict[str, NDArray[np.generic]]]
"""Numbers of examples, and the head's outputs of them."""


class KeptOutputs:
    """The outputs of one evaluation.

    Args:
        folder: Belongs to the stage alone; made when the first file is written.
        lengths: Tokens of each example: outputs of other examples are not read.
        seconds: Time between two files.
    """

    def __init__(self, folder: Path, *, lengths: NDArray[np.int32], seconds: float) -> None:
        self._folder = folder / hashlib.sha256(lengths.tobytes()).hexdigest()[:16]
        self._seconds = seconds
        self._written = time.monotonic()
        self._waiting: list[Batch] = []

    def known(self, batches: Sequence[NDArray[np.int64]]) -> list[Batch]:
        """Return those of some batches whose outputs are kept, with them."""
        wanted = {batch.tobytes() for batch in batches}
        found: dict[bytes, Batch] = {}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if wanted else ():
            for indices, outputs in _read(path):
                if indices.tobytes() in wanted:
                    found.setdefault(indices.tobytes(), (indices, outputs))
        return list(found.values())

    def add(self, batch: Batch) -> None:
        """Take the outputs of a batch; they are written when some seconds have passed since the last time."""
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
        path = self._folder / f"{os.getpid()}-{uuid.uuid4().hex}{SUFFIX}"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        part.replace(path)


def _read(path: Path) -> Iterator[Batch]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content: dict[str, NDArray[np.generic]] = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return
    batches: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, array in content.items():
        number, _, output = name.partition("/")
        batches.setdefault(number, {})[output] = array
    for outputs in batches.values():
        yield outputs.pop(_INDICES).astype(np.int64), outputs
