"""Linear layers for CPUs on which oneDNN multiplies faster than MKL, which torch uses for float32.

MKL has no AVX-512 kernels for processors of other vendors than Intel. On such a processor with AVX-512 its products run
at less than half the rate of oneDNN's, which torch has too, but uses for float32 only in compiled graphs: 105 against
180 to 250 GFLOP/s on one core of an AMD EPYC, for the shapes of forward pass, gradients of inputs and gradients of
weights (benchmarks/encoders/products.py, docs/decisions/0035). On all other devices and types, the layers are torch's.

Shapes: N rows, K inputs, M outputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any  # Any: torch's context of an autograd function, and an operator that it does not type

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainables.processor import described

_VENDOR = "AuthenticAMD"
_WITHOUT_POSTPROCESSING = ("none", (), "")


class Linear(nn.Linear):
    """`nn.Linear`, with the products of the faster library."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's own name)
        """Return what `nn.Linear` returns, up to rounding."""
        return linear(input, self.weight, self.bias)


def linear(input: Tensor, weight_MK: Tensor, bias_M: Tensor | None) -> Tensor:  # noqa: A002  (torch's own name)
    """Return `functional.linear` of the same arguments, up to rounding.

    Args:
        input: ... x K.
        weight_MK: The weight.
        bias_M: The bias, or None.
    """
    if not _is_faster_for(input, weight_MK):
        return nn.functional.linear(input, weight_MK, bias_M)
    if torch.is_grad_enabled():
        return _Linear.apply(input, weight_MK, bias_M)  # pyright: ignore[reportReturnType]  (torch types it as Any)
    return _linear(input, weight_MK, bias_M)


def use_fast_linear(module: nn.Module) -> None:
    """Give every `nn.Linear` in a module the faster products, in place; parameters and names stay."""
    for one in module.modules():
        if type(one) is nn.Linear:
            one.__class__ = Linear


@cache
def multiplies_with_onednn() -> bool:
    """Return whether float32 layers on this CPU use oneDNN: a rule, not a measurement, so that it cannot change."""
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and described("vendor_id") == _VENDOR
    )


def _is_faster_for(input: Tensor, weight_MK: Tensor) -> bool:  # noqa: A002  (torch's own name)
    return (
        input.device.type == "cpu"
        and input.dtype is torch.float32
        and weight_MK.dtype is torch.float32
        and input.numel() > 0
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and multiplies_with_onednn()
    )


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight_MK: Tensor, bias_M: Tensor | None) -> Tensor:  # noqa: A002
        needs_input, needs_weight, _ = ctx.needs_input_grad
        # The parameter itself is kept, not a view: ZeRO 3 frees its values until the backward pass, then restores them.
        ctx.save_for_backward(input if needs_weight else None, weight_MK if needs_input else None)
        return _linear(input, weight_MK, bias_M)

    @staticmethod
    @once_differentiable  # pyright: ignore[reportArgumentType]
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator loses the arguments' names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = grad_outputs
        input, weight_MK = ctx.saved_tensors  # noqa: A001  (torch's own name)
        gradient_NM = gradient.reshape(-1, gradient.shape[-1])
        of_input = None if weight_MK is None else _product(gradient_NM, weight_MK.t())
        of_weight = None if input is None else _product(gradient_NM.t(), input.reshape(-1, input.shape[-1]).t())
        of_bias = gradient_NM.sum(dim=0) if ctx.needs_input_grad[2] else None
        return None if of_input is None else of_input.view(*gradient.shape[:-1], -1), of_weight, of_bias


def _linear(input: Tensor, weight_MK: Tensor, bias_M: Tensor | None) -> Tensor:  # noqa: A002
    output_NM = _product(input.reshape(-1, input.shape[-1]), weight_MK, bias_M)
    return output_NM.view(*input.shape[:-1], -1)


def _product(left_NK: Tensor, right_MK: Tensor, bias_M: Tensor | None = None) -> Tensor:
    """Return left x right^T + bias, N x M."""
    attribute, scalars, algorithm = _WITHOUT_POSTPROCESSING
    multiply: Any = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001  (compiled graphs call it)
    return multiply(left_NK, right_MK, bias_M, attribute, [*scalars], algorithm)
