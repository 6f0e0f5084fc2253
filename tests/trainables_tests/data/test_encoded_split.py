"""Loading rows and the encoded cache, on a mirror written for the test."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import trainables
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    PixelFormat,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.data.sources.loader import load_rows
from trainables.errors import TaskDataError
from trainables.models.encoder import load_tokenizer
from trainables.tasks.registry import task
from trainables.tasks.spec import HubSource, TaskSpec

FOLDER = Path(trainables.__file__).parent / "miniature" / "assets" / "encoder"
LABELS = ["entailment", "neutral", "contradiction"]
ROWS = {
    "premise": [f"a star number {i}" for i in range(9)],
    "hypothesis": ["a circle"] * 9,
    "label": [0, 1, 2, -1, 0, 1, 2, 0, 1],
}
SPEC = task("snli").model_copy(update={"name": "t", "source": HubSource(repository="a/b", revision="f" * 40)})
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a split of the mirror's only repository."""
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")
    folder = tmp_path / "mirror/datasets/a/b"
    folder.mkdir(parents=True)

    def write_split(rows: dict[str, list[Any]], *, names: list[str] | None = LABELS, split: str = "train") -> Path:
        data = datasets.Dataset.from_dict(rows)
        data = data.cast_column("label", datasets.ClassLabel(names=names)) if names else data
        data.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
        return folder

    return write_split


def request_of(tmp_path: Path, **changes: Any) -> EncodedRequest:
    source = TokenizerSource(tokenizer=load_tokenizer(FOLDER), fingerprint=tokenizer_fingerprint(FOLDER))
    fields = {"spec": SPEC, "split": "train", "tokenizer": source, "max_length": 32, "cache": tmp_path / "cache"}
    return EncodedRequest(**{**fields, **changes})


def test_labels_are_numbered_by_name_whatever_the_sources_order(write: Write) -> None:
    write({**ROWS, "label": [0, 1, 2, 0, 1, 2, 0, 1, 2]}, names=LABELS[::-1])
    assert load_rows(SPEC, split="train")["label"] == [2, 1, 0, 2, 1, 0, 2, 1, 0]


def test_labels_that_are_text_become_numbers(write: Write) -> None:
    write({**ROWS, "label": ["n", "e", "c", "", "e", "e", "e", "e", "e"]}, names=None)
    spec = SPEC.model_copy(update={"label_values": ("e", "n", "c")})
    assert load_rows(spec, split="train")["label"] == [1, 0, 2, -1, 0, 0, 0, 0, 0]


def test_an_unknown_label_text_is_refused(write: Write) -> None:
    write({**ROWS, "label": ["x"] * 9}, names=None)
    with pytest.raises(TaskDataError, match="label 'x' is not one of e, n, c"):
        load_rows(SPEC.model_copy(update={"label_values": ("e", "n", "c")}), split="train")


def test_a_missing_column_is_named_with_those_that_exist(write: Write) -> None:
    write({"text": ["a"], "label": [0]})
    with pytest.raises(TaskDataError, match="no column 'premise'; it has text, label"):
        load_rows(SPEC, split="train")


def test_a_missing_part_of_a_split_is_refused(write: Write) -> None:
    write(ROWS)
    with pytest.raises(TaskDataError, match="every split"):
        load_rows(SPEC.model_copy(update={"splits": {"train": ("train", "more")}}), split="train")


@pytest.mark.parametrize(
    ("changes", "wrong"), [({"split": "dev"}, "no split 'dev'"), ({"language": "sw"}, "no language")]
)
def test_what_a_task_does_not_have_is_refused(
    write: Write, tmp_path: Path, changes: dict[str, str], wrong: str
) -> None:
    write(ROWS)
    with pytest.raises(TaskDataError, match=wrong):
        open_encoded_task(request_of(tmp_path, **changes))


def test_a_mirror_that_was_changed_is_read_again(write: Write) -> None:
    # With its files named in the card, as on the hub: then `datasets` itself tells no two states of it apart.
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train-*.parquet\n---\n"
    (write(ROWS) / "README.md").write_text(card)
    before = list(load_rows(SPEC, split="train")["premise"])

    changed = [f"a square number {i}" for i in range(9)]
    write({**ROWS, "premise": changed})

    assert before == ROWS["premise"]
    assert list(load_rows(SPEC, split="train")["premise"]) == changed


