"""A pruned trial can be continued: its configuration is proposed again, and no pruner stops it at that rung."""

from __future__ import annotations

from typing import Any

import pytest

from search.record import Record
from search.sampler import PastTrial, is_promoted_by_sampler, make_sampler
from search.sampler.stage_aware.costs import StepCosts
from spaces.space.enumeration import enumerate_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec
from tests.search_tests.building import result as result_of
from tests.search_tests.scheduling.test_scheduler import measure, scheduler, started

RATE = "target.learning_rate"
RATES = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3]


def spec_of(**fields: Any) -> SweepSpec:
    """Return a sweep over six learning rates with two rungs."""
    document: dict[str, Any] = {
        "name": "demo",
        "trials": 12,
        "concurrency": 1,
        "sampler": {"name": "stage_aware"},
        "rungs": {"num": 2, "eta": 3},
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 90}, "evaluation": {"languages": ["de", "en", "sw"]}},
        "families": {"none": {}},
        "search": {RATE: {"choice": RATES}},
    }
    return make_sweep_spec(document | fields)


def history(spec: SweepSpec, *, pruned: dict[float, float], finished: dict[float, float]) -> list[PastTrial]:
    """Return trials with these rates and scores, the pruned ones at rung 0."""
    by_rate = {one[RATE]: one for one in enumerate_assignments(make_space(spec))}
    return [
        PastTrial(
            number=number,
            assignment=by_rate[rate],
            state="finished" if rate in finished else "pruned",
            score=(pruned | finished)[rate],
            rung=int(rate in finished),
        )
        for number, rate in enumerate(RATES)
    ]


def test_where_all_configurations_were_tried_the_best_pruned_one_is_continued() -> None:
    """The lower rung says little: at it all scored about the same, and at the end they differ."""
    spec = spec_of()
    seen = history(
        spec,
        pruned={3e-5: 0.33, 1e-4: 0.33, 3e-4: 0.34, 1e-3: 0.33},
        finished={1e-5: 0.35, 3e-3: 0.60},
    )
    proposal = make_sampler(spec).propose(len(seen), history=seen)

    continued = proposal.attributes["continues"]
    assert continued in {1, 2}  # trials of the first half
    assert proposal.assignment[RATE] == RATES[int(str(continued))]
    assert is_promoted_by_sampler(proposal.attributes, rung=0)
    assert not is_promoted_by_sampler(proposal.attributes, rung=1)


def test_a_configuration_is_continued_once() -> None:
    spec = spec_of()
    seen = history(spec, pruned=dict.fromkeys(RATES[:4], 0.33), finished={1e-3: 0.35, 3e-3: 0.60})
    rates: list[object] = []
    for number in range(len(seen), len(seen) + 4):
        proposal = make_sampler(spec).propose(number, history=seen)
        rates.append(proposal.assignment[RATE])
        seen.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=0.4 + number / 100,
                rung=1,
                attributes=proposal.attributes,
            )
        )

    assert sorted(map(str, rates)) == sorted(map(str, RATES[:4]))


def test_a_continued_trial_pays_for_all_that_follows_its_rung() -> None:
    spec = spec_of(rungs={"num": 3, "eta": 3})
    space = make_space(spec)
    configuration = next(iter(enumerate_assignments(space)))
    costs = StepCosts(space=space, rungs=spec.rungs, prunes=True)

    # Rungs of 10, 30 and 90 steps; the linear schedule lets no rung continue another.
    assert costs.to_continue(configuration, rung=0) == pytest.approx(30 + 90 / 3)
    assert costs.to_continue(configuration, rung=1) == pytest.approx(90)


@pytest.mark.parametrize("order", ["completion", "fixed"])
def test_a_continued_trial_is_promoted_where_it_was_pruned(record: Record, order: str) -> None:
    spec = spec_of(order=order, pruner={"name": "successive_halving", "keep_per_family": 0})
    record.put_sweep("demo", spec={"trials": 4, "space": {"a": 1}}, objective="average", planned_trials=12)
    sweep = scheduler(record, spec=spec, concurrency=1)
    scores = [0.5, 0.34, 0.33, 0.32, 0.31, 0.3]
    for number, score in enumerate(scores):
        started(sweep, record)
        if measure(sweep, record, number, rung=0, average=score):
            record.finish("demo", number=number, result=result_of(score))
            sweep.ended(number)
    assert [trial.state for trial in record.trials("demo")] == ["finished", *["pruned"] * 5]

    again = started(sweep, record)
    assert is_promoted_by_sampler(again.sampler, rung=0)
    assert again.assignment[RATE] in {trial.assignment[RATE] for trial in record.trials("demo")[1:3]}
    assert measure(sweep, record, again.number, rung=0, average=0.3)
