"""The few shapes of batches that a compiled model meets. Pure.

A GPU computes a short text as fast as a longer one, and each new shape costs a compilation. So on CUDA the length of a
batch is rounded up to one of a few, and the number of its examples is a power of two wherever it can be. On the CPU
each token of padding costs its arithmetic, so nothing is rounded there (docs/decisions/0028).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths of batches, in tokens. Multiples of 16: matrix units on GPUs need at least multiples of 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShapes:
    """Rounds the shapes of batches up.

    Args:
        max_length: Longest text in tokens; no batch becomes longer.
    """

    max_length: int

    def length(self, num_tokens: int) -> int:
        """Return the length of a batch whose longest text has `num_tokens` tokens."""
        return int(self.lengths(np.array([num_tokens]))[0])

    def lengths(self, lengths: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the length that each text has in a batch where it is the longest one."""
        allowed = np.array([*(one for one in LENGTHS if one < self.max_length), self.max_length])
        places = np.searchsorted(allowed, lengths)
        rounded = np.where(lengths > self.max_length, lengths, allowed[np.minimum(places, len(allowed) - 1)])
        return rounded.astype(np.int32)


def few_shapes(kind: str, *, max_length: int) -> FewShapes | None:
    """Return how a device's shapes are rounded; None where they are not.

    Args:
        kind: The device's type.
        max_length: Longest text in tokens.
    """
    return FewShapes(max_length=max_length) if kind == "cuda" else None


def power_of_two(number: int) -> int:
    """Return the largest power of two that is at most `number`; at least 1."""
    return 1 << (max(1, number).bit_length() - 1)
