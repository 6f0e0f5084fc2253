"""A file of weights that is split into two is the same file, bit for bit, when it is put together again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from trainables.tensor_files import (
    OWN,
    SHARED,
    WHOLE,
    Place,
    Split,
    split,
    weight_files,
    whole_pieces,
    write,
)

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64)
LARGE = "embeddings.weight"
"""A tensor that never changes, so that there is always something worth sharing."""

Shape = tuple[torch.dtype, tuple[int, ...]]

NAMES = st.from_regex(r"[a-zé]{1,8}(\.[a-z0-9]{1,4}){0,2}", fullmatch=True).filter(lambda name: name != LARGE)
SHAPES = st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 5), max_size=3).map(tuple))


def tensor(shape: Shape, *, seed: int) -> torch.Tensor:
    dtype, sizes = shape
    return torch.randint(-9, 9, sizes, generator=torch.Generator().manual_seed(seed)).to(dtype)


def written(parts: Split, folder: Path) -> Place:
    """Write both parts of a file below a folder."""
    for name in ("own", "shared"):
        (folder / name).mkdir()
    write(parts.own_pieces(), folder / "own" / OWN)
    write(parts.shared_pieces(), folder / "shared" / SHARED)
    return Place(folder / "own", folder / "shared")


@given(
    tensors=st.dictionaries(NAMES, SHAPES, max_size=6),
    changed=st.sets(st.integers(0, 5)),
    prefix=st.sampled_from(["", "model."]),
)
def test_any_split_is_put_together_as_it_was(tensors: dict[str, Shape], changed: set[int], prefix: str) -> None:
    before = {LARGE: torch.arange(20_000).float()} | {name: tensor(of, seed=0) for name, of in tensors.items()}
    after = {name: one + 1 if number - 1 in changed else one for number, (name, one) in enumerate(before.items())}
    with tempfile.TemporaryDirectory() as folder:
        start, end = Path(folder, "start"), Path(folder, "end")
        for place, weights in ((start, before), (end, after)):
            place.mkdir()
            named = {(prefix if place is start else "") + name: one for name, one in weights.items()}
            save_file(named, place / WHOLE, metadata={"format": "pt"})
        parts = split(end / WHOLE, start=Place(start))
        assert parts is not None
        place = written(parts, Path(folder))

        assert b"".join(whole_pieces(place)) == (end / WHOLE).read_bytes()
        read = {name: one for file in weight_files(place) for name, one in load_file(file).items()}
        assert read.keys() == after.keys()
        assert all(torch.equal(read[name], one) for name, one in after.items())
        assert LARGE in parts.shared


def test_tensors_of_another_type_or_shape_are_not_shared(tmp_path: Path) -> None:
    weights = {"same": torch.zeros(9000), "type": torch.zeros(9000), "shape": torch.zeros(90, 100)}
    changed = weights | {"type": torch.zeros(18000).half(), "shape": torch.zeros(100, 90)}
    for name, tensors in (("start", weights), ("end", changed)):
        (tmp_path / name).mkdir()
        save_file(tensors, tmp_path / name / WHOLE)

    parts = split(tmp_path / "end" / WHOLE, start=Place(tmp_path / "start"))

    assert parts is not None
    assert (list(parts.own), list(parts.shared)) == (["shape", "type"], ["same"])


def test_a_checkpoint_in_several_files_is_a_start(tmp_path: Path) -> None:
    weights = {name: torch.full((9000,), float(number)) for number, name in enumerate("abc")}
    (tmp_path / "start").mkdir()
    for name, one in weights.items():
        save_file({name: one}, tmp_path / "start" / f"model-{name}.safetensors")
    save_file(weights, tmp_path / WHOLE)

    parts = split(tmp_path / WHOLE, start=Place(tmp_path / "start"))

    assert parts is not None
    assert (list(parts.own), list(parts.shared)) == ([], ["a", "b", "c"])
    assert b"".join(whole_pieces(written(parts, tmp_path))) == (tmp_path / WHOLE).read_bytes()


def test_what_would_not_get_smaller_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    for folder in (tmp_path, tmp_path / "start"):
        save_file({"small": torch.zeros(9), "large": torch.randn(9000)}, folder / WHOLE)

    assert split(tmp_path / WHOLE, start=Place(tmp_path / "start")) is None


@pytest.mark.parametrize("content", [b"", b"weights 3", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]"])
def test_a_file_that_is_not_safetensors_shares_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / WHOLE).write_bytes(content)

    assert split(tmp_path / WHOLE, start=Place(tmp_path)) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_tensor_in_float32_that_a_phase_left_as_a_shorter_float_is_shared(dtype: torch.dtype, tmp_path: Path) -> None:
    """Checkpoints are published in 16 bits, and stages are in float32."""
    start = {"words": torch.randn(3000, 10).to(dtype), "layer": torch.randn(3000).to(dtype)}
    (tmp_path / "start").mkdir()
    save_file(start, tmp_path / "start" / WHOLE)
    trained = {"words": start["words"].float(), "layer": start["layer"].float() + 1}
    save_file(trained, tmp_path / WHOLE)

    found = split(tmp_path / WHOLE, start=Place(tmp_path / "start"))

    assert found is not None
    assert (list(found.shared), list(found.own)) == (["words"], ["layer"])
