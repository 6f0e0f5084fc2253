"""Learning-rate schedules: values worked out by hand, and the laws that hold for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.config import ScheduleConfig
from trainables.plan.schedule import learning_rate_factor


def factors(num_steps: int, **fields: Any) -> list[float]:
    schedule = ScheduleConfig(**fields)
    return [learning_rate_factor(schedule, step=step, num_steps=num_steps) for step in range(num_steps)]


def test_linear_rises_over_the_warm_up_and_falls_to_nothing_just_after_the_last_step() -> None:
    found = factors(7, kind="linear", warmup_steps=2)

    assert found == pytest.approx([1 / 3, 2 / 3, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5])


def test_constant_stays_at_the_peak_after_the_warm_up() -> None:
    assert factors(6, kind="constant", warmup_steps=3) == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 1])


def test_warmup_stable_decay_is_flat_between_warm_up_and_decay() -> None:
    found = factors(10, kind="warmup_stable_decay", warmup_steps=2, decay_fraction=0.4)

    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 1, 3 / 4, 2 / 4, 1 / 4])


def test_a_longer_phase_begins_with_the_shorter_ones_steps_when_the_warm_up_is_in_steps() -> None:
    short = factors(10, kind="warmup_stable_decay", warmup_steps=3, decay_fraction=0.2)
    long = factors(40, kind="warmup_stable_decay", warmup_steps=3, decay_fraction=0.2)

    assert long[:8] == short[:8]


def test_the_warm_up_is_a_fraction_of_the_steps_unless_its_steps_are_given() -> None:
    assert factors(20, kind="constant", warmup_fraction=0.1) == factors(20, kind="constant", warmup_steps=2)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert factors(4, kind="linear", warmup_fraction=0.0) == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])


def test_a_warm_up_longer_than_the_phase_still_rises_at_its_last_step() -> None:
    assert factors(3, kind="linear", warmup_steps=100) == pytest.approx([1 / 4, 2 / 4, 3 / 4])


def test_a_phase_of_one_step_trains() -> None:
    assert factors(1, kind="warmup_stable_decay", decay_fraction=1.0) == [1.0]


warm_ups = st.fixed_dictionaries({"warmup_fraction": st.floats(0, 0.99)}) | st.fixed_dictionaries(
    {"warmup_steps": st.integers(0, 300)}
)
kinds = st.fixed_dictionaries({"kind": st.sampled_from(["linear", "constant"])}) | st.fixed_dictionaries(
    {"kind": st.just("warmup_stable_decay"), "decay_fraction": st.floats(0.01, 1)}
)
schedules = st.builds(lambda kind, warm_up: ScheduleConfig(**kind, **warm_up), kinds, warm_ups)


@given(schedule=schedules, num_steps=st.integers(1, 200), data=st.data())
def test_every_factor_is_above_0_and_at_most_1(schedule: ScheduleConfig, num_steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, num_steps - 1))

    assert 0 < learning_rate_factor(schedule, step=step, num_steps=num_steps) <= 1


@given(schedule=schedules, num_steps=st.integers(1, 200))
def test_no_schedule_rises_again_once_it_has_fallen(schedule: ScheduleConfig, num_steps: int) -> None:
    found = [learning_rate_factor(schedule, step=step, num_steps=num_steps) for step in range(num_steps)]
    peak = found.index(max(found))

    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)
