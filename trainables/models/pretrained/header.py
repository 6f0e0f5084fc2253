"""Reads the header of a safetensors file and checks it against the file's size: this finds truncated files quickly.

The format: 8 bytes, little-endian, give the length of a JSON header: name -> dtype, shape, and a range of the bytes
after the header. The ranges cover the rest of the file without gaps (safetensors' README).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.pretrained.documents import LFS_POINTER, read_object, unreadable
from trainables.names import problem_of_name
from trainables.number_words import number_of

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"

MAX_HEADER_BYTES = 100_000_000
"""Largest header, in bytes; safetensors itself reads less."""

_LENGTH_BYTES = 8
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's type, shape and position in its file."""

    dtype: str
    """Type, as safetensors names it."""
    shape: tuple[int, ...]
    start: int
    """Position of its first byte in the file."""
    end: int
    """Position after its last byte."""


def read_header(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a safetensors file by name, in the order of the file.

    Raises:
        CheckpointError: The file is not a safetensors file, or is damaged.
    """
    try:
        facts = path.stat()
        return _read(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, f"cannot be read ({error.strerror})", "correct its permissions") from None


def read_tensors(folder: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint by name, from one file or from several files with an index.

    Raises:
        CheckpointError: There are no files, a file is damaged, or a file or tensor of the index is missing.
    """
    if (folder / FILE).is_file():
        return read_header(folder / FILE)
    index = folder / INDEX
    if not index.is_file():
        raise unreadable(folder / FILE, "is missing", f"add it, or {INDEX} with the files that it names")
    files = _files(index)
    missing = sorted({file for file in files.values() if not (folder / file).is_file()})
    if missing:
        counts = f"{len(missing)} of {number_of(len(set(files.values())), 'file')} are missing"
        raise unreadable(index, f"names {missing[0]}, which does not exist ({counts})", "copy the checkpoint again")
    found: dict[str, Tensor] = {}
    for file in sorted(set(files.values())):
        found |= read_header(folder / file)
    lost = sorted(files.keys() - found.keys())
    if lost:
        problem = f"names the tensor {lost[0]!r}, which {files[lost[0]]} lacks"
        raise unreadable(index, problem, "copy the checkpoint again")
    return found


def _files(index: Path) -> dict[str, str]:
    """Return tensor -> file, from an index."""
    named = read_object(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        problem = "has no weight_map, which must name a file for each tensor"
        raise unreadable(index, problem, "copy the checkpoint again")
    files = cast("dict[str, object]", named)
    odd = next((file for file in files.values() if not _is_beside(file)), None)
    if odd is not None:
        problem = f"names the file {str(odd)[:80]!r}, but files must be in the same folder"
        raise unreadable(index, problem, "copy the checkpoint again")
    return cast("dict[str, str]", files)


def _is_beside(file: object) -> bool:
    return isinstance(file, str) and "/" not in file and problem_of_name(file) is None


@lru_cache(maxsize=64)
def _read(path: Path, size: int, mtime_ns: int) -> Mapping[str, Tensor]:
    del mtime_ns  # an argument so that a changed file is read again
    with path.open("rb") as file:
        first = file.read(len(LFS_POINTER))
        if first == LFS_POINTER:
            raise unreadable(path, "is a Git LFS pointer, not the weights", "fetch the weights with `git lfs pull`")
        length = int.from_bytes(first[:_LENGTH_BYTES], "little")
        file.seek(_LENGTH_BYTES)
        header = file.read(length) if length <= min(MAX_HEADER_BYTES, size - _LENGTH_BYTES) else b""
    if not header.startswith(b"{"):
        raise _damaged(path, f"it has {size:,} bytes, but no header that fits this size")
    begin = _LENGTH_BYTES + length
    tensors = _tensors(header, begin=begin, path=path)
    end = max((tensor.end for tensor in tensors.values()), default=begin)
    if end != size:
        raise _damaged(path, f"it must have {end:,} bytes by its header, but has {size:,}")
    return tensors


def _tensors(header: bytes, *, begin: int, path: Path) -> Mapping[str, Tensor]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(header.decode("utf-8"))
        placed = [_placed(name, entry, begin=begin) for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path, "its header cannot be read") from None
    placed.sort(key=lambda pair: (pair[1].start, pair[1].end))
    position = begin
    for name, tensor in placed:
        if tensor.start != position or tensor.end - position != _num_bytes(tensor):
            raise _damaged(path, f"its header gives {name!r} a position that does not fit its shape")
        position = tensor.end
    return dict(placed)


def _placed(name: str, entry: dict[str, Any], *, begin: int) -> tuple[str, Tensor]:
    start, end = entry["data_offsets"]
    shape: tuple[int, ...] = tuple(entry["shape"])
    if not all(type(number) is int and number >= 0 for number in (start, end, *shape)):
        raise ValueError(name)
    _BITS[entry["dtype"]]
    return name, Tensor(dtype=entry["dtype"], shape=shape, start=begin + start, end=begin + end)


def _num_bytes(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * _BITS[tensor.dtype] // 8


def _damaged(path: Path, why: str) -> CheckpointError:
    msg = f"cannot load weights from {str(path)!r}: the safetensors file is damaged ({why}); copy the checkpoint again"
    return CheckpointError(msg, folder=path.parent, field=path.name)
