"""Splits a file of weights into a stage's own tensors and those of its start, and puts it together again. No torch.

A safetensors file is 8 bytes (the length of its header, little-endian), a header in JSON (name -> type, shape and range
of bytes), and the bytes of its tensors without gaps (safetensors' README). Tensors are compared and copied as bytes, so
a file that is put together again is the file that was split, bit for bit. The files here were checked before: those of
a stage by their checksums, those of a checkpoint by `trainables.models.pretrained`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple  # Any: JSON

log = logging.getLogger(__name__)

WHOLE = "model.safetensors"
"""File with all weights of an encoder, in the folder of a stage or a checkpoint."""

OWN = "own.safetensors"
"""File in place of `WHOLE` in the folder of a stage that shares tensors: those that are its own."""

SHARED = "shared.safetensors"
"""File with shared tensors, in a folder of its own."""

_LENGTH_BYTES = 8
_FIRST_BYTES, _PIECE_BYTES = 1 << 14, 1 << 21
_HEADER = "whole"
"""Entry in the metadata of `OWN`: the header of the whole file, as it was."""


class Span(NamedTuple):
    """A tensor in a file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Position of its first byte in the file."""
    end: int
    """Position after its last byte."""

    @property
    def num_bytes(self) -> int:
        """Size."""
        return self.end - self.start


class Header(NamedTuple):
    """The header of a file."""

    text: str
    """Its JSON, with the spaces behind it."""
    tensors: dict[str, Span]
    """Name -> tensor, in the order of the file."""
    metadata: dict[str, str]


class Place(NamedTuple):
    """Where the weights of an encoder are."""

    folder: Path
    """Folder of a stage or a checkpoint."""
    shared: Path | None = None
    """Folder with the tensors that the stage shares; None: it has them itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The two parts of a file of weights."""

    header: str
    """Header of the whole file."""
    own: dict[str, Span]
    """Name -> tensor that only this file has, in its order."""
    shared: dict[str, Span]
    """Name -> tensor that the start has too."""

    def own_pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the file `OWN`."""
        return _file(self.own, metadata={_HEADER: self.header})

    def shared_pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the file `SHARED`: the same for every stage that shares these tensors."""
        return _file(self.shared, metadata={"format": "pt"})


def split(whole: Path, *, start: Place) -> Split | None:
    """Return the own and the shared tensors of a file of weights; None if sharing would not make it smaller.

    Files that are not safetensors share nothing.

    Args:
        whole: The file.
        start: The encoder that the weights were trained from. Its names can have a prefix, as those of a checkpoint of
            a model with a head.
    """
    try:
        header = read_header(whole)
        before = _without_prefix(_tensors_at(start), names=header.tensors)
    except ValueError as error:  # sharing only saves space: whoever loads the weights says what is wrong with them
        log.warning("the weights of a stage are kept whole: %s", error)
        return None
    shared = {
        name: span
        for name, span in header.tensors.items()
        if (old := before.get(name)) is not None and _are_equal(span, old)
    }
    # The header of the whole file is kept, and each part has one of its own.
    if sum(span.num_bytes for span in shared.values()) <= 3 * len(header.text):
        return None
    own = {name: span for name, span in header.tensors.items() if name not in shared}
    return Split(header=header.text, own=own, shared=shared)


def whole_pieces(place: Place) -> Iterator[bytes]:
    """Yield the bytes of a stage's whole file of weights; the stage shares tensors."""
    text = read_header(place.folder / OWN).metadata[_HEADER]
    yield len(text.encode()).to_bytes(_LENGTH_BYTES, "little") + text.encode()
    found = _tensors_at(place)
    for name in _parsed(text, path=place.folder / WHOLE).tensors:
        yield from _bytes_of(found[name])


def checksum(pieces: Iterable[bytes]) -> tuple[int, str]:
    """Return the size of a file and its SHA-256, in hexadecimal, from its bytes."""
    digest, num_bytes = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        num_bytes += len(piece)
    return num_bytes, digest.hexdigest()


def write(pieces: Iterable[bytes], path: Path) -> None:
    """Write a new file."""
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)


