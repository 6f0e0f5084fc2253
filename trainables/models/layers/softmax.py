"""The weights of attention: torch's softmax, in 32 bits where torch is slow in 16.

On CPUs, torch's softmax of short rows takes twice as long in 16 bits as in 32 with the conversions, unless they fill
whole vectors (benchmarks/encoders/attention.py). So these are computed in 32 bits and rounded once, as torch does.

Shapes: B examples, H heads, S tokens, Q queries (S, or 1 where all see the same tokens).
"""

from __future__ import annotations

from typing import Any  # Any: torch's context of an autograd function

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SHORT_TYPES = (torch.bfloat16, torch.float16)
"""Types of 16 bits."""

_VECTOR, _LONG_ROW = 32, 128
"""Numbers of 16 bits in a vector of the processor, and in a row of which an incomplete vector is a small part."""


def softmax(scores_BHSS: Tensor, mask_B1QS: Tensor | None) -> Tensor:
    """Return the softmax of scores over the last dimension, 0 where a mask has no token.

    Args:
        scores_BHSS: The scores, B x H x Q x S.
        mask_B1QS: True where there is a token; None if there is a token everywhere.
    """
    lowest = max(torch.finfo(scores_BHSS.dtype).min, torch.finfo(torch.float32).min)
    lowest_B1QS = None if mask_B1QS is None else mask_B1QS.logical_not().float() * lowest
    num_tokens = scores_BHSS.shape[-1]
    if scores_BHSS.dtype in SHORT_TYPES and num_tokens < _LONG_ROW and num_tokens % _VECTOR:
        return _SoftmaxOf16Bits.apply(scores_BHSS, lowest_B1QS)  # pyright: ignore[reportReturnType]  (typed as Any)
    if lowest_B1QS is not None:
        scores_BHSS = scores_BHSS + lowest_B1QS.to(scores_BHSS.dtype)
    return scores_BHSS.softmax(dim=-1)


class _SoftmaxOf16Bits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, lowest: Tensor | None) -> Tensor:
        weights = scores.float()
        if lowest is not None:
            weights += lowest
        weights = torch.softmax(weights, dim=-1, out=weights).to(scores.dtype)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    @once_differentiable  # pyright: ignore[reportArgumentType]
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator loses the arguments' names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        backward: Any = torch.ops.aten._softmax_backward_data  # noqa: SLF001  (that of torch's own softmax)
        return backward(grad_outputs[0], weights, -1, weights.dtype), None
