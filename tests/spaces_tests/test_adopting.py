"""A trial is of a space when an assignment of the space binds to its configuration; the assignment is found."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.space.adoption import Misfit, adopt
from spaces.space.binder import bind
from spaces.space.enumeration import draw
from spaces.space.tree import Space
from spaces.space.walk import contains
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.config import EngineConfig, TrialConfig
from trainables.plan.starting_weights import with_absolute_folders

DOCUMENT: dict[str, Any] = {
    "name": "demo",
    "trials": 4,
    "trial": {
        "target": {"mixture": {"mnli": 1.0}, "steps": 10, "dropout": 0.0},
        "evaluation": {"languages": ["de", "en"]},
    },
    "families": {
        "none": {},
        "text": {"mixture": {"choice": ["commonsense_qa", "hellaswag"]}, "steps": {"choice": [10, 20]}},
        "multitask": {
            "mixture": {"simplex": ["commonsense_qa", "hellaswag"]},
            "steps": {"int": [10, 40]},
            "learning_rate": {"log": [1e-5, 1e-3]},
        },
    },
    "search": {
        "target.learning_rate": {"log": [1e-5, 1e-3]},
        "target.batch_size": {"choice": [8, 16]},
    },
}

CHANGES: dict[str, dict[str, Any]] = {
    "unchanged": {},
    "a narrower range": {"search.target.learning_rate": {"log": [1e-4, 1e-3]}},
    "a wider range": {"search.target.learning_rate": {"log": [1e-6, 1e-2]}},
    "a choice less": {"search.target.batch_size": {"choice": [8]}},
    "a choice more": {"search.target.batch_size": {"choice": [8, 16, 32]}},
    "a fixed value searched": {"search.target.steps": {"int": [5, 15]}, "trial.target.steps": None},
    "another fixed value": {"trial.target.dropout": 0.1},
    "a family less": {"families.text": None},
    "weights given": {"families.multitask.mixture": {"commonsense_qa": 0.5, "hellaswag": 0.5}},
    "another engine": {"trial.engine": {"num_workers": 2, "tokens_per_micro_batch": 512}},
    "another precision": {"trial.engine": {"precision": "bfloat16"}},
}


def changed(changes: dict[str, Any]) -> Space:
    """Return the space of the document with some of its fields changed; None takes one out."""
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes.items():
        part, _, rest = path.partition(".")
        names = [rest] if part == "search" else rest.split(".")
        inner = document[part]
        for name in names[:-1]:
            inner = inner[name]
        if value is None:
            del inner[names[-1]]
        else:
            inner[names[-1]] = value
    return make_space(make_sweep_spec(document))


SPACES = {name: changed(changes) for name, changes in CHANGES.items()}


def essence(config: TrialConfig) -> TrialConfig:
    engine = EngineConfig(precision=config.engine.precision, stored_weights=config.engine.stored_weights)
    return config.model_copy(update={"engine": engine})


@given(st.integers(0, 2**32), st.sampled_from(sorted(SPACES)), st.sampled_from(sorted(SPACES)), st.booleans())
def test_what_is_adopted_binds_to_the_same_trial_and_the_rest_is_named(
    seed: int,
    old: str,
    new: str,
    is_known: bool,  # noqa: FBT001  hypothesis draws it
) -> None:
    assignment = draw(SPACES[old], generator=random.Random(seed))
    config = with_absolute_folders(bind(SPACES[old], assignment))

    found = adopt(SPACES[new], config, known=assignment if is_known else {})

    if isinstance(found, Misfit):
        assert old != new
        assert found.field
    else:
        assert contains(SPACES[new], found)
        assert essence(with_absolute_folders(bind(SPACES[new], found))) == essence(config)
    if old == new and is_known:
        assert found == assignment


def first(family: str, **values: Any) -> tuple[TrialConfig, dict[str, Any]]:
    """Return a trial of the unchanged space, with its assignment."""
    assignment = {"family": family, "target.learning_rate": 1e-4, "target.batch_size": 16, **values}
    return with_absolute_folders(bind(SPACES["unchanged"], assignment)), assignment


TEXT = {"intermediate.text.mixture": "hellaswag", "intermediate.text.steps": 20}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("a choice less", "target.batch_size is 16, and the space has one of 8"),
        ("another fixed value", "target.dropout is 0, and the space has 0.1"),
        ("a family less", "family is text, and the space has one of 'none', 'multitask'"),
        ("another precision", "engine.precision is float32, and the space has bfloat16"),
    ],
)
def test_a_misfit_names_the_field_its_value_and_what_the_space_has(change: str, says: str) -> None:
    config, assignment = first("text", **TEXT)

    assert str(adopt(SPACES[change], config, known=assignment)) == says


@pytest.mark.parametrize(
    ("change", "also"),
    [
        ("a wider range", {}),
        ("a choice more", {}),
        ("another engine", {}),
        ("weights given", {}),
        ("a fixed value searched", {"target.steps": 10}),
    ],
)
def test_a_trial_that_the_changed_space_has_keeps_its_assignment(change: str, also: dict[str, Any]) -> None:
    config, assignment = first("text", **TEXT)

    assert adopt(SPACES[change], config, known=assignment) == assignment | also


def test_a_choice_is_found_from_what_the_trial_has() -> None:
    config, assignment = first("text", **TEXT)

    assert adopt(SPACES["unchanged"], config, known={}) == assignment
