"""Attention and dropout of the encoder: what is fast on CPUs computes what torch's own computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from trainables.models.layers import attention
from trainables.models.layers.attention import attend
from trainables.models.layers.dropout import Dropout, dropout, use_cheap_dropout
from trainables.models.layers.softmax import softmax


def _queries_keys_values() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, 2, 7, 8, generator=generator).requires_grad_() for _ in range(3))
    return query, key, value


def _mask() -> Tensor:
    mask = torch.ones(3, 1, 1, 7, dtype=torch.bool)
    mask[1, ..., 4:] = False
    return mask


@pytest.mark.parametrize("mask", [None, _mask()], ids=["no padding", "padding"])
def test_attention_and_its_gradients_are_torchs(mask: Tensor | None) -> None:
    ours, theirs = _queries_keys_values(), _queries_keys_values()

    mixed, _ = attend(nn.Identity(), *ours, mask)
    expected = nn.functional.scaled_dot_product_attention(*theirs, attn_mask=mask).transpose(1, 2)
    mixed.square().sum().backward()
    expected.square().sum().backward()

    assert_close(mixed, expected, rtol=1e-5, atol=1e-6)
    assert_close([one.grad for one in ours], [one.grad for one in theirs], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("needs_gradients", [True, False], ids=["training", "scoring"])
@pytest.mark.parametrize("mask", [None, _mask()], ids=["no padding", "padding"])
def test_attention_in_16_bits_rounds_that_in_32(mask: Tensor | None, *, needs_gradients: bool) -> None:
    exact = _queries_keys_values()
    short = tuple(one.detach().bfloat16().requires_grad_(needs_gradients) for one in exact)

    mixed, _ = attend(nn.Identity(), *short, mask)
    expected = nn.functional.scaled_dot_product_attention(*exact, attn_mask=mask).transpose(1, 2)

    assert mixed.dtype is torch.bfloat16
    assert_close(mixed.float(), expected, rtol=2e-2, atol=2e-2)
    if needs_gradients:
        mixed.float().square().sum().backward()
        expected.square().sum().backward()
        for ours, theirs in zip(short, exact, strict=True):
            assert ours.grad is not None
            assert_close(ours.grad.float(), theirs.grad, rtol=5e-2, atol=5e-2)


@pytest.mark.parametrize("num_tokens", [1, 41, 64, 127, 130])
def test_weights_in_16_bits_are_torchs(num_tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = (10 * torch.randn(2, 3, 5, num_tokens, generator=generator)).bfloat16()
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    gradient = torch.randn(scores.shape, generator=generator).bfloat16()

    weights = softmax(ours, None)
    expected = theirs.softmax(dim=-1)
    weights.backward(gradient)
    expected.backward(gradient)

    # Both sum exponents in 32 bits, in another order, and round once: at most one place of 16 bits apart.
    assert_close(weights, expected, rtol=2**-7, atol=0)
    assert_close(ours.grad, theirs.grad, rtol=2**-5, atol=2**-9)


@pytest.mark.parametrize("type_", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_padding_has_no_weight_in_any_type(type_: torch.dtype) -> None:
    weights = softmax(torch.zeros(3, 2, 7, 7, dtype=type_), _mask())

    assert weights.dtype is type_
    assert weights[1, ..., 4:].abs().sum() == 0
    assert_close(weights[1, ..., :4], torch.full((2, 7, 4), 0.25, dtype=type_), rtol=0, atol=0)


def test_scores_that_would_fill_the_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = (one.detach().bfloat16() for one in _queries_keys_values())
    plain, _ = attend(nn.Identity(), query, key, value, _mask())
    monkeypatch.setattr(attention, "_LARGEST", 3 * 2 * 7 * 7 - 1)
    monkeypatch.setattr(attention, "softmax", None)

    fused, _ = attend(nn.Identity(), query, key, value, _mask())

    assert_close(fused, plain, rtol=2e-2, atol=2e-2)


def test_padding_changes_nothing_under_dropout() -> None:
    query, key, value = _queries_keys_values()
    other = value.detach().clone()
    other[1, :, 4:] = 1e6

    torch.manual_seed(0)
    mixed, _ = attend(nn.Identity(), query, key, value, _mask(), dropout=0.5)
    torch.manual_seed(0)
    same, _ = attend(nn.Identity(), query, key, other, _mask(), dropout=0.5)

    assert_close(mixed, same, rtol=0, atol=0)


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_dropout_drops_the_share_asked_for_and_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(0)

    dropped = dropout(torch.ones(1001, 999), probability)

    # Five standard errors of a share over a million draws.
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=2.5e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=5e-3)
    assert dropped.max().item() == pytest.approx(1 / (1 - probability), rel=1e-4)


def test_each_of_four_neighbours_is_dropped_alike_and_independently() -> None:
    torch.manual_seed(0)

    zeros = (dropout(torch.ones(250_000, 4), 0.5) == 0).float()

    assert_close(zeros.mean(dim=0), torch.full((4,), 0.5), rtol=0, atol=5e-3)
    assert_close(torch.corrcoef(zeros.T), torch.eye(4), rtol=0, atol=1e-2)


def test_dropout_repeats_with_its_seed() -> None:
    torch.manual_seed(0)
    first = dropout(torch.ones(10, 10), 0.3)
    torch.manual_seed(0)
    second = dropout(torch.ones(10, 10), 0.3)

    assert_close(first, second, rtol=0, atol=0)


def test_every_dropout_inside_a_module_is_replaced_and_idle_in_evaluation() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.9)))

    use_cheap_dropout(module)
    module.eval()

    assert isinstance(module[1][0], Dropout)
    assert module[1][0].p == 0.9
    assert_close(module[1](torch.ones(50)), torch.ones(50), rtol=0, atol=0)
