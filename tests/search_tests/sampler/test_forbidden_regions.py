"""A constraint couples both phases and forbids what the model prefers: the best of what is allowed is proposed."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from search.sampler import PastTrial, make_sampler
from spaces.space.tree import Assignment
from spaces.sweep_spec import make_sweep_spec

RATES = {"log": [1e-6, 1e-2], "default": 2e-6}
LARGEST_PRODUCT = 1e-9

DOCUMENT: dict[str, Any] = {
    "name": "forbidden",
    "trials": 50,
    "sampler": {"name": "stage_aware", "num_startup": 4},
    "rungs": {"num": 1},
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": "miniature_nli", "steps": 100},
        "evaluation": {"task": "miniature_nli"},
    },
    "families": {"text": {"mixture": "miniature_qa", "steps": 100, "learning_rate": RATES}},
    "search": {"target.learning_rate": RATES},
    "constraints": [f"target.learning_rate * intermediate.learning_rate <= {LARGEST_PRODUCT}"],
}


def product(assignment: Assignment) -> float:
    return math.prod(float(str(value)) for path, value in assignment.items() if path.endswith("learning_rate"))


def finished(number: int, assignment: Assignment) -> PastTrial:
    """Return a trial whose score rises with both learning rates."""
    score = 0.9 + 0.05 * math.log10(product(assignment))
    return PastTrial(number=number, assignment=assignment, state="finished", score=score, rung=0, attributes={})


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_what_is_allowed_is_proposed(seed: int) -> None:
    sampler = make_sampler(make_sweep_spec({**DOCUMENT, "seed": seed}))
    history: list[PastTrial] = []
    for number in range(20):
        history.append(finished(number, sampler.propose(number, history=history).assignment))

    products = [product(one.assignment) for one in history]
    assert max(products) <= LARGEST_PRODUCT
    assert statistics.median(products[10:]) > LARGEST_PRODUCT / 3
