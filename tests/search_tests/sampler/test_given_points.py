"""Trials that are repeated with fresh seeds: each repetition gets another one that the space allows."""

from __future__ import annotations

from typing import Any

import pytest

from search.sampler import PastTrial, make_sampler
from spaces.sweep_spec import make_sweep_spec

POINTS = [{"name": str(value), "assignment": {"family": "none", "target.dropout": value}} for value in (0.0, 0.1)]


def seeds(space: dict[str, Any], *, trials: int) -> list[object]:
    """Return the seeds of a sweep over two points."""
    document: dict[str, Any] = {
        "name": "given",
        "trials": trials,
        "sampler": {"name": "given", "points": POINTS},
        "trial": {
            "encoder": {"name": "miniature"},
            "target": {"mixture": "miniature_nli", "steps": 5},
            "evaluation": {"task": "miniature_nli"},
        },
        "families": {"none": {}},
        "search": {"target.dropout": {"choice": [0.0, 0.1]}, "target.seed": space},
    }
    sampler = make_sampler(make_sweep_spec(document))
    return [sampler.propose(number, history=[]).assignment["target.seed"] for number in range(trials)]


@pytest.mark.parametrize("space", [{"int": [7, 9]}, {"choice": [7, 8, 9]}], ids=["range", "list"])
def test_few_seeds_are_taken_in_turn(space: dict[str, Any]) -> None:
    assert seeds(space, trials=8) == [7, 7, 8, 8, 9, 9, 7, 7]


def test_all_seeds_are_drawn_from() -> None:
    found = seeds({"int": [0, 2**31 - 1]}, trials=8)

    assert len(set(found)) == 8
    assert max(int(str(seed)) for seed in found) > 1000


def test_each_family_goes_through_few_seeds_until_it_has_a_verdict() -> None:
    document: dict[str, Any] = {
        "name": "decided",
        "trials": 40,
        "stop": {"decided": "families"},
        "rungs": {"num": 1},
        "trial": {
            "encoder": {"name": "miniature"},
            "target": {"mixture": "miniature_nli", "steps": 5},
            "evaluation": {"task": "miniature_nli"},
        },
        "families": {"none": {}, "text": {"mixture": "miniature_qa", "steps": 5, "seed": {"int": [0, 2]}}},
        "search": {"target.seed": {"int": [0, 2]}},
    }
    sampler = make_sampler(make_sweep_spec(document))
    history: list[PastTrial] = []
    for number in range(6):
        found = sampler.propose(number, history=history).assignment
        history.append(PastTrial(number=number, assignment=found, state="finished", score=0.5, rung=0, attributes={}))

    for family in ("none", "text"):
        found = [one.assignment["target.seed"] for one in history if one.assignment["family"] == family]
        assert sorted(map(str, found)) == ["0", "1", "2"]
