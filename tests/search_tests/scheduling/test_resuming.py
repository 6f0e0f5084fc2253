"""In fixed order, a sweep whose driver is replaced again and again proposes what an unbroken one does: every sampler.

The space has constraints, parameters that are there only under a condition, and, where the sampler can, two objectives.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from search.record import Record, open_record
from search.scheduling.scheduler import Finished, Start, TrialScheduler
from spaces.space.walk import contains
from spaces.sweep_spec import LEARNING_SAMPLERS, SweepSpec, make_space, make_sweep_spec
from tests.search_tests.building import result
from tests.search_tests.scheduling.test_scheduler import scheduler

NUM_TRIALS = 16
RATE, PHASE = "target.learning_rate", "intermediate"
LIMIT = f"{PHASE}.steps * {PHASE}.batch_size <= 200"
GRID = {
    "text": {"mixture": "commonsense_qa", "steps": {"choice": [10, 20]}, "batch_size": {"choice": [8, 16]}},
    "search": {"target.pooling": {"choice": ["mean", "first"], "when": "family == 'none' or intermediate.steps > 10"}},
}
RANGES = {
    "text": {
        "mixture": "commonsense_qa",
        "steps": {"int": [5, 20], "default": 8},
        "batch_size": {"choice": [8, 16]},
        "learning_rate": {"log": [1e-5, 1e-3], "when": "intermediate.batch_size >= 16"},
    },
    "search": {RATE: {"log": [1e-5, 1e-3]}, "target.dropout": {"float": [0.0, 0.3], "when": "family == 'text'"}},
}
CONSTRAINTS = {"grid": [LIMIT], "others": [LIMIT, "target.learning_rate < 5e-4 or family == 'text'"]}


def spec_of(sampler: str, *, objective: object) -> SweepSpec:
    parts = GRID if sampler == "grid" else RANGES
    document: dict[str, Any] = {
        "name": "demo",
        "trials": 5 if sampler == "grid" else NUM_TRIALS,
        "order": "fixed",
        "objective": objective,
        "sampler": {"name": sampler} | ({"num_startup": 4} if sampler in LEARNING_SAMPLERS - {"stage_aware"} else {}),
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"languages": ["de", "en", "sw"]}},
        "families": {"none": {}, "text": parts["text"]},
        "search": parts["search"],
        "constraints": CONSTRAINTS.get(sampler, CONSTRAINTS["others"]),
    }
    return make_sweep_spec(document)


def proposals(record: Record, *, spec: SweepSpec, order: random.Random, restarts: bool) -> list[dict[str, Any]]:
    """Run a sweep, two trials at a time that end in a drawn order; returns what was proposed.

    What a trial scores comes from its number alone. With `restarts` each step has a driver of its own.
    """
    record.put_sweep("demo", spec=spec.model_dump(mode="json"), objective="average", planned_trials=spec.trials)
    sweep: TrialScheduler = scheduler(record, spec=spec)
    running: list[int] = []
    while not isinstance(step := sweep.next(), Finished):
        if isinstance(step, Start):
            running.append(record.start("demo", number=step.trial.number).number)
            continue
        number = running.pop(order.randrange(len(running)))
        if number % 5 == 3:
            record.fail("demo", number=number, error="lost")
        else:
            record.finish("demo", number=number, result=result(random.Random(number).random() / 2 + 0.2))  # noqa: S311
        sweep.ended(number)
        if restarts:
            record.interrupt_running("demo")
            running, sweep = [], scheduler(record, spec=spec)
    return [dict(trial.assignment) for trial in record.trials("demo")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "objective"),
    [
        *itertools.product(
            ["tpe", "random", "qmc", "gp", "nsga2", "grid"], ["average", ["average", "seconds", "worst"]]
        ),
        ("cmaes", "average"),
        ("stage_aware", "average"),
    ],
    ids=str,
)
def test_a_sweep_in_fixed_order_goes_on_after_restarts_as_an_unbroken_one(
    sampler: str, objective: object, tmp_path: Path
) -> None:
    spec = spec_of(sampler, objective=objective)
    with open_record(tmp_path / "one.db") as one, open_record(tmp_path / "other.db") as other:
        unbroken = proposals(one, spec=spec, order=random.Random(0), restarts=False)  # noqa: S311
        restarted = proposals(other, spec=spec, order=random.Random(1), restarts=True)  # noqa: S311

    assert restarted == unbroken
    assert len(unbroken) == spec.trials
    assert all(contains(make_space(spec), assignment) for assignment in unbroken)
