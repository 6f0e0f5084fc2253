"""What is known of a batch before it is sent to a device."""

from __future__ import annotations

import numpy as np
import torch

from trainables.data.batches import PREDICTED, with_positions, without_needless_mask

IDS_BT = torch.tensor([[5, 6, 7], [8, 9, 1]])


def test_a_batch_without_padding_has_no_mask() -> None:
    batch = {"input_ids_BT": IDS_BT, "attention_mask_BT": torch.ones(2, 3, dtype=torch.int64)}

    assert list(without_needless_mask(batch)) == ["input_ids_BT"]


def test_a_batch_with_padding_keeps_its_mask() -> None:
    mask_BCT = torch.tensor([[[1, 1, 1], [1, 1, 0]]])
    batch = {"input_ids_BCT": IDS_BT[None], "attention_mask_BCT": mask_BCT}

    assert without_needless_mask(batch)["attention_mask_BCT"] is mask_BCT


def test_the_positions_of_targets_are_those_of_the_flattened_batch() -> None:
    targets_BT = torch.tensor([[-100, 6, -100], [8, -100, 1]])

    predicted_Tm = with_positions({"targets_BT": targets_BT})[PREDICTED]

    assert predicted_Tm.tolist() == [1, 3, 5]
    assert torch.equal(targets_BT.flatten()[predicted_Tm], targets_BT[targets_BT >= 0])
    assert predicted_Tm.dtype == torch.int64
    assert np.all(predicted_Tm.numpy() >= 0)
