"""What a merge costs the stage-aware sampler: its parts that nobody has trained, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from search.sampler import PastTrial
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.merge_parts import MergeParts
from spaces.space.tree import Assignment, Space
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.config import RungsConfig

TEXT: Assignment = {"family": "text", "intermediate.text.mixture": "miniature_qa"}
OTHER: Assignment = {"family": "text", "intermediate.text.mixture": "miniature_choice"}
MERGED: Assignment = {"family": "merged", "intermediate.merged.mixture.merge.method": "linear"}
TIES: Assignment = {"family": "merged", "intermediate.merged.mixture.merge.method": "ties"}
PLAIN: Assignment = {"family": "none"}


def space(**target: Any) -> Space:
    tasks = ["miniature_qa", "miniature_choice"]
    trained = {"steps": 200}
    merge = {"merge": tasks, "method": {"choice": ["linear", "ties"]}, "parts": {"miniature_choice": {"steps": 50}}}
    document: dict[str, Any] = {
        "name": "merges",
        "trials": 10,
        "trial": {
            "target": {"mixture": {"miniature_nli": 1.0}, "steps": 90, **target},
            "evaluation": {"task": "miniature_nli"},
        },
        "families": {
            "none": {},
            "text": {"mixture": {"choice": tasks}, **trained},
            "merged": {"mixture": merge, **trained},
        },
    }
    return make_space(make_sweep_spec(document))


def past(*assignments: Assignment) -> list[PastTrial]:
    return [
        PastTrial(number=number, assignment=one, state="finished", score=0.5) for number, one in enumerate(assignments)
    ]


@pytest.mark.parametrize(
    ("before", "steps"),
    [
        ([], 250.0),
        ([TEXT], 50.0),
        ([OTHER], 250.0),  # its part has another number of steps
        ([PLAIN], 250.0),
        ([TEXT, MERGED], 0.0),  # other merges of the same parts cost nothing before the target phase
    ],
    ids=["nothing", "one part", "another length", "a baseline", "a merge"],
)
def test_a_merge_costs_the_parts_that_no_trial_has_trained(before: list[Assignment], steps: float) -> None:
    parts = MergeParts(space=space())

    assert parts.new_steps(TIES, trained=parts.trained(past(*before))) == steps


def test_what_is_no_merge_has_no_parts() -> None:
    parts = MergeParts(space=space())

    assert [parts.new_steps(one, trained=frozenset()) for one in (TEXT, PLAIN)] == [0.0, 0.0]


def test_a_merge_takes_no_steps_of_its_own_and_an_average_as_many_runs_as_it_has() -> None:
    alone = StepCosts(space=space(), rungs=RungsConfig(), prunes=False)
    averaged = StepCosts(space=space(average={"seeds": 5}), rungs=RungsConfig(), prunes=False)

    assert alone.parts(MERGED) == (0.0, 90.0)
    assert alone.parts(TEXT) == (200.0, 90.0)
    assert averaged.parts(TEXT) == (200.0, 450.0)
