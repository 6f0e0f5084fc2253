"""Why a trial is set aside: told of the trial's own family, and never with the value that is refused."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.space.adoption import adopt
from spaces.space.binder import bind
from spaces.space.enumeration import draw
from spaces.space.reasons import Misfit, shown
from spaces.space.tree import Space
from spaces.sweep_spec import SweepSpec, make_space
from trainables.plan.starting_weights import with_absolute_folders

TWO = {"commonsense_qa": 0.5, "hellaswag": 0.5}
BASE: dict[str, Any] = {
    "name": "demo",
    "trials": 4,
    "trial": {
        "target": {"mixture": {"mnli": 1.0}, "steps": 10, "dropout": 0.0},
        "evaluation": {"languages": ["de", "en"]},
    },
    "families": {
        "none": {},
        "text": {
            "mixture": {"choice": ["commonsense_qa", "hellaswag"]},
            "steps": {"choice": [100, 200]},
            "learning_rate": 1e-3,
            "schedule": {
                "choice": {
                    "flat": {"kind": "constant", "warmup_steps": 5},
                    "falling": {"kind": "linear", "warmup_steps": {"choice": [7, 9]}},
                }
            },
        },
        "multitask": {
            "mixture": {"choice": {"even": TWO, "uneven": {"commonsense_qa": 0.75, "hellaswag": 0.25}}},
            "steps": {"choice": [100, 200]},
            "learning_rate": {"log": [1e-5, 1e-3]},
        },
    },
    "search": {
        "target.learning_rate": {"log": [1e-5, 1e-3]},
        "target.batch_size": {"int": [8, 16]},
        "target.pooling": {"choice": ["mean", "first"]},
        "target.weight_decay": {"float": [0.0, 0.5], "when": "target.pooling == 'mean'"},
    },
}
TEXT: dict[str, Any] = {
    "family": "text",
    "intermediate.text.mixture": "hellaswag",
    "intermediate.text.steps": 200,
    "intermediate.text.schedule": "falling",
    "intermediate.text.schedule.falling.warmup_steps": 9,
    "target.learning_rate": 1e-4,
    "target.batch_size": 13,
    "target.pooling": "mean",
    "target.weight_decay": 0.25,
}
MULTITASK: dict[str, Any] = {
    "family": "multitask",
    "intermediate.multitask.mixture": "uneven",
    "intermediate.multitask.steps": 200,
    "intermediate.multitask.learning_rate": 3e-4,
    "target.learning_rate": 1e-4,
    "target.batch_size": 13,
    "target.pooling": "first",
}
GONE = object()


def changed(*changes: tuple[str, Any]) -> Space:
    """Return the space with other values at places of its spec, `/` between the keys; GONE takes one out."""
    document = copy.deepcopy(BASE)
    for place, value in changes:
        *parents, last = place.split("/")
        inner = document
        for name in parents:
            inner = inner[name]
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return make_space(SweepSpec.model_validate(document))


STEPS = "families/text/steps"
CASES: dict[str, tuple[dict[str, Any], tuple[str, Any], str]] = {
    "a choice less": (
        TEXT,
        (STEPS, {"choice": [100, 300]}),
        "intermediate.steps is 200, and the space has one of 100, 300",
    ),
    "a choice fixed": (TEXT, (STEPS, 100), "intermediate.steps is 200, and the space has 100"),
    "a choice made a range": (
        TEXT,
        (STEPS, {"int": [50, 150]}),
        "intermediate.steps is 200, and the space has a whole number from 50 to 150",
    ),
    "steps made epochs": (
        TEXT,
        ("families/text", {"mixture": "hellaswag", "epochs": 2.0}),
        "intermediate.epochs is none, and the space has 2",
    ),
    "a task less": (
        TEXT,
        ("families/text/mixture", {"choice": ["commonsense_qa", "cosmos_qa"]}),
        "intermediate.mixture is hellaswag, and the space has one of commonsense_qa, cosmos_qa",
    ),
    "another fixed rate": (
        TEXT,
        ("families/text/learning_rate", 2e-3),
        "intermediate.learning_rate is 0.001, and the space has 0.002",
    ),
    "a nested choice less": (
        TEXT,
        ("families/text/schedule/choice/falling/warmup_steps", {"choice": [7]}),
        "intermediate.schedule.warmup_steps is 9, and the space has one of 5, 7",
    ),
    "a nested range": (
        TEXT,
        ("families/text/schedule/choice/falling/warmup_steps", {"int": [10, 20]}),
        "intermediate.schedule.warmup_steps is 9, and the space has one of 5 or a whole number from 10 to 20",
    ),
    "a value only with another": (
        TEXT,
        (
            "families/text/schedule/choice",
            {"a": {"kind": "linear", "warmup_steps": 3}, "b": {"kind": "constant", "warmup_steps": 9}},
        ),
        "intermediate.schedule.warmup_steps is 9, and the space has 3 with intermediate.schedule a",
    ),
    "a family less": (TEXT, ("families/text", GONE), "family is text, and the space has one of 'none', 'multitask'"),
    "a narrower range": (
        TEXT,
        ("search/target.batch_size", {"int": [14, 16]}),
        "target.batch_size is 13, and the space has a whole number from 14 to 16",
    ),
    "a narrower log range": (
        TEXT,
        ("search/target.learning_rate", {"log": [2e-4, 1e-3]}),
        "target.learning_rate is 0.0001, and the space has a number from 0.0002 to 0.001",
    ),
    "a range that ends just above": (
        TEXT,
        ("search/target.learning_rate", {"log": [1.00000001e-4, 1e-3]}),
        "target.learning_rate is 0.0001, and the space has a number from 0.000100000001 to 0.001",
    ),
    "a word less": (
        TEXT,
        ("search/target.pooling", {"choice": ["first"]}),
        "target.pooling is mean, and the space has one of 'first'",
    ),
    "another condition": (
        TEXT,
        ("search/target.weight_decay/when", "target.pooling == 'first'"),
        "target.weight_decay is 0.25, and the space has 0, searched only where \"target.pooling == 'first'\"",
    ),
    "another constraint": (
        TEXT,
        ("constraints", ["target.batch_size * 2 <= 24"]),
        "target.batch_size is 13, and the space has the constraint 'target.batch_size * 2 <= 24'",
    ),
    "other weights of an arm": (
        MULTITASK,
        ("families/multitask/mixture/choice/uneven", {"commonsense_qa": 0.9, "hellaswag": 0.1}),
        (
            "intermediate.mixture is commonsense_qa 0.75 + hellaswag 0.25, and the space has one of commonsense_qa 0.5 "
            "+ hellaswag 0.5, commonsense_qa 0.9 + hellaswag 0.1"
        ),
    ),
    "weights of other tasks": (
        MULTITASK,
        ("families/multitask/mixture", {"simplex": ["commonsense_qa", "cosmos_qa"]}),
        (
            "intermediate.mixture is commonsense_qa 0.75 + hellaswag 0.25, and the space has a weight above 0 for each "
            "of commonsense_qa, cosmos_qa, summing to 1"
        ),
    ),
    "of another family": (
        MULTITASK,
        ("families/multitask/steps", {"choice": [100, 300]}),
        "intermediate.steps is 200, and the space has one of 100, 300",
    ),
}


@pytest.mark.parametrize(("assignment", "change", "says"), CASES.values(), ids=CASES)
def test_a_reason_names_what_the_trials_own_family_has(
    assignment: dict[str, Any], change: tuple[str, Any], says: str
) -> None:
    config = with_absolute_folders(bind(changed(), assignment))

    assert str(adopt(changed(change), config, known=assignment)) == says


@pytest.mark.parametrize("change", [("priors", {"arms": {"family": {"text": 0.5}}}), ("trials", 9), ("seed", 3)])
def test_what_decides_no_trial_sets_none_aside(change: tuple[str, Any]) -> None:
    config = with_absolute_folders(bind(changed(), TEXT))

    assert adopt(changed(change), config, known=TEXT) == TEXT


def test_a_very_long_choice_is_not_listed_whole() -> None:
    config = with_absolute_folders(bind(changed(), TEXT))

    reason = str(adopt(changed((STEPS, {"choice": list(range(1000, 3000))})), config, known=TEXT))

    assert reason.endswith("1019 and 1,980 more")


NUMBERS = st.sampled_from([100, 150, 200, 300])
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "families/text/steps": st.one_of(
        NUMBERS,
        st.lists(NUMBERS, min_size=1, max_size=3, unique=True).map(lambda values: {"choice": values}),
        st.sampled_from([[50, 150], [150, 250], [250, 400]]).map(lambda ends: {"int": ends}),
    ),
    "families/text/mixture": st.lists(
        st.sampled_from(["commonsense_qa", "hellaswag", "cosmos_qa"]), min_size=1, max_size=3, unique=True
    ).map(lambda names: {"choice": names}),
    "families/text/schedule/choice/falling/warmup_steps": st.sampled_from([7, 9, {"choice": [7, 9]}, {"int": [8, 12]}]),
    "families/text/schedule/choice/flat/warmup_steps": st.sampled_from([5, 7, 9]),
    "families/text/learning_rate": st.sampled_from([1e-3, 2e-3, {"log": [1e-5, 1e-3]}]),
    "families/multitask/mixture": st.sampled_from(
        [{"simplex": [*TWO]}, TWO, {"choice": {"even": TWO, "other": {"commonsense_qa": 0.9, "hellaswag": 0.1}}}]
    ),
    "families/multitask/learning_rate": st.sampled_from([1e-4, {"log": [1e-5, 1e-4]}, {"log": [1e-4, 1e-2]}]),
    "search/target.batch_size": st.sampled_from([{"int": [8, 16]}, {"int": [10, 12]}, {"choice": [8, 10, 16]}]),
    "search/target.pooling": st.sampled_from([{"choice": ["mean"]}, {"choice": ["first", "mean"]}]),
    "search/target.weight_decay/when": st.sampled_from(["target.pooling == 'mean'", "target.batch_size > 10"]),
}
SPACES = st.fixed_dictionaries({}, optional=PARTS).map(lambda parts: changed(*parts.items()))


def at(values: Any, field: str) -> Any:
    """Return what a configuration has in a field."""
    for name in field.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


@settings(max_examples=100, deadline=None)
@given(SPACES, SPACES, st.integers(0, 2**32))
def test_the_values_that_a_reason_lists_are_never_the_one_that_it_refuses(old: Space, new: Space, seed: int) -> None:
    generator = random.Random(seed)
    assignment = draw(old, generator=generator)
    config = with_absolute_folders(bind(old, assignment))

    found = adopt(new, config, known=assignment)

    if not isinstance(found, Misfit):
        return
    value = at(config.model_dump(mode="json"), found.field)
    assert found.value == value
    told = {text for part in found.rule.removeprefix("one of ").split(" or ") for text in part.split(", ")}
    assert not told & {shown(value), repr(value)}
    if " with " in found.rule or "searched only" in found.rule or "constraint" in found.rule:
        return
    for _ in range(20):
        other = draw(new, generator=generator)
        if other["family"] == assignment["family"]:
            assert at(bind(new, other).model_dump(mode="json"), found.field) != value
