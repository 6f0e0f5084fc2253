"""Random texts with the recorded lengths of MNLI and XNLI (`lengths.json`), for `throughput.py`.

Shapes: B examples, T tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RECORDED = Path(__file__).with_name("lengths.json")
PAD_ID, FIRST_WORD = 1, 4
NUM_LABELS = 3


def recorded_names() -> list[str]:
    """Return the names of the recorded texts: `mnli`, and `xnli LANGUAGE` for each language."""
    return list(json.loads(RECORDED.read_text())["counts"])


def drawn_lengths(name: str, *, num_texts: int | None, seed: int = 0) -> NDArray[np.int32]:
    """Return lengths in tokens: all recorded ones in a random order, or some drawn from them.

    Args:
        name: One of `recorded_names`.
        num_texts: Number of lengths; None returns each recorded text's.
        seed: Seed of the draw.
    """
    counts = json.loads(RECORDED.read_text())["counts"][name]
    lengths = np.repeat(np.array(list(counts), dtype=np.int32), list(counts.values()))
    order = np.random.default_rng(seed).permutation(len(lengths))
    return lengths[order[:num_texts]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts of random words."""

    lengths: NDArray[np.int32]
    """Tokens of each text."""
    vocab_size: int
    """Number of words."""
    pad_id: int = PAD_ID
    """Number of the padding token."""

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return `input_ids_BT`, `attention_mask_BT` and `labels_B`; a text's words depend only on its number."""
        del generator
        numbers = np.asarray(indices)
        lengths_B = self.lengths[numbers]
        mask_BT = np.arange(lengths_B.max()) < lengths_B[:, None]
        words_BT = FIRST_WORD + (numbers[:, None] * 7919 + np.arange(mask_BT.shape[1]) * 104_729) % (
            self.vocab_size - FIRST_WORD
        )
        return {
            "input_ids_BT": torch.from_numpy(np.where(mask_BT, words_BT, self.pad_id).astype(np.int64)),
            "attention_mask_BT": torch.from_numpy(mask_BT.astype(np.int64)),
            "labels_B": torch.from_numpy((numbers % NUM_LABELS).astype(np.int64)),
        }
