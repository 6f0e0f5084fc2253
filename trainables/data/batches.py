"""Prepares a collated batch for the device, so that the device never has to be asked about its content.

Whether a batch has padding, and which tokens are predicted, decides what the model computes. On a GPU such a question
makes Python wait for everything before it. Here it is answered from the CPU's copy, before the batch is sent.

Shapes: B examples, C choices, T tokens, Tm predicted tokens, D the encoder's hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from trainables.data.shapes import FewShapes

MASKS = ("attention_mask_BT", "attention_mask_BCT")
"""Names of the mask of a batch's texts: 1 for tokens, 0 for padding."""

PREFIXES = frozenset({"prefix_BTD", "prefix_BCTD"})
"""Names of the vectors above the encoder's frozen prefix, where they were computed before."""

PREDICTED = "predicted_Tm"
"""Name of the positions of the predicted tokens of `targets_BT`, counted over the flattened batch (masked LM)."""


class Examples(Protocol):
    """Examples that make batches: an encoded split, or several as one stream."""

    lengths: NDArray[np.int32]
    """Tokens of each example."""

    @property
    def pad_id(self) -> int:
        """Number of the padding token."""
        ...

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the tensors of some examples."""
        ...


def prepared_batch(
    examples: Examples,
    indices: NDArray[np.integer],
    *,
    generator: np.random.Generator,
    shapes: FewShapes | None = None,
) -> dict[str, Tensor]:
    """Return the tensors of some examples: without a mask if there is no padding, with the positions of targets.

    Args:
        examples: Where they come from.
        indices: Their numbers, at least one.
        generator: Random numbers of this batch.
        shapes: How its length is rounded; None: not at all.
    """
    batch = examples.batch(indices, generator=generator)
    if shapes is not None:  # after the random numbers were drawn, so that they are the same on every device
        batch = with_length(batch, shapes=shapes, pad_id=examples.pad_id)
    return with_positions(without_needless_mask(batch))


def with_length(batch: dict[str, Tensor], *, shapes: FewShapes, pad_id: int) -> dict[str, Tensor]:
    """Return a batch whose texts are padded on the right to a rounded length.

    Args:
        batch: The batch, on the CPU.
        shapes: How its length is rounded.
        pad_id: Number of the padding token.
    """
    of_texts = {name: name.rpartition("_")[0] for name in batch if name.endswith(("_BT", "_BCT"))}
    padding = {**_PADDING, "input_ids": pad_id}
    padded = dict(batch)
    for name, meaning in of_texts.items():
        num_more = shapes.length(batch[name].shape[-1]) - batch[name].shape[-1]
        padded[name] = torch.nn.functional.pad(batch[name], (0, num_more), value=padding[meaning])
    for name in PREFIXES & batch.keys():
        num_more = shapes.length(batch[name].shape[-2]) - batch[name].shape[-2]
        padded[name] = torch.nn.functional.pad(batch[name], (0, 0, 0, num_more))
    return padded


_PADDING = {"attention_mask": 0, "span_mask": 0, "targets": -100}
"""Value of a tensor at the positions of padding, by the tensor's name in `trainables/tasks/kinds/kind.py`."""


def without_needless_mask(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a batch on the CPU without its mask if all of its positions hold tokens: attention is faster then."""
    needless = {name for name in MASKS if name in batch and batch[name].numpy().all()}
    return {name: tensor for name, tensor in batch.items() if name not in needless}


def with_positions(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a batch on the CPU with the positions of its predicted tokens, if it has targets for tokens."""
    if "targets_BT" not in batch:
        return batch
    return {**batch, PREDICTED: torch.from_numpy(np.flatnonzero(batch["targets_BT"].numpy() >= 0))}