def test_examples_are_read_as_encoded_and_unlabelled_ones_are_gone(write: Write, tmp_path: Path) -> None:
    write(ROWS)
    request = request_of(tmp_path)
    opened = open_encoded_task(request)
    tensors = opened.batch([7, 0], generator=np.random.default_rng(0))
    expected = request.tokenizer.tokenizer(["a star number 8"], ["a circle"])["input_ids"][0]
    assert len(opened) == 8
    assert tensors["input_ids_BT"][0].tolist() == expected
    assert tensors["labels_B"].tolist() == [1, 0]
    assert opened.lengths.dtype == np.int32


def test_a_second_opening_reads_the_cache_without_loading(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ROWS)
    first = open_encoded_task(request_of(tmp_path))
    monkeypatch.setattr("trainables.data.sources.loader.load_rows", None)
    assert open_encoded_task(request_of(tmp_path)).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "changes", [{"max_length": 16}, {"num_examples": 3}, {"spec": SPEC.model_copy(update={"version": 2})}]
)
def test_what_changes_the_encoding_changes_the_key(write: Write, tmp_path: Path, changes: dict[str, Any]) -> None:
    write(ROWS)
    first = open_encoded_task(request_of(tmp_path)).fingerprint
    assert open_encoded_task(request_of(tmp_path, **changes)).fingerprint != first


def test_new_rows_change_the_key_and_new_times_do_not(write: Write, tmp_path: Path) -> None:
    folder = write(ROWS)
    first = open_encoded_task(request_of(tmp_path)).fingerprint
    os.utime(next(folder.glob("*.parquet")), (1, 1))
    assert open_encoded_task(request_of(tmp_path)).fingerprint == first
    write({**ROWS, "premise": ["b"] * 9})
    assert open_encoded_task(request_of(tmp_path)).fingerprint != first


def test_a_split_without_labels_is_refused_and_leaves_nothing(write: Write, tmp_path: Path) -> None:
    write({**ROWS, "label": [-1] * 9})
    with pytest.raises(TaskDataError, match="9 rows and 0 usable examples"):
        open_encoded_task(request_of(tmp_path))
    assert list((tmp_path / "cache/encoded").iterdir()) == []


def _open_in_process(cache: str) -> tuple[str, int]:
    opened = open_encoded_task(request_of(Path(cache)))
    return opened.fingerprint, int(opened.lengths.sum())


@pytest.mark.slow
def test_processes_that_race_agree_and_leave_one_folder(write: Write, tmp_path: Path) -> None:
    write(ROWS)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        answers = pool.map_async(_open_in_process, [str(tmp_path)] * 3, chunksize=1).get(timeout=300)
    assert len(set(answers)) == 1
    assert len(list((tmp_path / "cache/encoded").iterdir())) == 1


def test_chunks_of_a_long_split_read_as_one(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({name: values * 5 for name, values in ROWS.items()})
    whole = open_encoded_task(request_of(tmp_path))
    monkeypatch.setattr("trainables.data.encoded_writer.ROWS_PER_CHUNK", 4)
    cut = open_encoded_task(request_of(tmp_path, cache=tmp_path / "other"))
    assert [list(ids) for ids in cut.columns["input_ids"]] == [list(ids) for ids in whole.columns["input_ids"]]
    assert cut.columns["row"].tolist() == whole.columns["row"].tolist()


def mirrored(tmp_path: Path, spec: TaskSpec) -> EncodedTask:
    split = "train" if "train" in spec.splits else "validation"
    return open_encoded_task(
        request_of(
            tmp_path,
            spec=spec,
            split=split,
            num_examples=64,
            pixels=PixelFormat(image_size=16) if spec.has_images else None,
        )
    )


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here")
@pytest.mark.parametrize("name", ["mnli", "xnli", "snli", "anli", "commonsense_qa", "squad", "nlvr"])
def test_a_real_task_is_encoded_and_batched(tmp_path: Path, name: str) -> None:
    opened = mirrored(tmp_path, task(name))
    tensors = opened.batch(range(8), generator=np.random.default_rng(0))
    assert {len(value) for value in tensors.values()} == {8}


@pytest.mark.parametrize("name", ["miniature_qa", "miniature_choice", "miniature_text"])
def test_a_generated_task_is_encoded_and_batched(tmp_path: Path, name: str) -> None:
    opened = open_encoded_task(request_of(tmp_path, spec=task(name), split="validation", num_examples=16))
    tensors = opened.batch(range(8), generator=np.random.default_rng(0))
    assert {len(value) for value in tensors.values()} == {8}
