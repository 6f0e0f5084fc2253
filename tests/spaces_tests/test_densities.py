"""Prior densities over single parameters: what they say of values, their draws, and what is refused."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from search.sampler.density_first_trials import densities_of
from spaces.space.densities import Density
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.errors import ConfigError

RATE, STEPS, LISTED = "target.learning_rate", "intermediate.text.steps", "target.batch_size"
DOCUMENT: dict[str, Any] = {
    "name": "dense",
    "trials": 4,
    "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 10}, "evaluation": {"task": "miniature_nli"}},
    "families": {
        "none": {},
        "text": {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}, "steps": {"int": [10, 60]}},
        "multitask": {"mixture": {"simplex": ["miniature_qa", "miniature_choice"]}, "steps": 10},
    },
    "search": {
        RATE: {"log": [1e-5, 1e-2]},
        LISTED: {"choice": [32, 8, 16, 64]},
        "target.freeze_embeddings": {"choice": [False, True]},
    },
}
CENTRES = {RATE: 1e-4, STEPS: 20, LISTED: 16}


def documented(densities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**DOCUMENT, **fields, "priors": {"densities": densities}}


def density(path: str, *, confidence: float = 0.8) -> Density:
    spec = make_sweep_spec(documented({path: {"centre": CENTRES[path], "confidence": confidence}}))
    return densities_of(make_space(spec), spec.priors.densities)[path]


def test_a_density_integrates_to_one_and_is_highest_at_its_centre() -> None:
    found = density(RATE)
    values = [10 ** (-5 + 3 * (place + 0.5) / 10_000) for place in range(10_000)]

    assert sum(found.of(value) for value in values) / len(values) == pytest.approx(1.0, rel=1e-6)
    assert found.value == 1e-4
    assert found.log_share(1e-4) == 0.0
    assert max(found.log_share(value) for value in values) <= 0.0


def test_a_tenth_of_the_range_is_one_standard_deviation_on_its_log_scale() -> None:
    found = density(RATE)
    uniform = 1 - 0.8

    ratio = (found.of(1e-4 * 10**0.3) - uniform) / (found.of(1e-4) - uniform)

    assert ratio == pytest.approx(math.exp(-0.5))
    assert found.of(1e-2) == pytest.approx(uniform, rel=1e-6)


@pytest.mark.parametrize("path", [RATE, STEPS, LISTED])
def test_draws_are_near_the_centre_as_often_as_the_confidence_says(path: str) -> None:
    found, generator = density(path, confidence=0.6), random.Random(0)  # noqa: S311  draws for a test

    drawn = [found.draw(generator=generator) for _ in range(4000)]

    assert all(found.parameter.admits(value) for value in drawn)
    near = sum(abs(found.place(value) - found.place(found.value)) <= 0.2 for value in drawn) / len(drawn)
    far_share = {RATE: 0.4, STEPS: 19 / 51, LISTED: 0.25}[path]
    assert near == pytest.approx(0.6 + 0.4 * far_share, abs=0.04)


def test_values_of_a_choice_have_equal_distances_in_their_order() -> None:
    found = density(LISTED)

    assert [found.place(value) for value in (8, 16, 32, 64)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert sum(found.of(value) for value in (8, 16, 32, 64)) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("path", "centre", "field", "words"),
    [
        (RATE, 0.5, f"{RATE}.centre", "a number from 1e-05 to 0.01"),
        (STEPS, 20.5, f"{STEPS}.centre", "a whole number from 10 to 60"),
        (LISTED, 24, f"{LISTED}.centre", "one of 32, 8, 16, 64"),
        ("target.freeze_embeddings", 1, "target.freeze_embeddings", "priors.arms.target.freeze_embeddings"),
        ("intermediate.text.mixture", 1, "intermediate.text.mixture", "priors.arms.intermediate.text.mixture"),
        ("intermediate.multitask.mixture", 1, "intermediate.multitask.mixture", "list mixtures as a choice"),
        ("families.text.steps", 20, "families.text.steps", "did you mean 'intermediate.text.steps'"),
        ("intermediate.steps", 20, "intermediate.steps", "did you mean 'intermediate.text.steps'"),
        ("target.warmup", 1, "target.warmup", "those over numbers are"),
    ],
)
def test_a_density_that_does_not_fit_the_space_is_refused(path: str, centre: float, field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_sweep_spec(documented({path: {"centre": centre, "confidence": 0.5}}))

    assert caught.value.field == f"priors.densities.{field}"
    assert words in str(caught.value)


def test_a_sampler_with_fixed_points_refuses_densities() -> None:
    with pytest.raises(ConfigError, match="sampler 'qmc' ignores it"):
        make_sweep_spec(documented({RATE: {"centre": 1e-4, "confidence": 0.5}}, sampler={"name": "qmc"}))


def test_a_spec_without_densities_is_written_as_before_there_were_any() -> None:
    spec = make_sweep_spec(DOCUMENT)

    assert spec.model_dump(mode="json")["priors"] == {"arms": {}, "earlier": None}


def test_a_spec_with_densities_is_read_again_as_it_was_written() -> None:
    spec = make_sweep_spec(
        documented({path: {"centre": centre, "confidence": 0.5} for path, centre in CENTRES.items()})
    )

    assert make_sweep_spec(spec.model_dump(mode="json")) == spec
