"""Rungs: what a trial is at each, which stages that takes, and that climbing them trains nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables_tests.plan.test_stages import EVALUATION, PROVENANCE, TARGET, TRIAL, changed, keys
from tests.trainables_tests.tiny_jobs import phase, trial
from trainables.config import EvaluationConfig, PhaseConfig, RungsConfig, ScheduleConfig, TrialConfig
from trainables.config.further import FurtherTarget
from trainables.errors import StageBusyError
from trainables.plan.schedule import learning_rate_factor, trunk_end
from trainables.plan.stage_plan import Stage, plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.stage_store.manifest import FileEntry, files_of
from trainables.trials.trial import TrialResources, run_trial

STABLE = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=2)
LONG = PhaseConfig(mixture={"nli": 1.0}, steps=90, schedule=STABLE)
CLIMBING = TRIAL.model_copy(update={"target": LONG})
RUNGS = RungsConfig(num=3, eta=3, num_items=10)


def plan(config: TrialConfig, *, rungs: RungsConfig = RUNGS, rung: int) -> tuple[Stage, ...]:
    return plan_stages(config, provenance=PROVENANCE, rungs=rungs, rung=rung)


def told(stages: tuple[Stage, ...]) -> list[str]:
    """Return each stage's phase; trunks are marked."""
    return [f"trunk of {stage.phase}" if stage.is_trunk else stage.phase for stage in stages]


def test_a_growing_phase_is_eta_times_as_long_at_each_rung_and_is_scored_on_more_items() -> None:
    config = CLIMBING.model_copy(update={"evaluation": EVALUATION.model_copy(update={"num_items": 40})})

    found = [RUNGS.at(rung, config=config) for rung in range(3)]

    assert [one.target.steps for one in found] == [10, 30, 90]
    assert [one.evaluation.num_items for one in found] == [10, 30, 40]
    assert all(one.intermediate == config.intermediate for one in found)
    assert found[2] == config


def test_epochs_grow_as_steps_do() -> None:
    config = TRIAL.model_copy(update={"target": TARGET})

    assert [RUNGS.at(rung, config=config).target.epochs for rung in range(3)] == pytest.approx([2 / 9, 2 / 3, 2])


def test_further_targets_are_left_for_the_last_rung() -> None:
    further = {"other": FurtherTarget(evaluation=EvaluationConfig(task="other", languages=("en",)))}
    config = CLIMBING.model_copy(update={"further": further})

    assert [len(RUNGS.at(rung, config=config).further) for rung in range(3)] == [0, 0, 1]


def test_a_rung_continues_the_trunk_of_the_one_below() -> None:
    plans = [plan(CLIMBING, rung=rung) for rung in range(3)]

    trunk = "trunk of target"
    assert [told(one) for one in plans] == [
        ["intermediate", trunk, "target", "evaluation"],
        ["intermediate", trunk, trunk, "target", "evaluation"],
        ["intermediate", trunk, trunk, "target", "evaluation"],
    ]
    assert [stage.key for stage in plans[2][:3]] == [stage.key for stage in plans[1][:3]]
    intermediate, low, high, target, evaluation = plans[2]
    assert [stage.continues for stage in plans[2]] == [None, None, low.key, high.key, None]
    assert [stage.parent for stage in plans[2]] == [None, *[intermediate.key] * 3, target.key]
    assert evaluation.continues is None


def test_a_branch_has_the_key_of_the_phase_trained_in_one_go() -> None:
    for rung in range(3):
        in_one_go = keys(RUNGS.at(rung, config=CLIMBING))

        assert {stage.phase: stage.key for stage in plan(CLIMBING, rung=rung) if not stage.is_trunk} == in_one_go


def test_only_the_first_growing_phase_has_trunks_since_what_follows_starts_elsewhere() -> None:
    config = changed(CLIMBING, "intermediate", schedule=STABLE)
    rungs = RungsConfig(num=2, grow=("intermediate", "target"))

    assert told(plan(config, rungs=rungs, rung=1)) == ["trunk of intermediate", "intermediate", "target", "evaluation"]


@pytest.mark.parametrize(
    "schedule", [ScheduleConfig(), ScheduleConfig(kind="warmup_stable_decay")], ids=["linear", "warm-up as a share"]
)
def test_a_schedule_without_a_common_beginning_has_no_trunk(schedule: ScheduleConfig) -> None:
    config = changed(CLIMBING, "target", schedule=schedule)

    assert told(plan(config, rung=2)) == ["intermediate", "target", "evaluation"]


