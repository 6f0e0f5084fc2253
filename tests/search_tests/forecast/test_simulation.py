"""The simulated schedule: it keeps the order of making, makes nothing twice, and is never faster than it can be."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.forecast.simulation import Plan, Schedule, Simulation, longest_chain
from tests.trainables_tests.plan.test_stages import EVALUATION, PROVENANCE, TRIAL, changed
from trainables.config import PhaseConfig, RungsConfig, ScheduleConfig, TrialConfig
from trainables.plan.stage_plan import Stage, plan_stages

STABLE = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=2)
LONG = PhaseConfig(mixture={"nli": 1.0}, steps=90, schedule=STABLE)
RUNGS = RungsConfig(num=3, num_items=10)


def trial(intermediate: int, target: int) -> TrialConfig:
    config = TRIAL.model_copy(update={"target": LONG.model_copy(update={"seed": target}), "evaluation": EVALUATION})
    return changed(config, "intermediate", seed=intermediate)


def plans(trials: list[tuple[int, int]], *, rungs: RungsConfig = RUNGS) -> dict[int, Plan]:
    configs = [trial(*seeds) for seeds in trials]
    return {
        number: tuple(plan_stages(config, provenance=PROVENANCE, rungs=rungs, rung=rung) for rung in range(rungs.num))
        for number, config in enumerate(configs)
    }


def seconds(stage: Stage) -> float:
    """Return a time that differs from stage to stage."""
    return 1.0 + int(stage.key[:4], 16) % 50


def always(number: int, rung: int) -> bool:
    del number, rung
    return True


def simulated(
    trials: dict[int, Plan], *, num_workers: int = 4, is_promoted: Callable[[int, int], bool] = always
) -> Schedule:
    simulation = Simulation(
        trials, seconds=seconds, is_promoted=is_promoted, num_workers=num_workers, max_ahead=len(trials)
    )
    return simulation.run()


TRIALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=12)


@given(trials=TRIALS)
@settings(deadline=None, max_examples=30)
def test_one_worker_takes_the_sum_of_all_work(trials: list[tuple[int, int]]) -> None:
    schedule = simulated(plans(trials), num_workers=1)

    every_stage = {stage.key: stage for plan in plans(trials).values() for stages in plan for stage in stages}
    assert schedule.makespan_seconds == pytest.approx(sum(seconds(stage) for stage in every_stage.values()))
    assert schedule.busy_seconds == pytest.approx(schedule.makespan_seconds)


@given(trials=TRIALS, num_workers=st.integers(1, 6), pruned=st.sets(st.integers(0, 11)))
@settings(deadline=None, max_examples=30)
def test_nothing_is_made_twice_or_before_what_it_is_made_from_and_no_bound_is_broken(
    trials: list[tuple[int, int]], num_workers: int, pruned: set[int]
) -> None:
    def is_promoted(number: int, rung: int) -> bool:
        del rung
        return number not in pruned

    schedule = simulated(plans(trials), num_workers=num_workers, is_promoted=is_promoted)

    ends = {made.stage.key: made.ended for made in schedule.made_stages}
    made_from = [
        (made.started, ends[key])
        for made in schedule.made_stages
        for key in (made.stage.parent, made.stage.continues)
        if key
    ]
    starts_and_ends = sorted(
        [(made.ended, -1) for made in schedule.made_stages] + [(made.started, 1) for made in schedule.made_stages]
    )
    stages = [made.stage for made in schedule.made_stages]
    assert len(ends) == len(schedule.made_stages)
    assert all(started >= ended for started, ended in made_from)
    assert max(itertools.accumulate(change for _, change in starts_and_ends)) <= num_workers
    assert schedule.makespan_seconds >= schedule.busy_seconds / num_workers - 1e-6
    assert schedule.makespan_seconds >= longest_chain(stages, seconds=seconds) - 1e-6
    assert schedule.rungs_reached == {number: 0 if number in pruned else 2 for number in range(len(trials))}


def test_workers_that_would_wait_for_a_stage_make_another_one() -> None:
    schedule = simulated(plans([(0, 0), (0, 1), (1, 0), (1, 1)]), num_workers=2)

    first = [made.stage.phase for made in sorted(schedule.made_stages, key=lambda made: made.started)[:2]]
    assert first == ["intermediate", "intermediate"]
    assert Counter(made.stage.phase for made in schedule.made_stages)["intermediate"] == 2


def test_a_trunk_takes_room_until_its_last_trial_has_ended() -> None:
    schedule = simulated(plans([(0, 0)]))

    trunks = [made.stage.key for made in schedule.made_stages if made.stage.is_trunk]
    assert sorted(key for _, key in schedule.drops) == sorted(trunks)
    assert {at for at, _ in schedule.drops} == {schedule.makespan_seconds}
    assert schedule.peak(lambda stage: 1 if stage.is_trunk else 0) == len(trunks) == 2
