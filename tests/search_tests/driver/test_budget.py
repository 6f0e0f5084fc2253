"""What stops a sweep at its budget."""

from __future__ import annotations

from typing import Any

import pytest

from search.driver.budget_watch import BudgetWatch
from search.query import SweepStatus
from spaces.budget import BudgetConfig


class Sweep:
    """A sweep that spends, and a clock."""

    def __init__(self, **bounds: Any) -> None:
        self.steps, self.seconds, self.now, self.cuts = 0, 0.0, 0.0, 0
        self.watch = BudgetWatch(
            BudgetConfig(**bounds), status=self.status, num_ranks=2, on_reached=self.cut, clock=lambda: self.now
        )

    def cut(self) -> None:
        self.cuts += 1

    def status(self) -> SweepStatus:
        return SweepStatus.model_construct(steps_paid=self.steps, cost_paid_seconds=self.seconds)

    def is_reached(self) -> bool:
        """Look again, after a while."""
        self.now += 10.0
        return self.watch.is_reached()


def test_without_bounds_nothing_is_reached_or_looked_at() -> None:
    sweep = Sweep()
    sweep.steps = 10**9

    assert not sweep.is_reached()


def test_steps_count_to_the_bound() -> None:
    sweep = Sweep(steps=100)
    sweep.steps = 99
    assert not sweep.is_reached()
    sweep.steps = 100
    assert sweep.is_reached()
    assert sweep.watch.reached == "budget.steps (100 of 100)"


def test_every_rank_spends_its_time() -> None:
    sweep = Sweep(gpu_hours=1.0)
    sweep.seconds = 1799.0
    assert not sweep.is_reached()
    sweep.seconds = 1800.0
    assert sweep.is_reached()


def test_money_is_time_at_a_price() -> None:
    sweep = Sweep(dollars=3.0, dollars_per_gpu_hour=1.5)
    sweep.seconds = 3600.0

    assert sweep.is_reached()
    assert sweep.watch.reached == "budget.dollars (3 of 3)"


def test_wall_time_is_that_of_one_command() -> None:
    sweep = Sweep(hours=1.0)
    sweep.now = 3580.0
    assert not sweep.is_reached()
    assert sweep.is_reached()


@pytest.mark.parametrize(("at_end", "cuts"), [("finish", 0), ("cut", 1)])
def test_running_trials_are_cut_once_if_the_spec_says_so(at_end: str, cuts: int) -> None:
    sweep = Sweep(steps=1, at_end=at_end)
    sweep.steps = 1

    assert (sweep.is_reached(), sweep.is_reached(), sweep.cuts) == (True, True, cuts)
