"""Every family of encoders trains alike on one rank and on two, at every ZeRO stage; it freezes and is continued.

All of it is slow. Ranks are killed while they train the two families with most parts of their own.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_families import FIELDS, write_family
from tests.trainables_tests.tiny_jobs import VISION, Bench, engine, phase, trial
from trainables.config import EngineConfig
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

WORK = phase(mixture={"mnli": 0.5, "nlvr": 0.5}, vision=VISION, batch_size=16, steps=8, weight_decay=0.1)
STAGES = (0, 1, 2, 3)
SECONDS = 60

MATRIX = list(itertools.product(FIELDS, STAGES))


@pytest.fixture(scope="module")
def bench_of(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    """Return the bench of a family, made when it is first asked for."""
    benches: dict[str, Bench] = {}
    tokenizer: Any = load_tokenizer(tiny_encoder)

    def bench(family: str) -> Bench:
        if family not in benches:
            folder = tmp_path_factory.mktemp("family")
            encoder = write_family(folder / "encoder", family, tokenizer=tokenizer)
            benches[family] = Bench(encoder=encoder, folder=folder / "bench")
        return benches[family]

    return bench


@pytest.fixture(scope="module")
def losses_of_one_rank(bench_of: Callable[[str], Bench], one_rank: LocalGroup) -> Callable[[str], list[float]]:
    losses: dict[str, list[float]] = {}

    def of(family: str) -> list[float]:
        if family not in losses:
            losses[family] = bench_of(family).train(one_rank, WORK).losses
        return losses[family]

    return of


@pytest.mark.parametrize(("family", "zero_stage"), MATRIX)
def test_two_ranks_have_the_losses_of_one(
    family: str,
    zero_stage: int,
    losses_of_one_rank: Callable[[str], list[float]],
    bench_of: Callable[[str], Bench],
    two_ranks: LocalGroup,
) -> None:
    config = engine(num_workers=2, zero_stage=zero_stage, tokens_per_micro_batch=128)

    losses = bench_of(family).train(two_ranks, WORK, config=config).losses

    assert losses == pytest.approx(losses_of_one_rank(family), abs=1e-4, rel=0)
    assert len(set(losses)) == len(losses)


@pytest.mark.parametrize("offload", ["optimizer", "all"])
def test_an_xl_whose_state_is_offloaded_has_the_losses_of_one_rank(
    offload: str,
    losses_of_one_rank: Callable[[str], list[float]],
    bench_of: Callable[[str], Bench],
    two_ranks: LocalGroup,
) -> None:
    config = engine(num_workers=2, zero_stage=3, offload=offload, tokens_per_micro_batch=128)

    losses = bench_of("xlm-roberta-xl").train(two_ranks, WORK, config=config).losses

    assert losses == pytest.approx(losses_of_one_rank("xlm-roberta-xl"), abs=1e-4, rel=0)


@pytest.mark.parametrize("family", FIELDS)
def test_frozen_weights_stay_bit_for_bit_and_the_others_move(
    family: str, bench_of: Callable[[str], Bench], one_rank: LocalGroup
) -> None:
    bench = bench_of(family)
    work = WORK.model_copy(update={"freeze_embeddings": True, "freeze_layers": 1, "steps": 3})

    trained = bench.train(one_rank, work, config=engine(zero_stage=3))

    before, after = load_file(bench.encoder / "model.safetensors"), load_file(trained.folder / "model.safetensors")
    encoder = load_encoder(bench.encoder, dropout=0.0)
    frozen = encoder.family.embedding_modules(encoder.model), encoder.family.layers(encoder.model)[0]
    pointers = {weight.data_ptr() for modules in frozen for module in modules for weight in module.parameters()}
    names = {name for name, weight in encoder.model.named_parameters() if weight.data_ptr() in pointers}
    assert {name for name in before if torch.equal(before[name], after[name])} == names


@pytest.mark.parametrize("family", FIELDS)
def test_a_phase_that_continues_a_checkpoint_is_the_unbroken_one_bit_for_bit(
    family: str, bench_of: Callable[[str], Bench], one_rank: LocalGroup, tmp_path: Path
) -> None:
    bench, work = bench_of(family), WORK.model_copy(update={"dropout": 0.1})
    unbroken = bench.train(one_rank, work, config=engine(checkpoint_seconds=1e-3), checkpoints=tmp_path)
    first = min(path for path in tmp_path.iterdir() if path.name.isdigit())

    continued = bench.train(one_rank, work, state=first)

    assert 0 < continued.result.first_step < work.steps
    assert (continued.losses, continued.checksum) == (unbroken.losses, unbroken.checksum)


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_a_stage_goes_on_after_its_rank_is_killed(
    family: str, bench_of: Callable[[str], Bench], tmp_path: Path
) -> None:
    work = phase(steps=60, dropout=0.1)
    config = trial(bench_of(family).encoder, target=work, engine=engine(checkpoint_seconds=0.01))
    lost: list[str] = []

    with contextlib.closing(LocalGroup(EngineConfig(threads_per_rank=1, device="cpu"))) as group:
        unbroken = run_trial(config, resources=TrialResources(store=StageStore(tmp_path / "unbroken"), group=group))
        before = rank_processes()
        killer = threading.Thread(target=kill_after_a_checkpoint, args=(tmp_path / "broken", before))
        killer.start()
        place = TrialResources(
            store=StageStore(tmp_path / "broken"), group=group, on_lost=lambda stage, _: lost.append(str(stage))
        )
        result = run_trial(config, resources=place)
        killer.join()

    assert len(lost) == 1
    assert (result.languages, result.trained) == (unbroken.languages, unbroken.trained)


def rank_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [one for one in children if "trainables.ranks.rank_process" in " ".join(one.cmdline())]


def kill_after_a_checkpoint(store: Path, ranks: list[psutil.Process]) -> None:
    """Kill the newest rank as soon as the store has a checkpoint."""
    deadline = time.monotonic() + SECONDS
    while not list(store.glob("checkpoints/*/*/manifest.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    max(ranks, key=lambda one: one.create_time()).send_signal(signal.SIGKILL)