def weight_files(place: Place) -> list[Path]:
    """Return the files that hold the weights of a stage or a checkpoint."""
    if (place.folder / WHOLE).is_file():
        return [place.folder / WHOLE]
    if (place.folder / OWN).is_file():
        return [place.folder / OWN, *([place.shared / SHARED] if place.shared else [])]
    return sorted(place.folder.glob("*.safetensors"))


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file.

    Raises:
        ValueError: It is another file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        text = file.read(length).decode() if length <= path.stat().st_size else ""
    if not text.startswith("{"):  # as safetensors requires
        raise ValueError(f"{path} is not a safetensors file")
    return _parsed(text, path=path)


def _parsed(text: str, *, path: Path) -> Header:
    entries: dict[str, Any] = json.loads(text)
    metadata: dict[str, str] = entries.pop("__metadata__", {})
    begin = _LENGTH_BYTES + len(text.encode())
    tensors: dict[str, Span] = {}
    for name, entry in sorted(entries.items(), key=lambda pair: (pair[1]["data_offsets"], pair[0])):
        first, last = entry["data_offsets"]
        shape = tuple(entry["shape"])
        tensors[name] = Span(path=path, dtype=entry["dtype"], shape=shape, start=begin + first, end=begin + last)
    return Header(text, tensors, metadata)


def _tensors_at(place: Place) -> dict[str, Span]:
    return {name: span for path in weight_files(place) for name, span in read_header(path).tensors.items()}


def _without_prefix(tensors: Mapping[str, Span], *, names: Iterable[str]) -> Mapping[str, Span]:
    first = next(iter(names), "")
    prefix = next((name.removesuffix(first) for name in tensors if name.endswith(f".{first}")), "")
    if first in tensors or not prefix:
        return tensors
    return {name.removeprefix(prefix): span for name, span in tensors.items() if name.startswith(prefix)}


def _are_equal(one: Span, before: Span) -> bool:
    """Return whether a tensor has the values of one before it, of the same type or of a shorter float."""
    pieces: Iterator[bytes] | None = None
    if one.dtype == before.dtype:
        pieces = _bytes_of(before)
    elif one.dtype == "F32":
        pieces = _as_float32(before)
    if one.shape != before.shape or pieces is None:
        return False
    return all(mine == theirs for mine, theirs in zip(_bytes_of(one), pieces, strict=True))


def _as_float32(span: Span) -> Iterator[bytes] | None:
    """Return a tensor's bytes as float32, which has all values of both shorter floats; None for other types."""
    import numpy as np

    pieces = _bytes_of(span, first=_FIRST_BYTES // 2, others=_PIECE_BYTES // 2)
    if span.dtype == "F16":
        return (np.frombuffer(piece, "<f2").astype("<f4").tobytes() for piece in pieces)
    if span.dtype == "BF16":  # the upper half of a float32
        return ((np.frombuffer(piece, "<u2").astype("<u4") << 16).tobytes() for piece in pieces)
    return None


def _bytes_of(span: Span, *, first: int = _FIRST_BYTES, others: int = _PIECE_BYTES) -> Iterator[bytes]:
    """Yield a tensor's bytes, in pieces of the same sizes for tensors of the same size.

    The first piece is small: most tensors that differ do so from the start.
    """
    with span.path.open("rb") as file:
        file.seek(span.start)
        left, size = span.num_bytes, first
        while left:
            piece, size = file.read(min(size, left)), others
            if not piece:
                raise EOFError(str(span.path))
            left -= len(piece)
            yield piece


def _file(tensors: Mapping[str, Span], *, metadata: Mapping[str, str]) -> Iterator[bytes]:
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    position = 0
    for name, span in tensors.items():
        entries[name] = _entry(span, start=position)
        position += span.num_bytes
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # as safetensors aligns the tensors
    yield len(text).to_bytes(_LENGTH_BYTES, "little") + text
    for span in tensors.values():
        yield from _bytes_of(span)


def _entry(span: Span, *, start: int) -> dict[str, str | Sequence[int]]:
    return {"dtype": span.dtype, "shape": span.shape, "data_offsets": (start, start + span.num_bytes)}
