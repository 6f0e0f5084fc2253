"""Trials that merge encoders or average runs, on a real rank."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.trainables_tests.tiny_jobs import VISION, phase, trial
from trainables.config import PhaseConfig, TrialConfig
from trainables.errors import InputError, StageBusyError
from trainables.models.weights import read_weights
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import Stage, plan_stages
from trainables.ranks.jobs import HEADS
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.usefixtures("tiny_world"), pytest.mark.slow]

SETTINGS: dict[str, Any] = {"steps": 4, "num_dev_items": 8}
TASKS = {"nlvr": 0.6, "commonsense_qa": 0.4}


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> StageStore:
    """A store that the tests fill, one after another."""
    return StageStore(tmp_path_factory.mktemp("combinations") / "store")


def run(config: TrialConfig, store: StageStore, group: LocalGroup) -> TrialResult:
    return run_trial(config, resources=TrialResources(store=store, group=group))


def merging(encoder: Path, *, mixture: dict[str, float] | None = None, **merge: Any) -> TrialConfig:
    work = phase(mixture=mixture or TASKS, vision=VISION, merge=merge, **SETTINGS)
    return trial(encoder, intermediate=work, target=phase(steps=2))


def plan_of(config: TrialConfig) -> dict[str, Stage]:
    return {stage.key: stage for stage in plan_stages(config, provenance=read_provenance(config))}


def weights_file(store: StageStore, key: str) -> Path:
    found = store.find(key)
    assert found is not None
    return found.folder / "model.safetensors"


def checksum(store: StageStore, key: str) -> str:
    return hashlib.sha256(weights_file(store, key).read_bytes()).hexdigest()


def merged_key(config: TrialConfig) -> str:
    return next(key for key, stage in plan_of(config).items() if stage.combination is not None)


def test_a_merge_trains_its_parts_once_and_takes_no_step_of_its_own(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    config, store = merging(tiny_encoder), StageStore(tmp_path / "store")
    nlvr = phase(mixture={"nlvr": 1.0}, vision=VISION, **SETTINGS)
    alone = run(trial(tiny_encoder, intermediate=nlvr), store, one_rank)

    first = run(config, store, one_rank)
    again = run(merging(tiny_encoder, method="task_arithmetic", scaling=0.5), store, one_rank)

    assert [(one.phase, one.steps, one.reused, one.is_trunk) for one in first.stages] == [
        ("intermediate", 4, True, True),
        ("intermediate", 4, False, True),
        ("intermediate", 0, False, False),
        ("target", 2, False, False),
        ("evaluation", 0, False, False),
    ]
    assert first.stages[0].key == alone.stages[0].key
    assert (first.steps_paid, first.steps_if_alone) == (6, 10)
    assert again.steps_paid == 2
    assert [one.reused for one in again.stages] == [True, True, False, False, False]
    assert set(first.task_scores) == set()
    assert {name: one.weight for name, one in first.trained["intermediate"].items()} == pytest.approx(TASKS)


def test_a_merge_that_the_store_has_needs_no_parts(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    config = merging(tiny_encoder)
    made = run(config, shared_store, one_rank)
    for stage in plan_of(config).values():
        if stage.is_part:
            shared_store.space.remove(stage.key)

    found = run(config.model_copy(update={"target": phase(steps=3)}), shared_store, one_rank)

    assert [one.phase for one in found.stages] == ["intermediate", "target", "evaluation"]
    assert (found.stages[0].reused, found.steps_paid, found.steps_if_alone) == (True, 3, 11)
    assert found.stages[0].key == merged_key(config)
    assert found.trained["intermediate"] == made.trained["intermediate"]


def test_a_merge_of_one_part_is_the_part_and_one_made_again_has_the_same_bytes(
    tiny_encoder: Path, tmp_path: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    one = merging(tiny_encoder, mixture={"nlvr": 1.0})
    for config in (one, merging(tiny_encoder, method="ties")):
        run(config, shared_store, one_rank)
    (part,) = (key for key, stage in plan_of(one).items() if stage.is_part)

    assert checksum(shared_store, merged_key(one)) == checksum(shared_store, part)

    permuted = merging(tiny_encoder, mixture=dict(reversed(TASKS.items())), method="ties")
    elsewhere = StageStore(tmp_path / "other")
    run(permuted, elsewhere, one_rank)
    assert merged_key(permuted) == merged_key(merging(tiny_encoder, method="ties"))
    assert checksum(elsewhere, merged_key(permuted)) == checksum(shared_store, merged_key(permuted))


def test_a_merge_whose_part_was_made_again_otherwise_is_not_trusted(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    store, config = StageStore(tmp_path / "store"), merging(tiny_encoder)
    run(config, store, one_rank)
    key, part = merged_key(config), next(stage for stage in plan_of(config).values() if stage.is_part)
    kept = store.find(part.key)
    assert kept is not None
    store.space.remove(part.key)
    with store.lease(part.key), store.work_folder(part.key) as folder:
        (folder / "model.safetensors").write_bytes(b"other weights")
        store.commit(part.key, folder=folder, facts=kept.facts)

    assert store.find(key) is None


def averaging(encoder: Path, *, work: PhaseConfig | None = None, **average: Any) -> TrialConfig:
    target = work or phase(steps=3, num_dev_items=12)
    return trial(encoder, target=PhaseConfig.model_validate(target.model_dump(mode="json") | {"average": average}))


def test_an_average_of_runs_averages_encoders_and_heads(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    config = averaging(tiny_encoder, seeds=2)

    result = run(config, shared_store, one_rank)

    assert [(one.phase, one.steps, one.is_trunk) for one in result.stages] == [
        ("target", 3, True),
        ("target", 3, True),
        ("target", 0, False),
        ("evaluation", 0, False),
    ]
    assert (result.steps_paid, result.steps_if_alone) == (6, 6)
    assert set(result.task_scores) == {"mnli"}
    for name in ("model.safetensors", HEADS):
        first, second, mean = (
            read_weights(weights_file(shared_store, one.key).with_name(name)) for one in result.stages[:3]
        )
        assert any(not first[tensor].equal(second[tensor]) for tensor in first)
        assert all(mean[one].allclose((first[one] + second[one]) / 2, atol=1e-6) for one in first)


def test_runs_of_an_average_start_with_the_same_head(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    # A learning rate of almost 0 leaves the heads as they started.
    work = phase(steps=1, learning_rate=1e-30)
    result = run(averaging(tiny_encoder, work=work, seeds=2), shared_store, one_rank)
    other = run(trial(tiny_encoder, target=work.model_copy(update={"seed": 1})), shared_store, one_rank)

    first, second, apart = (
        read_weights(weights_file(shared_store, one.key).with_name(HEADS))
        for one in (*result.stages[:2], other.stages[0])
    )

    assert all(first[name].allclose(second[name]) for name in first)
    assert not all(first[name].allclose(apart[name]) for name in first)


def test_an_average_of_checkpoints_is_that_of_the_models_at_these_steps(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    # At a constant rate, a shorter phase is the start of the longer one.
    work = phase(steps=4, schedule={"kind": "constant", "warmup_steps": 0}, seed=5)
    shorter = [run(trial(tiny_encoder, target=work.model_copy(update={"steps": 2})), shared_store, one_rank)]
    unbroken = run(trial(tiny_encoder, target=work), StageStore(shared_store.root / "apart"), one_rank)

    result = run(averaging(tiny_encoder, work=work, last=2, every=0.5), shared_store, one_rank)

    assert [(one.phase, one.steps, one.is_trunk) for one in result.stages] == [
        ("target", 2, True),
        ("target", 2, True),
        ("target", 0, False),
        ("evaluation", 0, False),
    ]
    assert (result.steps_paid, result.steps_if_alone) == (4, 4)
    assert result.stages[1].key == unbroken.stages[0].key
    for name in ("model.safetensors", HEADS):
        middle, _, mean, alone = (
            read_weights(weights_file(shared_store, one.key).with_name(name))
            for one in (*result.stages[:3], shorter[0].stages[0])
        )
        apart = StageStore(shared_store.root / "apart")
        end = read_weights(weights_file(apart, unbroken.stages[0].key).with_name(name))
        assert all(middle[one].equal(alone[one]) for one in middle)
        assert all(mean[one].allclose((alone[one] + end[one]) / 2, atol=1e-6) for one in mean)


def test_too_few_steps_for_the_checkpoints_are_an_error(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    with pytest.raises(InputError, match=r"target.average.last: .*too few for as many checkpoints"):
        run(averaging(tiny_encoder, work=phase(steps=2), last=3, every=0.1), shared_store, one_rank)


def test_a_greedy_average_takes_a_run_only_if_english_dev_items_are_answered_no_worse(
    tiny_encoder: Path, shared_store: StageStore, one_rank: LocalGroup
) -> None:
    config = averaging(tiny_encoder, work=phase(steps=6, num_dev_items=12), seeds=3, select="greedy")

    result = run(config, shared_store, one_rank)

    stored = shared_store.find(result.stages[3].key)
    assert stored is not None
    chosen = stored.facts.made_with["averaged"].split()
    singles = {}
    for one in result.stages[:3]:
        found = shared_store.find(one.key)
        assert found is not None
        singles[one.key[:12]] = found.facts.scores["mnli"]
    assert singles[chosen[0]] == max(singles.values())
    assert result.task_scores["mnli"] >= max(singles.values())


def test_parts_are_made_in_the_order_of_the_plan(tiny_encoder: Path, tmp_path: Path) -> None:
    # The driver starts a trial if nobody makes the first stage that its plan lacks: the trial must begin with this one.
    store = StageStore(tmp_path / "store")
    for config in (merging(tiny_encoder), averaging(tiny_encoder, seeds=4)):
        first = next(iter(plan_of(config)))
        idle = LocalGroup(config.engine)  # it is never started: the first stage is being made elsewhere
        held = StageStore(store.root).try_lease(first)
        assert held is not None

        with held, pytest.raises(StageBusyError, match=first[:12]):
            run_trial(config, resources=TrialResources(store=store, group=idle, waits=False))
        assert list(store.keys()) == []
