"""Makes linear layers compute the same at ZeRO 3 as at every other stage.

DeepSpeed replaces torch's function for linear layers in the whole process, so that their weights can be freed between
forward and backward pass, and never restores it (deepspeed 0.19.8: "this will persist unless manually reset"). Its own
function adds the bias after it has rounded the product. In bfloat16, ZeRO 3 therefore computed other numbers than ZeRO
0 to 2, and so did later training in the same process: the gradient of a step differed by 0.8 % (docs/decisions/0023).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_linear = functional.linear


def use_exact_linear() -> None:
    """Make DeepSpeed's forward function compute like torch's; its backward function stays."""
    from deepspeed.runtime.zero.linear import LinearFunctionForZeroStage3

    LinearFunctionForZeroStage3.forward = staticmethod(_forward)


def restore_linear() -> None:
    """Restore torch's own function, when no engine at ZeRO 3 exists."""
    functional.linear = _linear


def _forward(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002  (DeepSpeed's name)
    return _linear(input, weight, bias)
