"""The fit of the stage model: its slopes are those of its loss, and it finds what explains scores best."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from search.sampler.stage_aware.hyperparameters import fitted
from search.sampler.stage_aware.model import Points, StageModel
from search.sampler.stage_aware.variances import CENTRE, Variances


@pytest.mark.parametrize(("has_trend", "has_priors"), [(False, False), (True, False), (False, True), (True, True)])
def test_slopes_are_those_of_the_loss(*, has_trend: bool, has_priors: bool) -> None:
    chance, num = np.random.default_rng(1), 30
    points = Points(
        numbers_NZ=chance.random((num, 3)),
        choices_NA=chance.integers(0, 3, (num, 2)).astype(float),
        target_numbers_NW=chance.random((num, 2)),
        target_choices_NB=chance.integers(0, 2, (num, 1)).astype(float),
        mixtures_NV=chance.standard_normal((num, 5)) if has_trend else None,
    )
    model = StageModel(
        points,
        rungs_N=chance.integers(0, 2, num),
        scores_N=chance.random(num) + points.numbers_NZ[:, 0],
        last_rung=1,
        expected_N=chance.standard_normal(num) if has_priors else None,
    )
    at = replace(CENTRE, trend=0.1 if has_trend else 0.0)
    _, slopes = model._loss(at)
    step = 1e-5
    for name in (field.name for field in fields(Variances) if has_trend or field.name != "trend"):
        beside = [replace(at, **{name: getattr(at, name) * math.exp(sign * step)}) for sign in (1, -1)]
        above, below = (model._loss(one)[0] for one in beside)
        assert slopes[name] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-4), name


def loss_at(found: Variances) -> tuple[float, dict[str, float]]:
    """Return a loss that is least where `target` is 0.2, and its slopes."""
    off = math.log(found.target / 0.2)
    slopes = dict.fromkeys((field.name for field in fields(Variances)), 0.0)
    return 500 * off**2, slopes | {"target": 1000 * off}


def test_many_scores_have_one_answer_and_few_have_several_around_it() -> None:
    (one,) = fitted(loss_at, has_trend=False, num_scores=121)
    several = fitted(loss_at, has_trend=False, num_scores=120)

    assert one.target == pytest.approx(0.2, rel=0.01)
    assert one.before == pytest.approx(CENTRE.before)
    assert np.mean([math.log(each.target) for each in several]) == pytest.approx(math.log(one.target), abs=1e-6)
    assert (
        np.std([math.log(each.target) for each in several]) < 0.1 < np.std([math.log(each.before) for each in several])
    )
    assert several == fitted(loss_at, has_trend=False, num_scores=120)
