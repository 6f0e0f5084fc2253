"""Layers that torch compiles have the losses of plain ones."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from trainables.config import EngineConfig
from trainables.models.compiled_layers import compile_layers, compiles
from trainables.models.encoder import Encoder, load_encoder

NUM_STEPS = 4


def losses(encoder: Encoder) -> list[float]:
    """Train an encoder for a few steps of two shapes, with and without padding."""
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    found: list[float] = []
    for step in range(NUM_STEPS):
        ids_BT = torch.randint(5, 30, (4, (16, 32)[step % 2]), generator=generator)
        mask_BT = torch.ones_like(ids_BT)
        mask_BT[:, -4:] = 0
        encoded = encoder(ids_BT, mask_BT if step > 1 else None)
        loss = encoded.hidden_BSD[:, 0].sin().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found


@pytest.mark.slow
def test_compiled_layers_train_with_the_losses_of_plain_ones(tiny_encoder: Path) -> None:
    plain = load_encoder(tiny_encoder, dropout=0.0)
    compiled = copy.deepcopy(plain)
    names = list(compiled.state_dict())
    # The graphs and their gradients, without a C++ compiler: that takes minutes.
    compile_layers(compiled, backend="aot_eager")

    assert losses(compiled) == pytest.approx(losses(plain), abs=1e-5, rel=0)
    assert list(compiled.state_dict()) == names


@pytest.mark.parametrize(
    ("fields", "device_kind", "expected"),
    [
        ({}, "cuda", True),
        ({}, "cpu", False),
        ({"compile": "off"}, "cuda", False),
        ({"zero_stage": 3}, "cuda", False),
    ],
)
def test_layers_are_compiled_on_gpus_unless_their_weights_are_sharded(
    fields: dict[str, object], device_kind: str, *, expected: bool
) -> None:
    assert compiles(EngineConfig.model_validate(fields), device_kind=device_kind) == expected
