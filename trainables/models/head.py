"""The contract of a head, and what heads share: pooling, and XLM-R's classification head.

Shapes: B examples, T text tokens, K image tokens, V the vision tower's features, D the encoder's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from trainables.models.encoder import EncodedText, Encoder

Pooling = Literal["mean", "first"]
"""How a text becomes one vector: the mean over its tokens, or its first token."""

NORM_EPSILON = 1e-12
"""Of the scorer's LayerNorm: BERT's, and so small that the exported form, whose own is nil, gives the same scores."""


class HeadOutput(NamedTuple):
    """What a head makes of a batch. A tuple, because ZeRO stage 3 looks for tensors in nothing but tuples."""

    losses_B: Tensor
    """Loss of each example, in nats, unreduced, float32."""
    outputs: dict[str, Tensor]
    """What the kind's score needs; the first dimension is B. Each head documents its names."""


class Head(nn.Module):
    """The contract of a head: it owns its weights, and borrows the encoder for a call."""

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return losses and outputs of a batch.

        Args:
            encoder: Reads the batch's text, and image tokens where the kind has them.
            tensors: The batch, with the names of `trainables/tasks/kinds/kind.py`.
            image_features_BKV: The vision tower's features; kinds with images need them, others do not take them.
        """
        raise NotImplementedError


class Scorer(nn.Module):
    """A text's scores: pooling, then XLM-R's classification head (dropout, dense, tanh, dropout, out_proj).

    Mean pooling has a LayerNorm between the two: that is what lets a plain XLMRobertaForSequenceClassification hold
    it on export, as one more encoder layer (`trainables/models/export.py`). Image tokens are not pooled.

    Args:
        hidden_size: D.
        num_outputs: Scores for each text.
        pooling: Mean over the text's tokens, or its first token.
        dropout: Probability.
    """

    def __init__(self, hidden_size: int, *, num_outputs: int, pooling: Pooling, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size, eps=NORM_EPSILON) if pooling == "mean" else None
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.out_proj = nn.Linear(hidden_size, num_outputs)

    def forward(self, encoded: EncodedText) -> Tensor:
        """Return scores, B x num_outputs."""
        pooled_BD = encoded.text_BTD[:, 0] if self.norm is None else self.norm(mean_over_text(encoded))
        hidden_BD = torch.tanh(self.dense(self.dropout(pooled_BD)))
        return self.out_proj(self.dropout(hidden_BD))


def mean_over_text(encoded: EncodedText) -> Tensor:
    """Return the mean of each text's token vectors (B x D), padding and image tokens left out."""
    weights_BT = encoded.text_mask_BT.to(encoded.hidden_BSD.dtype)
    sums_BD = (weights_BT[:, None, :] @ encoded.text_BTD)[:, 0]
    return sums_BD / weights_BT.sum(dim=1, keepdim=True)
