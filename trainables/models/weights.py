"""Reads and writes tensors in safetensors files, never in pickles."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: an open safetensors file has no public type

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from trainables.tensor_files import Place, weight_files

if TYPE_CHECKING:
    from torch import Tensor


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors to one file."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of one file, on the CPU."""
    return load_file(path)


class OpenFiles:
    """The tensors of several files, read as safetensors reads those of one.

    Args:
        files: Open files; no name is in two of them.
    """

    def __init__(self, files: Sequence[Any]) -> None:
        self._file_of = {name: file for file in files for name in file.keys()}  # noqa: SIM118  (not a dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors."""
        return tuple(self._file_of)

    def get_tensor(self, name: str) -> Tensor:
        """Return a tensor."""
        return self._file_of[name].get_tensor(name)

    def get_slice(self, name: str) -> Any:
        """Return a tensor of which only parts are read."""
        return self._file_of[name].get_slice(name)


@contextlib.contextmanager
def open_weights(files: Sequence[Path]) -> Generator[OpenFiles]:
    """Open the files of one encoder, which together hold its weights."""
    with contextlib.ExitStack() as stack:
        yield OpenFiles([stack.enter_context(safe_open(file, framework="pt")) for file in files])


def read_place(place: Place) -> dict[str, Tensor]:
    """Return the weights of a stage by name, with the tensors that it shares, on the CPU."""
    with open_weights(weight_files(place)) as file:
        return {name: file.get_tensor(name) for name in file.names}


def read_renamed(path: Path, *, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return some tensors of one file under new names, in float32, on the CPU.

    Args:
        path: The file.
        names: New name -> name in the file.
    """
    with safe_open(path, framework="pt") as file:
        return {ours: file.get_tensor(theirs).float() for ours, theirs in names.items()}