def test_trunks_are_shared_by_trials_that_differ_in_their_ends_alone() -> None:
    def trunks(config: TrialConfig) -> list[str]:
        return [stage.key for stage in plan(config, rung=1) if stage.is_trunk]

    other_end = changed(CLIMBING, "target", num_dev_items=7)
    longer = changed(CLIMBING, "target", schedule=STABLE.model_copy(update={"decay_fraction": 0.3}))

    assert trunks(other_end) == trunks(CLIMBING)
    assert set(trunks(longer)).isdisjoint(trunks(CLIMBING))


@given(
    steps=st.integers(1, 400),
    more=st.integers(0, 400),
    warmup=st.integers(0, 60),
    decay=st.floats(0.01, 1.0),
    kind=st.sampled_from(["warmup_stable_decay", "constant"]),
)
def test_a_longer_phase_begins_with_a_shorter_ones_trunk(
    steps: int, more: int, warmup: int, decay: float, kind: str
) -> None:
    fields = {"kind": kind, "warmup_steps": min(warmup, steps)}
    schedule = ScheduleConfig.model_validate(fields | ({"decay_fraction": decay} if kind != "constant" else {}))
    end = trunk_end(schedule, num_steps=steps)

    def rates(num_steps: int) -> list[float]:
        return [learning_rate_factor(schedule, step=step, num_steps=num_steps) for step in range(end)]

    assert end <= trunk_end(schedule, num_steps=steps + more)
    assert rates(steps) == rates(steps + more)


@pytest.fixture
def config(tiny_encoder: Path) -> TrialConfig:
    return trial(
        tiny_encoder,
        intermediate=phase(mixture={"commonsense_qa": 1.0}, steps=6),
        target=phase(steps=27, dropout=0.1, weight_decay=0.1, schedule=STABLE),
    )


def place(store: StageStore, group: LocalGroup) -> TrialResources:
    return TrialResources(store=store, group=group)


def files(result: TrialResult, store: StageStore) -> dict[str, dict[str, FileEntry]]:
    """Return phase -> file -> size and checksum, for the phases that train."""
    found = {one.phase: store.find(one.key) for one in result.stages if not one.is_trunk}
    return {phase: files_of(stage.folder) for phase, stage in found.items() if stage and phase != "evaluation"}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_climbing_the_rungs_takes_each_step_once_and_ends_as_the_unbroken_trial(
    config: TrialConfig, one_rank: LocalGroup, tmp_path: Path
) -> None:
    climbing, unbroken = StageStore(tmp_path / "climbing"), StageStore(tmp_path / "unbroken")

    results = [run_trial(config, resources=place(climbing, one_rank), rungs=RUNGS, rung=rung) for rung in range(3)]

    for rung, result in enumerate(results):
        alone = run_trial(RUNGS.at(rung, config=config), resources=place(unbroken, one_rank))
        assert result.languages == alone.languages
        assert result.trained == alone.trained
        assert files(result, climbing) == files(alone, unbroken)
        assert result.steps_if_alone == alone.steps_if_alone == 6 + 3 * 3**rung
    # Trunks end at 2, 7 and 22 of 3, 9 and 27 steps; what the first two leave decays.
    assert [result.steps_paid for result in results] == [6 + 2 + 1, 5 + 2, 27 - 7]
    assert results[2].cost_if_alone_seconds > results[2].cost_paid_seconds


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_a_trunk_that_is_gone_is_made_again_only_where_it_is_needed(
    config: TrialConfig, one_rank: LocalGroup, tmp_path: Path
) -> None:
    store = StageStore(tmp_path / "store")
    below = run_trial(config, resources=place(store, one_rank), rungs=RUNGS, rung=1)
    trunks = [stage.key for stage in below.stages if stage.is_trunk]
    assert all(store.space.remove(key) for key in reversed(trunks))

    again = run_trial(config, resources=place(store, one_rank), rungs=RUNGS, rung=1)
    above = run_trial(config, resources=place(store, one_rank), rungs=RUNGS, rung=2)

    assert (again.steps_paid, again.languages) == (0, below.languages)
    assert above.steps_paid == 27
    alone = run_trial(config, resources=place(StageStore(tmp_path / "alone"), one_rank))
    assert above.languages == alone.languages


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_a_trial_that_does_not_wait_says_which_stage_is_being_made(
    config: TrialConfig, one_rank: LocalGroup, tmp_path: Path
) -> None:
    store, other = StageStore(tmp_path / "store"), StageStore(tmp_path / "store")
    first = run_trial(config, resources=place(store, one_rank), rungs=RUNGS, rung=0).stages[0].key
    store.space.remove(first)

    with other.lease(first), pytest.raises(StageBusyError) as busy:
        run_trial(config, resources=TrialResources(store=store, group=one_rank, waits=False))

    assert busy.value.key == first
