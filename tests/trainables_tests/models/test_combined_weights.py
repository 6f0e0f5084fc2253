"""Weights that are combined from several checkpoints: exact where they must be, and as in the papers elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.errors import CheckpointError
from trainables.models import combined_weights as module
from trainables.models.combined_weights import Part, combined_weights
from trainables.models.weights import read_weights, write_weights
from trainables.plan.combination import Combination

SHAPES = {"embeddings": (37, 8), "bias": (8,), "scale": ()}


def weights_of(seed: int, *, near: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Return random weights; with `near`, those after a small change, of which a fifth is exactly none."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    if near is None:
        return drawn
    moves = {
        name: torch.where(torch.rand(shape, generator=generator) < 0.2, 0.0, 0.1) for name, shape in SHAPES.items()
    }
    return {name: near[name] + moves[name] * drawn[name] for name in SHAPES}


START = weights_of(0)
TRAINED = [weights_of(seed, near=START) for seed in (1, 2, 3)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    places = [tmp_path / f"{number}.safetensors" for number in range(len(TRAINED))]
    for tensors, place in zip(TRAINED, places, strict=True):
        write_weights(tensors, place)
    return places


def parts_of(files: list[Path], *weights: float) -> list[Part]:
    return [Part((file,), weight) for file, weight in zip(files, weights, strict=True)]


def combination(**fields: object) -> Combination:
    return Combination.model_validate({"weights": {"any": 1.0}, "method": "linear"} | fields)


def vector(tensors: dict[str, Tensor]) -> NDArray[np.float64]:
    return np.concatenate([tensors[name].double().numpy().ravel() for name in sorted(SHAPES)])


@pytest.mark.parametrize(
    "how",
    [{}, {"method": "task_arithmetic"}, {"method": "ties", "density": 1.0}],
    ids=["linear", "task arithmetic", "ties that keeps all"],
)
def test_one_part_of_weight_1_is_kept_bit_for_bit(how: dict[str, object], files: list[Path]) -> None:
    found = combined_weights(parts_of(files[:1], 1.0), combination=combination(**how), start=START)

    assert all(torch.equal(found[name].view(torch.int32), TRAINED[0][name].view(torch.int32)) for name in SHAPES)


def test_a_negative_zero_is_kept(tmp_path: Path) -> None:
    write_weights({"bias": torch.tensor([-0.0, 0.0, 1.0])}, tmp_path / "one")

    found = combined_weights([Part((tmp_path / "one",), 1.0)], combination=combination())

    assert torch.signbit(found["bias"]).tolist() == [True, False, False]


def test_linear_is_the_weighted_mean(files: list[Path]) -> None:
    found = combined_weights(parts_of(files, 0.5, 0.3, 0.2), combination=combination())

    expected = 0.5 * vector(TRAINED[0]) + 0.3 * vector(TRAINED[1]) + 0.2 * vector(TRAINED[2])
    np.testing.assert_allclose(vector(found), expected, atol=1e-6)


def test_weights_that_all_parts_share_do_not_drift(tmp_path: Path) -> None:
    for number in range(3):
        write_weights(START, tmp_path / str(number))

    found = combined_weights(parts_of([tmp_path / name for name in "012"], 0.5, 0.3, 0.2), combination=combination())

    assert all(torch.equal(found[name], START[name]) for name in SHAPES)


def test_task_arithmetic_adds_scaled_differences_to_the_start(files: list[Path]) -> None:
    how = combination(method="task_arithmetic", scaling=3.0)

    found = combined_weights(parts_of(files, 1 / 3, 1 / 3, 1 / 3), combination=how, start=START)

    expected = vector(START) + sum(vector(trained) - vector(START) for trained in TRAINED)
    np.testing.assert_allclose(vector(found), expected, atol=1e-6)


def ties(trained: list[dict[str, Tensor]], weights: list[float], *, density: float, scaling: float) -> list[float]:
    """Return a TIES merge as algorithm 1 of arXiv 2306.01708 reads: one place after the other."""
    start = vector(START)
    vectors = [vector(one) - start for one in trained]
    num_kept = max(1, round(density * len(start)))
    trimmed: list[list[float]] = []
    for one in vectors:
        least = sorted((abs(float(value)) for value in one), reverse=True)[num_kept - 1]
        trimmed.append([float(value) if abs(float(value)) >= least else 0.0 for value in one])
    merged: list[float] = []
    for place, at_start in enumerate(start):
        masses = dict.fromkeys((-1, 1), 0.0)
        for one, weight in zip(trimmed, weights, strict=True):
            if one[place]:
                masses[1 if one[place] > 0 else -1] += weight * abs(one[place])
        elected = 1 if masses[1] >= masses[-1] else -1
        agreeing = [(w, one[place]) for one, w in zip(trimmed, weights, strict=True) if one[place] * elected > 0]
        mean = sum(w * value for w, value in agreeing) / sum(w for w, _ in agreeing) if agreeing else 0.0
        merged.append(float(at_start) + scaling * mean)
    return merged


@pytest.mark.parametrize(("density", "scaling"), [(0.2, 1.0), (0.5, 0.7), (1.0, 1.5), (0.001, 1.0)])
@pytest.mark.parametrize("weights", [[1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1]], ids=["equal", "unequal"])
@pytest.mark.parametrize("chunk", [1 << 22, 16], ids=["whole", "in chunks"])
def test_ties_equals_an_independent_implementation(
    density: float,
    scaling: float,
    weights: list[float],
    chunk: int,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    how = combination(method="ties", density=density, scaling=scaling)

    found = combined_weights(parts_of(files, *weights), combination=how, start=START)

    np.testing.assert_allclose(vector(found), ties(TRAINED, weights, density=density, scaling=scaling), atol=1e-6)


def test_the_type_of_the_result_is_rounded_to_once(files: list[Path]) -> None:
    found = combined_weights(parts_of(files, 0.5, 0.3, 0.2), combination=combination(), dtype=torch.bfloat16)
    exact = combined_weights(parts_of(files, 0.5, 0.3, 0.2), combination=combination(), dtype=torch.float64)

    assert all(torch.equal(found[name], exact[name].bfloat16()) for name in SHAPES)


def test_checkpoints_of_different_encoders_are_refused(tmp_path: Path, files: list[Path]) -> None:
    write_weights(read_weights(files[0]) | {"bias": torch.zeros(9)}, tmp_path / "other")

    with pytest.raises(CheckpointError, match=r"'bias' has another shape.*combine checkpoints of one encoder"):
        combined_weights(parts_of([files[0], tmp_path / "other"], 0.5, 0.5), combination=combination())


def test_whole_numbers_are_copied(tmp_path: Path) -> None:
    for name in "ab":
        write_weights({"step": torch.tensor(7), "bias": torch.ones(2)}, tmp_path / name)

    found = combined_weights(parts_of([tmp_path / "a", tmp_path / "b"], 0.5, 0.5), combination=combination())

    assert found["step"].item() == 7
