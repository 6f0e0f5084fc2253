"""Training that stops and goes on: on one rank bit for bit, on others and at other ZeRO stages within tolerance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainables_tests.tiny_jobs import VISION, Bench, engine, phase
from trainables.errors import InputError, StoppedError
from trainables.plan.schedule import trunk_end
from trainables.ranks.local_group import LocalGroup
from trainables.training.checkpoint_writer import STOP

pytestmark = pytest.mark.usefixtures("tiny_world")

DROPPED = phase(
    mixture={"nlvr": 0.5, "mnli": 0.5},
    vision=VISION,
    dropout=0.1,
    weight_decay=0.1,
    schedule={"kind": "warmup_stable_decay", "warmup_steps": 4},
)
PLAIN = phase(
    mixture={"commonsense_qa": 0.25, "mnli": 0.75},
    weight_decay=0.1,
    schedule={"kind": "warmup_stable_decay", "warmup_steps": 2, "decay_fraction": 0.5},
)


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("bench"))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [6, 20])
def test_a_phase_that_continues_the_trunk_of_a_shorter_one_is_the_unbroken_one_bit_for_bit(
    steps: int, bench: Bench, one_rank: LocalGroup
) -> None:
    shorter = DROPPED.model_copy(update={"steps": steps})
    unbroken = bench.train(one_rank, DROPPED)

    trunk = bench.train(one_rank, shorter, is_trunk=True)
    continued = bench.train(one_rank, DROPPED, state=trunk.folder)

    end = trunk_end(DROPPED.schedule, num_steps=steps)
    assert (trunk.result.first_step, trunk.result.steps) == (0, end)
    assert (continued.result.first_step, continued.result.steps) == (end, 20)
    assert continued.losses == unbroken.losses
    assert continued.checksum == unbroken.checksum
    assert continued.result.tasks == unbroken.result.tasks


@pytest.mark.slow
def test_a_trunk_shorter_than_its_warm_up_is_refused(bench: Bench, one_rank: LocalGroup) -> None:
    with pytest.raises(InputError, match=r"target.schedule.warmup_steps: 4 warm-up steps do not fit the 3 steps"):
        bench.train(one_rank, DROPPED.model_copy(update={"steps": 3}), is_trunk=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1, 0), (2, 3)),
        ((2, 3), (1, 2)),
        ((1, 2), (2, 1)),
        ((2, 1), (1, 3)),
    ],
)
def test_training_goes_on_with_other_ranks_and_at_another_zero_stage(
    before: tuple[int, int],
    after: tuple[int, int],
    losses_of_one_rank: list[float],
    bench: Bench,
    one_rank: LocalGroup,
    two_ranks: LocalGroup,
) -> None:
    groups = {1: one_rank, 2: two_ranks}
    configs = [
        engine(num_workers=ranks, zero_stage=zero, tokens_per_micro_batch=128) for ranks, zero in (before, after)
    ]

    trunk = bench.train(groups[before[0]], PLAIN, config=configs[0], is_trunk=True)
    continued = bench.train(groups[after[0]], PLAIN, config=configs[1], state=trunk.folder)

    assert continued.losses == pytest.approx(losses_of_one_rank, abs=1e-5)


@pytest.fixture(scope="module")
def losses_of_one_rank(bench: Bench, one_rank: LocalGroup) -> list[float]:
    return bench.train(one_rank, PLAIN).losses


@pytest.mark.slow
def test_a_phase_that_continues_a_checkpoint_is_the_unbroken_one_bit_for_bit(
    bench: Bench, one_rank: LocalGroup, tmp_path: Path
) -> None:
    unbroken = bench.train(one_rank, DROPPED)

    kept = bench.train(one_rank, DROPPED, config=engine(checkpoint_seconds=1e-3), checkpoints=tmp_path)
    checkpoints = sorted(path for path in tmp_path.iterdir() if path.name.isdigit())
    continued = [bench.train(one_rank, DROPPED, state=path) for path in (checkpoints[0], checkpoints[-1])]

    assert kept.checksum == unbroken.checksum
    assert [one.checksum for one in continued] == [unbroken.checksum] * 2
    assert [one.losses for one in continued] == [unbroken.losses] * 2
    assert [one.result.tasks for one in continued] == [unbroken.result.tasks] * 2
    assert [one.result.first_step for one in continued] == [int(checkpoints[0].name), int(checkpoints[-1].name)]


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_training_stops_when_asked_and_leaves_a_checkpoint(
    ranks: int, bench: Bench, one_rank: LocalGroup, two_ranks: LocalGroup, tmp_path: Path
) -> None:
    (tmp_path / STOP).touch()
    config = engine(num_workers=ranks)

    with pytest.raises(StoppedError) as stopped:
        bench.train({1: one_rank, 2: two_ranks}[ranks], PLAIN, config=config, checkpoints=tmp_path)

    assert stopped.value.step == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["000000001"]
