"""Vectors above frozen layers: computed once, shared, bounded, and the same bits as those of each step."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_families import VARIANTS, write_family
from tests.trainables_tests.tiny_jobs import VISION, Bench, engine, phase, trial
from trainables.config import AdapterConfig, PhaseConfig
from trainables.data.batches import prepared_batch
from trainables.data.cache_room import GIB, NoRoomError, room_for, using
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.data.made_once import take_lock
from trainables.data.prefix_file import VECTORS
from trainables.data.sealed_cache import check_cache
from trainables.data.shapes import FewShapes
from trainables.models.encoder import Encoder, load_encoder, load_tokenizer
from trainables.models.layers.linear import multiplies_with_onednn
from trainables.models.task_model import build_task_model
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.tasks.registry import task
from trainables.training import prefix_vectors
from trainables.training.prefix_vectors import PrefixMaker, SplitTexts, open_prefix
from trainables.trials.trial import TrialResources, run_trial

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


@pytest.mark.slow
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


def test_a_checkpoint_continues_with_the_cache_where_training_began_without(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench, work = Bench(encoder=tiny_encoder, folder=tmp_path), work_of(mixture={"mnli": 1.0})
    often = engine(prefix_cache="off", checkpoint_seconds=1e-3, gradient_checkpointing=True)
    unbroken = bench.train(one_rank, work, config=often, checkpoints=tmp_path / "checkpoints")
    first = min(path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit())

    continued = bench.train(one_rank, work, config=engine(gradient_checkpointing=True), state=first)

    assert continued.result.made_with["frozen_layers"] == "mnli computed once"
    assert continued.result.first_step > 0
    assert (continued.losses, continued.checksum) == (unbroken.losses, unbroken.checksum)


def test_a_short_phase_makes_no_vectors_but_reads_those_that_exist(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    short = work_of(mixture={"mnli": 1.0}, steps=2)  # 32 of 120 examples

    facts = [
        bench.train(one_rank, short, config=engine(**fields)).result.made_with["frozen_layers"]
        for fields in ({}, {"prefix_cache": "always"}, {})
    ]

    assert facts == ["mnli computed in each step", "mnli computed once", "mnli computed once"]


def test_images_and_masked_tokens_are_computed_in_each_step(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    fields: dict[str, Any] = {"mixture": {"mnli": 0.5, "nlvr": 0.5}, "vision": VISION, "steps": 16}

    trained = bench.train(one_rank, work_of(**fields))

    assert trained.result.made_with["frozen_layers"] == "mnli computed once, nlvr computed in each step"
    assert trained.losses == bench.train(one_rank, work_of(**fields), config=engine(prefix_cache="off")).losses


def test_vectors_that_exceed_the_space_are_refused_with_the_setting(tiny_encoder: Path, tmp_path: Path) -> None:
    split = opened(tiny_encoder, tmp_path)

    with pytest.raises(NoRoomError, match=r"they take .* GiB, and engine.prefix_cache_gib allows .*; raise it"):
        kept(split, by=maker(tiny_encoder, cache=tmp_path, max_bytes=1000))

    assert not [path for path in (tmp_path / "prefix").iterdir() if path.is_dir()]


def test_a_trial_without_room_trains_and_names_the_setting(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup, caplog: pytest.LogCaptureFixture
) -> None:
    config = trial(tiny_encoder, target=work_of(mixture={"mnli": 1.0}, steps=8), engine=engine(prefix_cache_gib=1e-5))

    run_trial(config, resources=TrialResources(store=StageStore(tmp_path), group=one_rank))

    (line,) = (record.getMessage() for record in caplog.records if "frozen layers" in record.getMessage())
    assert line.startswith("target phase: vectors of mnli above the frozen layers are computed in each step: they take")
    assert line.endswith("engine.prefix_cache_gib allows 1e-05; raise it")


def folder_of(size: int, *, kind: Path, name: str, age: int) -> Path:
    folder = kind / name
    folder.mkdir(parents=True)
    (folder / "vectors.npy").write_bytes(bytes(size))
    os.utime(folder, (1000 - age, 1000 - age))
    return folder


def test_the_least_recently_used_folders_make_room_and_those_in_use_stay(tmp_path: Path) -> None:
    oldest, used, newer, newest = (
        folder_of(100, kind=tmp_path, name=name, age=age) for name, age in (("a", 9), ("b", 8), ("c", 7), ("d", 6))
    )

    with using(used):
        with room_for(150, part=tmp_path / ".e.1.part", folder=tmp_path / "e", max_bytes=400):
            left = [folder for folder in (oldest, used, newer, newest) if folder.exists()]
        with (
            pytest.raises(NoRoomError, match="running trials use"),
            room_for(350, part=tmp_path / ".n.1.part", folder=newer, max_bytes=400),
        ):
            pass

    assert left == [used, newest]


def test_what_a_killed_writer_of_the_same_vectors_left_is_removed(tmp_path: Path) -> None:
    left, mine = tmp_path / f".{'a' * 64}.1.x.part", tmp_path / f".{'a' * 64}.2.y.part"
    for part in (left, mine):
        part.mkdir()
    (left / "vectors.npy").write_bytes(bytes(300))

    with room_for(200, part=mine, folder=tmp_path / ("a" * 64), max_bytes=400):
        assert (left.exists(), mine.exists()) == (False, True)


def test_vectors_of_another_library_or_processor_have_another_key(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, by = SplitTexts(opened(tiny_encoder, tmp_path)), maker(tiny_encoder, cache=tmp_path)
    keys = {by.folder(texts)}
    for name, value in (("multiplies_with_onednn", not multiplies_with_onednn()), ("processor", "another")):
        with monkeypatch.context() as other:
            other.setattr(prefix_vectors, name, lambda value=value: value)
            keys.add(by.folder(texts))

    assert len(keys) == 3


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_counts(tmp_path: Path) -> None:
    written, left = tmp_path / f".{'a' * 64}.1.x.part", tmp_path / f".{'b' * 64}.1.x.part"
    for part in (written, left):
        part.mkdir()
        (part / "vectors.npy").write_bytes(bytes(100))

    with (tmp_path / f"{'a' * 64}.lock").open("w") as lock:
        assert take_lock(lock.fileno())
        with (
            pytest.raises(NoRoomError),
            room_for(350, part=tmp_path / ".c.1.part", folder=tmp_path / ("c" * 64), max_bytes=400),
        ):
            pass

    assert (written.exists(), left.exists()) == (True, False)


def test_who_comes_second_waits_and_computes_nothing(tiny_encoder: Path, tmp_path: Path) -> None:
    split = opened(tiny_encoder, tmp_path)
    first, second = (maker(tiny_encoder, cache=tmp_path) for _ in range(2))
    seen, calls = counted(second.encoder), list[int]()
    other = threading.Thread(target=lambda: kept(split, by=second))

    def on_wait() -> None:
        calls.append(len(calls))
        if len(calls) == 3:  # the first two are before it has the lock
            other.start()

    found = open_prefix(split, maker=first, may_make=True, on_wait=on_wait)
    other.join()

    assert found is not None
    assert seen == []


def test_vectors_that_rot_are_quarantined_and_computed_again(tiny_encoder: Path, tmp_path: Path) -> None:
    split, by = opened(tiny_encoder, tmp_path), maker(tiny_encoder, cache=tmp_path)
    before = kept(split, by=by).batch(range(8), generator=np.random.default_rng(0))["prefix_BTD"]
    file = by.folder(SplitTexts(split)) / VECTORS
    data = bytearray(file.read_bytes())
    data[300] ^= 1
    file.write_bytes(data)

    (problem,) = (one.problem for one in check_cache(tmp_path) if one.name.startswith("prefix/"))
    after = kept(split, by=by).batch(range(8), generator=np.random.default_rng(0))["prefix_BTD"]

    assert problem == "vectors.npy has changed"
    assert torch.equal(after, before)
    assert [path.name.split("-")[0] for path in (tmp_path / "damaged").iterdir()] == ["prefix"]


@pytest.fixture(scope="module")
def bench_of(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    """Return the bench of a family's variant, made when it is first asked for."""
    benches: dict[str, Bench] = {}
    tokenizer: Any = load_tokenizer(tiny_encoder)

    def bench(variant: str) -> Bench:
        if variant not in benches:
            folder = tmp_path_factory.mktemp("family")
            encoder = write_family(folder / "encoder", variant, tokenizer=tokenizer)
            benches[variant] = Bench(encoder=encoder, folder=folder / "bench")
        return benches[variant]

    return bench


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_family_trains_bit_for_bit_at_every_depth(
    variant: str, bench_of: Callable[[str], Bench], one_rank: LocalGroup
) -> None:
    bench = bench_of(variant)
    for num_layers in range(1, load_encoder(bench.encoder, dropout=0.0).num_layers + 1):
        work = work_of(freeze_layers=num_layers, steps=6)

        without = bench.train(one_rank, work, config=engine(prefix_cache="off"))
        cached = bench.train(one_rank, work, config=engine(prefix_cache="always"))

        assert "each step" not in cached.result.made_with["frozen_layers"]
        assert (cached.losses, cached.checksum) == (without.losses, without.checksum)
        assert len(set(cached.losses)) == work.steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "settings"),
    [({"adapter": AdapterConfig()}, {}), ({}, {"precision": "bfloat16"})],
    ids=["an adapter above", "bfloat16"],
)
def test_adapters_and_other_arithmetic_train_bit_for_bit(
    fields: dict[str, Any], settings: dict[str, Any], bench_of: Callable[[str], Bench], one_rank: LocalGroup
) -> None:
    bench, work = bench_of("modernbert"), work_of(steps=6, **fields)
    runs = [
        bench.train(one_rank, work, config=engine(prefix_cache=use, **settings)) for use in ("off", "always", "always")
    ]

    assert "each step" not in runs[1].result.made_with["frozen_layers"]
    assert len({one.losses[-1] for one in runs}) == 1
    assert runs[1].losses == runs[0].losses == runs[2].losses


@pytest.mark.slow
@pytest.mark.parametrize(("zero_stage", "num_workers"), list(itertools.product([0, 1, 2, 3], [1, 2])))
def test_every_zero_stage_trains_alike_with_and_without_the_cache(
    zero_stage: int, num_workers: int, bench_of: Callable[[str], Bench], one_rank: LocalGroup, two_ranks: LocalGroup
) -> None:
    bench, group = bench_of("deberta-v2"), one_rank if num_workers == 1 else two_ranks
    settings: dict[str, Any] = {"zero_stage": zero_stage, "num_workers": num_workers, "tokens_per_micro_batch": 128}

    without = bench.train(group, work_of(steps=6), config=engine(prefix_cache="off", **settings))
    cached = bench.train(group, work_of(steps=6), config=engine(prefix_cache="always", **settings))

    assert cached.losses == pytest.approx(without.losses, abs=1e-5, rel=0)
    assert "each step" not in cached.result.made_with["frozen_layers"]
    if num_workers == 1:
        assert (cached.losses, cached.checksum) == (without.losses, without.checksum)
