"""The vectors above a frozen prefix for all texts of a split, memory-mapped, as tensors of batches.

Shapes: B examples, C choices, T tokens, D hidden size, N tokens of all texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

VECTORS, STARTS = "vectors.npy", "starts.npy"
"""Files of a folder. The vectors of all texts, one text after the other, without padding, N x D: float32, or the bits
of bfloat16 as int16; and where each text starts, with N at the end."""

DTYPES: Mapping[torch.dtype, type[np.generic]] = {torch.float32: np.float32, torch.bfloat16: np.int16}
"""Type of vectors -> type in the file."""


class PrefixVectors:
    """The vectors of a split's texts. Reading is safe from many threads.

    Args:
        folder: A complete folder.
        use: The open file that keeps the folder from being removed (`trainables/data/cache_room.py`).
    """

    def __init__(self, folder: Path, *, use: IO[str]) -> None:
        self._vectors_ND = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        self._starts = cast("list[int]", np.load(folder / STARTS, allow_pickle=False).tolist())
        self._use = use

    def added_to(self, batch: Mapping[str, Tensor], *, indices: NDArray[np.integer]) -> dict[str, Tensor]:
        """Return a batch with `prefix_BTD`, or `prefix_BCTD`, 0 at padding.

        Args:
            batch: The collated batch: `input_ids_BT`, or `input_ids_BCT`, with padding on the right.
            indices: Numbers of its examples.
        """
        name = "input_ids_BCT" if "input_ids_BCT" in batch else "input_ids_BT"
        shape = batch[name].shape
        num_choices, longest = (shape[1] if len(shape) > 2 else 1), shape[-1]  # noqa: PLR2004
        texts = (np.asarray(indices)[:, None] * num_choices + np.arange(num_choices)).ravel().tolist()
        rows = np.zeros((len(texts), longest, self._vectors_ND.shape[1]), dtype=self._vectors_ND.dtype)
        for row, text in enumerate(texts):
            start, end = self._starts[text], self._starts[text + 1]
            rows[row, : end - start] = self._vectors_ND[start:end]
        vectors = torch.from_numpy(rows)
        vectors = vectors.view(torch.bfloat16) if vectors.dtype == torch.int16 else vectors
        return {**batch, name.replace("input_ids", "prefix") + "D": vectors.view(*shape, -1)}
