"""DeBERTa multiplies tokens only with the distances that occur in a pass, and computes what transformers computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from tests.tiny_families import random_model, write_family
from trainables.models.encoder import Encoder, load_encoder, load_tokenizer

NUM_BUCKETS = 8
"""Half of the vectors of the tiny encoder: distances of 8 and more share them."""


@pytest.mark.parametrize(("num_tokens", "reach"), [(1, 1), (2, 2), (4, 4), (9, 6), (64, NUM_BUCKETS)])
def test_vectors_that_no_pair_of_tokens_needs_are_left_out(num_tokens: int, reach: int) -> None:
    theirs: Any = random_model("deberta-v2").eval()
    ours = Encoder(random_model("deberta-v2")).eval()
    seen: list[int] = []
    for layer in ours.model.encoder.layer:
        layer.register_forward_pre_hook(lambda _, given: seen.append(len(given[4])))
    ids_BT = torch.randint(5, 50, (3, num_tokens), generator=torch.Generator().manual_seed(0))
    mask_BT = torch.ones_like(ids_BT)

    expected_BTD = theirs(ids_BT, attention_mask=mask_BT).last_hidden_state
    found_BTD = ours(ids_BT, mask_BT).hidden_BSD
    expected_BTD.square().sum().backward()
    found_BTD.square().sum().backward()

    assert seen == [2 * reach] * 2
    assert_close(found_BTD, expected_BTD, rtol=1e-5, atol=1e-5)
    gradient = theirs.encoder.rel_embeddings.weight.grad
    assert_close(ours.model.encoder.rel_embeddings.weight.grad, gradient, rtol=1e-4, atol=1e-4)


def test_a_pass_is_recomputed_with_its_own_distances(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = write_family(tmp_path / "encoder", "deberta-v2", tokenizer=load_tokenizer(tiny_encoder))
    gradients: list[torch.Tensor] = []
    for recomputes in (False, True):
        encoder = load_encoder(folder, dropout=0.0, gradient_checkpointing=recomputes).train()
        passes = [torch.full((2, num_tokens), 7) for num_tokens in (9, 3)]

        vectors = [encoder(ids_BT, torch.ones_like(ids_BT)).hidden_BSD for ids_BT in passes]
        torch.cat([one.flatten() for one in vectors]).square().sum().backward()
        gradients.append(encoder.model.encoder.rel_embeddings.weight.grad)

    assert_close(gradients[1], gradients[0], rtol=0, atol=0)
