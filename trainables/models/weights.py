"""Reads and writes tensors in safetensors files, never in pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from torch import Tensor


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors to one file."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of one file, on the CPU."""
    return load_file(path)


def read_renamed(path: Path, *, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return some tensors of one file under new names, in float32, on the CPU.

    Args:
        path: The file.
        names: New name -> name in the file.
    """
    with safe_open(path, framework="pt") as file:
        return {ours: file.get_tensor(theirs).float() for ours, theirs in names.items()}
