"""Few shapes of batches, so that a compiled model is compiled a few times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.data.batch_plan import BatchPlan, TaskShape, length_batches, split_block
from trainables.data.batches import with_length, with_positions
from trainables.data.shapes import FewShapes, few_shapes, power_of_two

RECORDED = Path(__file__).parents[3] / "benchmarks" / "gpu" / "lengths.json"
BATCH_SIZE, MAX_LENGTH, NUM_STEPS = 32, 128, 2000
FEW = FewShapes(max_length=MAX_LENGTH)
AT_MOST = 12


def recorded_lengths(name: str) -> np.ndarray:
    """Return the recorded lengths of a data set's texts in a random order."""
    counts = json.loads(RECORDED.read_text())["counts"][name]
    lengths = np.repeat(np.array(list(counts), dtype=np.int32), list(counts.values()))
    return np.random.default_rng(0).permutation(lengths)


@pytest.mark.parametrize("tokens", [1024, 4096, 16384])
def test_an_epoch_of_mnli_has_few_shapes(tokens: int) -> None:
    lengths = recorded_lengths("mnli")
    plan = BatchPlan([TaskShape(name="mnli", lengths=lengths)], weights={"mnli": 1.0}, batch_size=BATCH_SIZE, seed=0)
    shapes: set[tuple[int, int]] = set()
    for step in range(min(NUM_STEPS, len(lengths) // BATCH_SIZE)):
        (block,) = plan.step(step)
        cuts = split_block(
            block,
            lengths=lengths,
            tokens_per_micro_batch=tokens,
            num_ranks=1,
            couples_examples=False,
            shapes=FEW,
        )
        shapes |= {(len(one), FEW.length(int(lengths[one].max()))) for (one,) in cuts}
        assert all(count * length <= tokens for count, length in shapes)

    assert len(shapes) <= AT_MOST


def test_an_evaluation_of_xnli_has_few_shapes_and_every_example_once() -> None:
    lengths = recorded_lengths("xnli th")

    batches = length_batches(lengths, tokens_per_micro_batch=4096, shapes=FEW)

    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len({(len(one), FEW.length(int(lengths[one].max()))) for one in batches}) <= AT_MOST


@pytest.mark.parametrize(("longest", "length"), [(1, 16), (16, 16), (17, 32), (97, 128), (128, 128), (130, 130)])
def test_a_length_is_rounded_up_and_never_above_the_longest_text(longest: int, length: int) -> None:
    assert FEW.length(longest) == length


def test_nothing_is_rounded_on_the_cpu() -> None:
    assert few_shapes("cpu", max_length=MAX_LENGTH) is None


def test_a_power_of_two_is_at_most_the_number() -> None:
    assert [power_of_two(number) for number in (0, 1, 2, 3, 31, 32, 33)] == [1, 1, 2, 2, 16, 32, 32]


def test_padding_to_a_length_adds_only_padding() -> None:
    batch = {
        "input_ids_BT": torch.tensor([[5, 6, 7]]),
        "attention_mask_BT": torch.ones(1, 3, dtype=torch.int64),
        "targets_BT": torch.tensor([[-100, 6, -100]]),
        "labels_B": torch.tensor([2]),
    }

    padded = with_positions(with_length(batch, shapes=FEW, pad_id=1))

    assert padded["input_ids_BT"].tolist() == [[5, 6, 7] + [1] * 13]
    assert padded["attention_mask_BT"].sum() == batch["attention_mask_BT"].sum()
    assert padded["predicted_Tm"].tolist() == [1]
    assert padded["labels_B"] is batch["labels_B"]
