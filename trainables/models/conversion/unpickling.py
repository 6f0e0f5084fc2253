"""The process that opens a pickle: it writes the tensors of one file as safetensors, and what each of them is.

`python -m trainables.models.conversion.unpickling SOURCE TARGET REPORT PREFIX PARTS` is started by `converter.py`.
`torch.load` with `weights_only=True` builds tensors and plain containers and refuses everything else before it runs.
Nothing of the trial, the record or the store is in this process, and it ends with the file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from torch import Tensor


class NotTensorsError(ValueError):
    """The pickle holds something that is not a tensor by name."""


def unpickled(source: Path) -> dict[str, Tensor]:
    """Return the tensors of a pickle by name.

    Raises:
        UnpicklingError: The pickle asks for anything but tensors and plain containers.
        NotTensorsError: It holds no tensors by name.
    """
    found: object = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(found, dict):
        msg = f"holds {type(found).__name__}, not tensors by name"
        raise NotTensorsError(msg)
    named = cast("dict[object, object]", found)
    odd = next((name for name, one in named.items() if not (isinstance(name, str) and torch.is_tensor(one))), None)
    if odd is not None:
        msg = f"holds {odd!r}, which is not a tensor"
        raise NotTensorsError(msg)
    return cast("dict[str, Tensor]", named)


def convert(source: Path, *, target: Path, prefix: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Write the weights of an encoder as safetensors; returns the SHA-256 of each tensor's bytes.

    Args:
        source: The pickle.
        target: The file to write.
        prefix: Prefix of the encoder's weights in a model with a head; it is removed.
        parts: How the names of the encoder's weights start. Heads and buffers of whole numbers are left out.
    """
    named = {name.removeprefix(prefix): tensor for name, tensor in unpickled(source).items()}
    tensors = {
        name: tensor.contiguous().clone()
        for name, tensor in named.items()
        if name.startswith(parts) and tensor.is_floating_point()
    }
    save_file(tensors, target, metadata={"format": "pt"})
    written = load_file(target)
    differing = [name for name, tensor in tensors.items() if not _is_same(written[name], tensor)]
    if differing:
        msg = f"{differing[0]!r} differs after it was written"
        raise NotTensorsError(msg)
    return {name: hashlib.sha256(_bytes(tensor)).hexdigest() for name, tensor in tensors.items()}


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and _bytes(one) == _bytes(other)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def main(source: str, target: str, report: str, prefix: str, parts: str) -> None:
    """Convert one file and write the report, or write why that is refused."""
    try:
        hashes = convert(Path(source), target=Path(target), prefix=prefix, parts=tuple(parts.split(",")))
    except (OSError, MemoryError, SafetensorError) as error:  # of this machine, not of what the file holds
        Path(report).write_text(json.dumps({"failed": f"{type(error).__name__}: {error}"}), encoding="utf-8")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  whatever a file of a stranger causes is reported by the parent
        Path(report).write_text(json.dumps({"refused": f"{type(error).__name__}: {error}"}), encoding="utf-8")
        sys.exit(1)
    Path(report).write_text(json.dumps({"tensors": hashes}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
