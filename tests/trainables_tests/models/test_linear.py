"""Linear layers whose products are oneDNN's: the values and gradients of torch's own, wherever they are used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainables.models.layers import linear as fast
from trainables.models.layers.linear import Linear, multiplies_with_onednn, use_fast_linear

needs_operator = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this build of torch has no oneDNN"
)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use oneDNN on every processor."""
    monkeypatch.setattr(fast, "multiplies_with_onednn", lambda: True)


def layer(*, bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    plain, other = nn.Linear(48, 80, bias=bias), nn.Linear(48, 80, bias=bias)
    other.load_state_dict(plain.state_dict())
    use_fast_linear(other)
    assert type(other) is Linear
    return plain, other


def gradients(module: nn.Module, values: Tensor, weights: Tensor) -> tuple[Tensor, list[Tensor | None]]:
    values = values.clone().requires_grad_()
    output = module(values)
    (output * weights).sum().backward()
    return output.detach(), [values.grad, *(parameter.grad for parameter in module.parameters())]


@needs_operator
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 48), (3, 5, 48), (1, 48), (2, 3, 4, 48)])
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], *, bias: bool) -> None:
    plain, other = layer(bias=bias)
    values, weights = torch.randn(shape), torch.randn(*shape[:-1], 80)

    expected, found = (gradients(module, values, weights) for module in (plain, other))

    torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=1e-5)


@needs_operator
@pytest.mark.usefixtures("always")
def test_tensors_that_do_not_lie_in_order_are_read_right() -> None:
    plain, other = layer()
    values, weights = torch.randn(48, 6, 2).permute(2, 1, 0), torch.randn(1).expand(2, 6, 80)

    expected, found = (gradients(module, values, weights) for module in (plain, other))

    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@needs_operator
@pytest.mark.usefixtures("always")
def test_what_is_frozen_gets_no_gradient_and_keeps_nothing() -> None:
    _, other = layer()
    other.requires_grad_(requires_grad=False)
    values = torch.randn(4, 48, requires_grad=True)
    other(values).sum().backward()
    assert values.grad is not None
    assert [parameter.grad for parameter in other.parameters()] == [None, None]

    _, trained = layer()
    saved: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        output = trained(torch.randn(4, 48))
    assert len(saved) == 1, "without a gradient of the values, the weight is not kept"
    assert output.requires_grad


@needs_operator
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_torchs_own_bit_for_bit(dtype: torch.dtype) -> None:
    plain, other = (module.to(dtype) for module in layer())
    values = torch.randn(4, 48).to(dtype)

    assert torch.equal(plain(values), other(values))


@needs_operator
@pytest.mark.usefixtures("always")
def test_an_empty_batch_has_no_rows() -> None:
    assert layer()[1](torch.empty(0, 48)).shape == (0, 80)


def test_the_rule_is_the_processor_not_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(vendor: str, capability: str) -> bool:
        monkeypatch.setattr(fast, "described", lambda _: vendor)
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        return multiplies_with_onednn.__wrapped__()

    here = torch.backends.mkl.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    assert rule("AuthenticAMD", "AVX512") == here
    assert not rule("AuthenticAMD", "AVX2")
    assert not rule("GenuineIntel", "AVX512")
    assert not rule("", "DEFAULT")


def test_names_and_weights_stay() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ModuleDict({"inner": nn.Linear(4, 2)}))
    before = {name: weight.data_ptr() for name, weight in module.named_parameters()}

    use_fast_linear(module)

    assert {name: weight.data_ptr() for name, weight in module.named_parameters()} == before
    assert [type(one) for one in module.modules() if isinstance(one, nn.Linear)] == [Linear, Linear]
