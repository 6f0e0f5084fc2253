"""Vectors above frozen layers: computed once, shared, bounded, and the same bits as those of each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.config import PhaseConfig
from trainables.data.batches import prepared_batch
from trainables.data.cache_room import GIB
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.data.shapes import FewShapes
from trainables.models.encoder import Encoder, load_encoder, load_tokenizer
from trainables.models.task_model import build_task_model
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task
from trainables.training.prefix_vectors import PrefixMaker, SplitTexts, open_prefix

pytestmark = pytest.mark.usefixtures("tiny_world")

FROZEN: dict[str, Any] = {"freeze_embeddings": True, "freeze_layers": 1, "frozen_dropout": False, "dropout": 0.1}
TEXTS = {"mnli": 0.25, "commonsense_qa": 0.25, "squad": 0.5}
"""A mixture of the kinds whose vectors are kept."""


def opened(encoder: Path, cache: Path, *, name: str = "mnli", **fields: Any) -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="tiny")
    given = {"spec": task(name), "split": "train", "tokenizer": tokenizer, "max_length": 48, "cache": cache}
    return open_encoded_task(EncodedRequest(**(given | fields)))


def maker(folder: Path, *, cache: Path, num_layers: int = 1, max_bytes: int = GIB, **fields: Any) -> PrefixMaker:
    encoder = load_encoder(folder, dropout=0.1).train()
    work = phase(**(FROZEN | {"freeze_layers": num_layers}))
    build_task_model(work, {"mnli": task("mnli")}, encoder=encoder)
    given: dict[str, Any] = {"device": torch.device("cpu"), "arithmetic": "float32", "pass_tokens": 4096}
    return PrefixMaker(encoder=encoder, cache=cache, max_bytes=max_bytes, **(given | fields))


def kept(split: EncodedTask, *, by: PrefixMaker) -> EncodedTask:
    found = open_prefix(split, maker=by, may_make=True, on_wait=lambda: None)
    assert found is not None
    return found


def counted(encoder: Encoder) -> list[int]:
    """Return a list that grows by the number of texts with each run of the lowest layer."""
    seen: list[int] = []
    encoder.family.layers(encoder.model)[0][0].register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    return seen


@pytest.mark.parametrize("name", ["mnli", "commonsense_qa"])
@pytest.mark.parametrize("shapes", [None, FewShapes(max_length=48)], ids=["as they are", "rounded"])
def test_batches_hold_the_vectors_that_the_encoder_gives(
    name: str, shapes: FewShapes | None, tiny_encoder: Path, tmp_path: Path
) -> None:
    split, by = opened(tiny_encoder, tmp_path, name=name), maker(tiny_encoder, cache=tmp_path)

    batch = prepared_batch(kept(split, by=by), np.arange(3, 20), generator=np.random.default_rng(0), shapes=shapes)

    flat = {key.replace("_BC", "_B"): one.flatten(0, 1) if "_BC" in key else one for key, one in batch.items()}
    vectors_BTD = by.encoder.prefix_vectors(flat["input_ids_BT"], flat.get("attention_mask_BT"))
    assert torch.equal(flat["prefix_BTD"], vectors_BTD)
    assert vectors_BTD.abs().sum(dim=2).gt(0).long().equal(flat.get("attention_mask_BT", torch.tensor(1)))


def test_the_second_trial_runs_no_frozen_layer(tiny_encoder: Path, tmp_path: Path) -> None:
    first, second = (maker(tiny_encoder, cache=tmp_path) for _ in range(2))
    seen, seen_later = counted(first.encoder), counted(second.encoder)
    split = opened(tiny_encoder, tmp_path)

    kept(split, by=first)
    kept(split, by=second).batch(range(8), generator=np.random.default_rng(0))

    assert sum(seen) == len(split) + 1  # the first text also gives the type
    assert seen_later == []


def test_other_weights_depths_or_texts_are_other_vectors(tiny_encoder: Path, tmp_path: Path) -> None:
    texts = SplitTexts(opened(tiny_encoder, tmp_path))
    same, deeper, other = (maker(tiny_encoder, cache=tmp_path, num_layers=depth) for depth in (1, 2, 1))
    above, unread = (maker(tiny_encoder, cache=tmp_path) for _ in range(2))
    with torch.no_grad():
        other.encoder.family.layers(other.encoder.model)[0][0].output.dense.bias[0] += 1e-6
        above.encoder.family.layers(above.encoder.model)[1][0].output.dense.bias[0] += 1
        missing = max(set(range(5, 50)) - set(texts.distinct_tokens.tolist()), default=None)
        if missing is not None:
            unread.encoder.model.get_input_embeddings().weight[missing] += 1

    folders = [one.folder(texts) for one in (same, deeper, other)]
    folders.append(same.folder(SplitTexts(opened(tiny_encoder, tmp_path, num_examples=60))))
    folders.append(maker(tiny_encoder, cache=tmp_path, arithmetic="bfloat16").folder(texts))

    assert len(set(folders)) == 5
    assert above.folder(texts) == unread.folder(texts) == same.folder(texts)
    assert maker(tiny_encoder, cache=tmp_path).folder(texts) == same.folder(texts)


def work_of(**fields: Any) -> PhaseConfig:
    """Return a phase that reads each split at least once, and pads its batches in other ways in each step."""
    return phase(**({"mixture": TEXTS, "batch_size": 16, "steps": 40} | FROZEN | fields))


def made(bench: Bench) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in bench.cache.glob("prefix/*/vectors.npy")}


def test_a_phase_trains_bit_for_bit_as_without_the_cache(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)

    without = bench.train(one_rank, work_of(), config=engine(prefix_cache="off"))
    first, second = (bench.train(one_rank, work_of()) for _ in range(2))

    assert len(made(bench)) == 3
    assert [(one.losses, one.checksum) for one in (first, second)] == [(without.losses, without.checksum)] * 2
    assert "once" not in without.result.made_with["frozen_layers"]
    assert "each step" not in first.result.made_with["frozen_layers"]
    assert bench.train(one_rank, work_of(frozen_dropout=True)).losses != without.losses
