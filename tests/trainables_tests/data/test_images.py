"""Images of encoded splits: stored once each, read through once, counted where they cannot be decoded."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from trainables.data.encoded_split import EncodedRequest, EncodedTask, PixelFormat, TokenizerSource, open_encoded_task
from trainables.data.shuffled_splits import with_shuffled_images
from trainables.errors import TaskDataError
from trainables.models.encoder import load_tokenizer
from trainables.tasks.registry import task
from trainables.tasks.spec import HubSource, TaskSpec

SPEC = task("snli_ve").model_copy(
    update={"name": "pictures", "source": HubSource(repository="a/b"), "splits": {"train": ("train",)}}
)
NUM_ROWS = 40
Write = Callable[[list[bytes | None]], None]


def png(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (24, 24), (shade, 0, 0)).save(content, "PNG")
    return content.getvalue()


def cut_jpeg() -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(content, "JPEG")
    return content.getvalue()[:-1500]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the only repository of a mirror, given its images."""
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")

    def write_rows(images: list[bytes | None]) -> None:
        rows = {
            "image": [{"bytes": file, "path": None} for file in images],
            "sentence": [f"w{row}" for row in range(len(images))],
            "gold_label": ["entailment"] * len(images),
        }
        (tmp_path / "mirror/datasets/a/b").mkdir(parents=True)
        data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
        data.to_parquet(str(tmp_path / "mirror/datasets/a/b/train-00000-of-00001.parquet"))

    return write_rows


def opened(encoder: Path, cache: Path, *, spec: TaskSpec = SPEC, split: str = "train", **fields: Any) -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="tiny")
    request = EncodedRequest(
        spec=spec, split=split, tokenizer=tokenizer, max_length=48, cache=cache, pixels=PixelFormat(image_size=16)
    )
    return open_encoded_task(EncodedRequest(**{field: getattr(request, field) for field in request.__slots__} | fields))


def test_images_that_cannot_be_decoded_are_left_out_counted_and_reported(
    write: Write, tiny_encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files: list[bytes | None] = [png(row) for row in range(NUM_ROWS)]
    files[3], files[8], files[21] = b"no image", None, cut_jpeg()
    write(files)

    with caplog.at_level(logging.WARNING):
        encoded = opened(tiny_encoder, tmp_path)

    assert len(encoded) == NUM_ROWS - 3
    assert (encoded.facts.num_rows, encoded.facts.num_unreadable) == (NUM_ROWS, 3)
    assert encoded.facts.unreadable_rows == (3, 8, 21)
    assert not {3, 8, 21} & set(encoded.columns["row"])
    assert "3 of 40 examples have an image that cannot be decoded" in caplog.text
    assert encoded.batch(range(len(encoded)), generator=np.random.default_rng(0))["pixel_values_B3HW"].isfinite().all()


def test_a_split_with_too_many_unreadable_images_is_refused(write: Write, tiny_encoder: Path, tmp_path: Path) -> None:
    write([b"broken"] * 5 + [png(row) for row in range(NUM_ROWS - 5)])

    with pytest.raises(
        TaskDataError, match=r"5 of 40 examples have an image that cannot be decoded .* at most 10% are allowed; repair"
    ):
        opened(tiny_encoder, tmp_path)
    assert list((tmp_path / "encoded").iterdir()) == []


def test_an_image_that_many_examples_share_is_stored_once(write: Write, tiny_encoder: Path, tmp_path: Path) -> None:
    write([png(row % 4) for row in range(NUM_ROWS)])

    encoded = opened(tiny_encoder, tmp_path)

    assert list(encoded.image_files) == [png(shade) for shade in range(4)]
    assert encoded.image_hashes.shape == (4, 16)
    assert list(encoded.columns["image"]) == [png(row % 4) for row in range(NUM_ROWS)]


@pytest.mark.parametrize("chunk", [3, 2000])
def test_chunks_of_a_split_share_their_images(
    write: Write, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    write([png(row % 4) for row in range(NUM_ROWS)])
    monkeypatch.setattr("trainables.data.encoded_writer.ROWS_PER_CHUNK", chunk)

    encoded = opened(tiny_encoder, tmp_path)

    assert len(encoded.image_files) == 4
    assert len(encoded) == NUM_ROWS


@pytest.mark.usefixtures("tiny_world")
@pytest.mark.parametrize("name", ["nlvr", "nlvr2", "flickr30k", "vqa_v2"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_task_with_images_is_encoded_batched_and_its_images_permuted(
    tiny_encoder: Path, tmp_path: Path, name: str, split: str
) -> None:
    encoded = opened(tiny_encoder, tmp_path, spec=task(name), split=split)
    shuffled = with_shuffled_images(encoded, seed=1)

    true, other = (one.batch(range(6), generator=np.random.default_rng(0)) for one in (encoded, shuffled))

    changed = {name for name, tensor in true.items() if not torch.equal(tensor, other[name])}
    assert {len(tensor) for tensor in true.values()} == {6}
    assert len(changed) == 1
    assert next(iter(changed)).startswith("pixel_values")


@pytest.mark.usefixtures("tiny_world")
def test_answers_come_from_the_train_split_whichever_is_encoded(tiny_encoder: Path, tmp_path: Path) -> None:
    few = task("vqa_v2").model_copy(update={"num_answers": 3})

    train = opened(tiny_encoder, tmp_path, spec=few, num_examples=4)
    validation = opened(tiny_encoder, tmp_path, spec=few, split="validation")

    assert set(train.facts.answers[:2]) == {"red", "blue"}
    assert train.facts.answers[2] == "maybe"
    assert validation.facts.answers == train.facts.answers
    credit_B = validation.batch(range(4), generator=np.random.default_rng(0))["credits_BA"]
    assert credit_B.max(dim=1).values.tolist() == [1, 1, 1, 1]
    assert credit_B[:, 2].tolist() == pytest.approx([1 / 3] * 4)


@pytest.mark.usefixtures("tiny_world")
def test_credit_is_a_third_for_each_person_and_at_most_one(tiny_encoder: Path, tmp_path: Path) -> None:
    encoded = opened(tiny_encoder, tmp_path, spec=task("vqa_v2").model_copy(update={"num_answers": 3}))
    colours = np.array(
        [encoded.batch([row], generator=np.random.default_rng(0))["credits_BA"].argmax() for row in range(9)]
    )

    first_nine = {
        name: column[:9] if isinstance(column, np.ndarray) else [column[row] for row in range(9)]
        for name, column in encoded.columns.items()
        if name != "image"
    }

    assert encoded.kind.score({"choices": colours}, first_nine, spec=encoded.spec) == 1.0
    assert encoded.kind.score({"choices": np.full(9, 2)}, first_nine, spec=encoded.spec) == pytest.approx(1 / 3)


@pytest.mark.usefixtures("tiny_world")
def test_a_caption_is_drawn_in_training_and_the_first_one_scored(tiny_encoder: Path, tmp_path: Path) -> None:
    train, validation = (
        opened(tiny_encoder, tmp_path, spec=task("flickr30k"), split=s) for s in ("train", "validation")
    )
    generator = np.random.default_rng(0)

    drawn = {tuple(train.batch([0], generator=generator)["input_ids_BT"][0].tolist()) for _ in range(60)}
    scored = {tuple(validation.batch([0], generator=generator)["input_ids_BT"][0].tolist()) for _ in range(10)}

    assert (len(drawn), len(scored)) == (5, 1)
