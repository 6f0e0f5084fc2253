"""Linear layers at ZeRO 3 as at every other stage.

DeepSpeed replaces torch's function for linear layers in the whole process, so that their weights can be let go between
forward and backward pass, and leaves it replaced (deepspeed 0.19.8: "this will persist unless manually reset"). Its own
adds the bias after it has rounded the product. In bfloat16 that made ZeRO 3 compute other numbers than ZeRO 0 to 2, and
whatever the process trained after it, too: the gradient of a step differed by 0.8 % (docs/decisions/0023).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_linear = functional.linear


def use_exact_linear() -> None:
    """Have DeepSpeed's function compute what torch's does; what it keeps for the backward pass stays its own."""
    from deepspeed.runtime.zero.linear import LinearFunctionForZeroStage3

    LinearFunctionForZeroStage3.forward = staticmethod(_forward)


def restore_linear() -> None:
    """Put torch's own function back, once no engine at ZeRO 3 lives."""
    functional.linear = _linear


def _forward(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002  (DeepSpeed's name)
    return _linear(input, weight, bias)
