"""What a safetensors file says it holds, checked against its size: a file that was cut is found without reading it.

The format: 8 bytes, little-endian, give the length of a JSON header: name -> dtype, shape, and a range of the bytes
behind it. The ranges cover the rest of the file without a hole (safetensors' README).
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

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"

MAX_HEADER_BYTES = 100_000_000
"""More than safetensors itself reads."""

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
    """Where a tensor lies in its file."""

    dtype: str
    """safetensors' name of its type."""
    shape: tuple[int, ...]
    start: int
    """Byte of the file at which it begins."""
    end: int
    """Byte behind its last one."""


def read_header(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a safetensors file by name, in the order in which they lie there.

    Raises:
        CheckpointError: It is no safetensors file, or not a whole one.
    """
    try:
        facts = path.stat()
        return _read(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, f"cannot be read ({error.strerror})", "correct its permissions") from None


def read_tensors(folder: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint by name, whether it is one file or several with an index.

    Raises:
        CheckpointError: There are none, a file is not whole, or the index names what is not there.
    """
    if (folder / FILE).is_file():
        return read_header(folder / FILE)
    index = folder / INDEX
    if not index.is_file():
        raise unreadable(folder / FILE, "is missing", f"add it, or {INDEX} with the files that it names")
    files = _files(index)
    missing = sorted({file for file in files.values() if not (folder / file).is_file()})
    if missing:
        problem = f"names {missing[0]}, which is not there ({len(missing)} of {len(set(files.values()))} files missing)"
        raise unreadable(index, problem, "copy the checkpoint anew")
    found: dict[str, Tensor] = {}
    for file in sorted(set(files.values())):
        found |= read_header(folder / file)
    lost = sorted(files.keys() - found.keys())
    if lost:
        problem = f"names the tensor {lost[0]!r}, which {files[lost[0]]} lacks"
        raise unreadable(index, problem, "copy the checkpoint anew")
    return found


def _files(index: Path) -> dict[str, str]:
    """Return tensor -> file, as an index has it."""
    named = read_object(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise unreadable(index, "has no weight_map, which names a file for each tensor", "copy the checkpoint anew")
    files = cast("dict[str, object]", named)
    odd = next((file for file in files.values() if not isinstance(file, str) or Path(file).name != file), None)
    if odd is not None:
        raise unreadable(index, f"names the file {odd!r}, and a file lies beside it", "copy the checkpoint anew")
    return cast("dict[str, str]", files)


@lru_cache(maxsize=64)
def _read(path: Path, size: int, mtime_ns: int) -> Mapping[str, Tensor]:
    del mtime_ns  # an argument so that a changed file is read again
    with path.open("rb") as file:
        first = file.read(len(LFS_POINTER))
        if first == LFS_POINTER:
            raise unreadable(path, "is a pointer of Git LFS, not the weights", "fetch them with `git lfs pull`")
        length = int.from_bytes(first[:_LENGTH_BYTES], "little")
        file.seek(_LENGTH_BYTES)
        header = file.read(length) if length <= min(MAX_HEADER_BYTES, size - _LENGTH_BYTES) else b""
    if not header.startswith(b"{"):
        raise _torn(path, f"it has {size:,} bytes and no header that fits them")
    begin = _LENGTH_BYTES + length
    tensors = _tensors(header, begin=begin, path=path)
    end = max((tensor.end for tensor in tensors.values()), default=begin)
    if end != size:
        raise _torn(path, f"its header tells of {end:,} bytes, and it has {size:,}")
    return tensors


def _tensors(header: bytes, *, begin: int, path: Path) -> Mapping[str, Tensor]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(header.decode("utf-8"))
        placed = [_placed(name, entry, begin=begin) for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _torn(path, "its header is damaged") from None
    placed.sort(key=lambda pair: (pair[1].start, pair[1].end))
    here = begin
    for name, tensor in placed:
        if tensor.start != here or tensor.end - here != _num_bytes(tensor):
            raise _torn(path, f"its header gives {name!r} a place that does not fit its shape")
        here = tensor.end
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


def _torn(path: Path, why: str) -> CheckpointError:
    msg = f"cannot load weights from {str(path)!r}: it is no whole safetensors file ({why}); copy the checkpoint anew"
    return CheckpointError(msg, folder=path.parent, field=path.name)
