"""Attention for the encoder: torch's fused kernels on CUDA, plain products on CPUs.

On CPUs, torch's `scaled_dot_product_attention` is fused only without dropout, and then its backward pass is slower than
plain products. With dropout it draws random numbers slowly, and it checks for rows without tokens, which do not occur
here. Forward and backward of 32 x 12 heads x 48 tokens: 24 ms with dropout, 20 ms without; plain products take 17 ms
and 13 ms (torch 2.13).

In 16 bits, plain products take two thirds of its time without gradients too (benchmarks/encoders/attention.py).

Shapes: B examples, H heads, S tokens, Q queries (S, or 1 where all see the same tokens), E size of a head.
"""

from __future__ import annotations

from torch import Tensor, nn

from trainables.models.layers.dropout import dropout as cheap_dropout
from trainables.models.layers.softmax import SHORT_TYPES, softmax

NAME = "xstilts"
"""Name under which `attend` is registered in transformers."""

_LARGEST = 1 << 26
"""Scores of a pass without gradients, in numbers; those of more are not kept in memory at once."""


def attend(
    module: nn.Module,
    query_BHSE: Tensor,
    key_BHSE: Tensor,
    value_BHSE: Tensor,
    attention_mask_B1QS: Tensor | None,
    *,
    dropout: float = 0.0,
    **unused: object,
) -> tuple[Tensor, None]:
    """Return B x S x H x E attention outputs, in the form that transformers needs from an attention function.

    Args:
        module: The caller.
        query_BHSE: Queries.
        key_BHSE: Keys; where they have fewer heads than queries, each serves several heads of queries in turn.
        value_BHSE: Values, with the heads of the keys.
        attention_mask_B1QS: True where there is a token; None if there is a token everywhere.
        dropout: Dropout probability of the attention weights.
        unused: Further arguments of transformers; its `scaling` is always 1 / sqrt(E) in the encoders here.
    """
    del module, unused
    if query_BHSE.shape[1] != key_BHSE.shape[1]:
        times = query_BHSE.shape[1] // key_BHSE.shape[1]
        key_BHSE, value_BHSE = key_BHSE.repeat_interleave(times, dim=1), value_BHSE.repeat_interleave(times, dim=1)
    if not _multiplies_plainly(query_BHSE, dropout=dropout):
        mixed_BHSE = nn.functional.scaled_dot_product_attention(
            query_BHSE, key_BHSE, value_BHSE, attn_mask=attention_mask_B1QS, dropout_p=dropout
        )
        return mixed_BHSE.transpose(1, 2).contiguous(), None
    scores_BHSS = (query_BHSE * query_BHSE.shape[-1] ** -0.5) @ key_BHSE.transpose(2, 3)
    weights_BHSS = cheap_dropout(softmax(scores_BHSS, attention_mask_B1QS), dropout)
    return (weights_BHSS @ value_BHSE).transpose(1, 2).contiguous(), None


def _multiplies_plainly(query_BHSE: Tensor, *, dropout: float) -> bool:
    """Return whether plain products are faster than torch's fused attention."""
    if query_BHSE.device.type != "cpu" or dropout or query_BHSE.requires_grad:
        return query_BHSE.device.type == "cpu"
    num_scores = query_BHSE.shape[:3].numel() * query_BHSE.shape[2]
    return query_BHSE.dtype in SHORT_TYPES and num_scores <= _LARGEST
