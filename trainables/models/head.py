"""The interface of a head, and what heads share: pooling, and XLM-R's classification head.

Shapes: B examples, T text tokens, K image tokens, V the vision tower's features, D the encoder's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainables.models.encoder import EncodedText, Encoder
from trainables.models.families.family import EncoderShape, Pooling

NORM_EPSILON = 1e-12
"""Epsilon of the scorer's LayerNorm: BERT's. It is so small that the export, which has none, gives the same scores."""


class HeadOutput(NamedTuple):
    """Output of a head for a batch. It is a tuple, because ZeRO stage 3 finds tensors only in tuples."""

    losses_B: Tensor
    """Loss of each example, in nats, not reduced, float32."""
    outputs: dict[str, Tensor]
    """Tensors that the kind's score needs; the first dimension is B. Each head documents their names."""


class Head(nn.Module):
    """The interface of a head: it has its own weights, and gets the encoder as an argument."""

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return losses and outputs of a batch.

        Args:
            encoder: Encodes the batch's texts, and image tokens where the kind has them.
            tensors: The batch, with the names of `trainables/tasks/kinds/kind.py`.
            image_features_BKV: The vision tower's features; kinds with images need them, other kinds ignore them.
        """
        raise NotImplementedError


def encoded_texts(encoder: Encoder, tensors: Mapping[str, Tensor]) -> EncodedText:
    """Return the encoder's vectors of a batch of texts.

    Args:
        encoder: The encoder.
        tensors: `input_ids_BT`; `attention_mask_BT` if there is padding; and `prefix_BTD` where the vectors above the
            encoder's frozen prefix were computed before.
    """
    return encoder(tensors["input_ids_BT"], tensors.get("attention_mask_BT"), prefix_BTD=tensors.get("prefix_BTD"))


class Scorer(nn.Module):
    """Computes scores of a text: pooling, then a classification head that transformers' class of the family has too.

    In most families it is XLM-R's: dropout, dense, tanh, dropout, out_proj. Mean pooling then has a LayerNorm between
    the two, so one more encoder layer can represent it after an export (`trainables/models/families/bert_layers.py`).
    A family whose class averages tokens itself has its own head: `ScorerForm` says how it differs. Image tokens are not
    pooled.

    Args:
        shape: The encoder.
        num_outputs: Number of scores for each text.
        pooling: Mean over the text's tokens, or its first token.
        dropout: Dropout probability.
    """

    def __init__(self, shape: EncoderShape, *, num_outputs: int, pooling: Pooling, dropout: float) -> None:
        super().__init__()
        form, hidden_size = shape.scorer, shape.hidden_size
        self._has_mean = pooling == "mean"
        has_opening = self._has_mean and form.opening_norm
        self.norm = nn.LayerNorm(hidden_size, eps=NORM_EPSILON) if has_opening else None
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self._activation = torch.tanh if form.activation == "tanh" else nn.functional.gelu
        self.closing_norm = (
            nn.LayerNorm(hidden_size, eps=form.closing_epsilon, bias=form.closing_bias) if form.closing_norm else None
        )
        self.out_proj = nn.Linear(hidden_size, num_outputs)

    def forward(self, encoded: EncodedText) -> Tensor:
        """Return scores, B x num_outputs."""
        pooled_BD = mean_over_text(encoded) if self._has_mean else encoded.text_BTD[:, 0]
        opened_BD = pooled_BD if self.norm is None else self.norm(pooled_BD)
        hidden_BD = self._activation(self.dense(self.dropout(opened_BD)))
        closed_BD = hidden_BD if self.closing_norm is None else self.closing_norm(hidden_BD)
        return self.out_proj(self.dropout(closed_BD))


def mean_over_text(encoded: EncodedText) -> Tensor:
    """Return the mean of each text's token vectors (B x D), without padding and image tokens."""
    weights_BT = encoded.text_mask_BT.to(encoded.hidden_BSD.dtype)
    sums_BD = (weights_BT[:, None, :] @ encoded.text_BTD)[:, 0]
    return sums_BD / weights_BT.sum(dim=1, keepdim=True)
