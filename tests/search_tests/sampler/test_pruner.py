"""Pruners: decisions are a pure function of what trials scored at their rungs."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.pruner import Pruner, make_pruner
from search.pruner.hyperband import HyperbandPruner
from search.record import Curve
from spaces.sweep_spec import make_sweep_spec
from trainables.errors import ConfigError

NAMES = ["successive_halving", "hyperband", "median", "patient", "wilcoxon"]
LANGUAGES = ["en", "de", "fr", "es", "sw", "ur"]


def document(**pruner: object) -> dict[str, Any]:
    return {
        "name": "pruned",
        "trials": 8,
        "rungs": {"num": 3, "eta": 2, "grow": ["target"]},
        "pruner": pruner,
        "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 16}, "evaluation": {"task": "miniature_nli"}},
        "families": {"none": {}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }


def pruner(**config: object) -> Pruner:
    made = make_pruner(make_sweep_spec(document(**config)))
    assert made is not None
    return made


def curve(number: int, *scores: float, spread: float = 0.0) -> Curve:
    """Return a curve from rung 0 on; its languages differ from the score by up to `spread`."""
    shifts = {language: spread * (index - 2.5) for index, language in enumerate(LANGUAGES)}
    languages = {rung: {name: score + shift for name, shift in shifts.items()} for rung, score in enumerate(scores)}
    return Curve(number=number, scores=dict(enumerate(scores)), is_finished=len(scores) == 3, languages=languages)


@pytest.mark.parametrize("name", NAMES)
@given(rows=st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=3), min_size=2, max_size=12), seed=st.integers())
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_others_does_not_matter(name: str, rows: list[list[float]], seed: int) -> None:
    # What is decided about has not been measured at the last rung.
    curves = [curve(number, *scores[: None if number else 2]) for number, scores in enumerate(rows)]
    shuffled = random.Random(seed).sample(curves[1:], len(curves) - 1)

    assert pruner(name=name).is_pruned(curves[0], others=curves[1:]) == pruner(name=name).is_pruned(
        curves[0], others=shuffled
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_best_of_a_rung_climbs(name: str) -> None:
    others = [curve(number, 0.1 * number, 0.1 * number, 0.1 * number) for number in range(8)]

    assert not pruner(name=name).is_pruned(curve(8, 0.9), others=others)


def test_a_patient_pruner_ends_only_trials_whose_score_fell() -> None:
    others = [curve(number, 0.8, 0.8 + number / 100, 0.9) for number in range(8)]

    assert pruner(name="successive_halving").is_pruned(curve(8, 0.3, 0.5), others=others)
    assert not pruner(name="patient").is_pruned(curve(8, 0.3, 0.5), others=others)
    assert pruner(name="patient").is_pruned(curve(8, 0.5, 0.3), others=others)
    assert not pruner(name="patient", patience=2).is_pruned(curve(8, 0.5, 0.3), others=others)


def test_wilcoxon_ends_what_is_worse_in_every_language_and_not_what_is_worse_in_some() -> None:
    even = [curve(0, 0.6)]

    assert pruner(name="wilcoxon").is_pruned(curve(1, 0.5), others=even)
    assert not pruner(name="wilcoxon").is_pruned(curve(1, 0.59, spread=0.05), others=even)
    assert not pruner(name="wilcoxon", p_threshold=0.01).is_pruned(curve(1, 0.5), others=even)


def with_items(number: int, *, items: list[float]) -> Curve:
    """Return a curve of rung 0 whose languages say that it is the best there, whatever its items say."""
    score = sum(items) / len(items)
    languages = {0: dict.fromkeys(LANGUAGES, 0.5 + number / 10)}
    return Curve(number=number, scores={0: score}, languages=languages, items={0: tuple(items)})


def test_wilcoxon_pairs_items_where_they_are_known() -> None:
    right = [1.0] * 60
    fewer, hardly = [*right[:40], *[0.0] * 20], [*right[:59], 0.0]

    assert pruner(name="wilcoxon").is_pruned(with_items(1, items=fewer), others=[with_items(0, items=right)])
    assert not pruner(name="wilcoxon").is_pruned(with_items(1, items=hardly), others=[with_items(0, items=right)])


def test_wilcoxon_takes_languages_where_one_of_the_two_has_other_items() -> None:
    best = with_items(0, items=[1.0] * 60)
    shorter = with_items(1, items=[0.0] * 59)
    assert not pruner(name="wilcoxon").is_pruned(shorter, others=[best])
    assert pruner(name="wilcoxon").is_pruned(with_items(1, items=[0.0] * 60), others=[best])


def test_wilcoxon_decides_nothing_without_pairs() -> None:
    bare = Curve(number=0, scores={0: 0.9})

    assert not pruner(name="wilcoxon").is_pruned(curve(1, 0.1), others=[bare])


def test_a_trial_of_a_late_bracket_is_not_pruned_early() -> None:
    hyperband = HyperbandPruner(eta=2, last_rung=2)
    others = [curve(number, 0.9, 0.9, 0.9) for number in range(100)]
    late = [number for number in range(100, 200) if hyperband.bracket(number) > 0]
    early = [number for number in range(100, 200) if hyperband.bracket(number) == 0]

    assert late
    assert len(early) > 30
    assert not any(hyperband.is_pruned(curve(number, 0.1), others=others) for number in late)
    assert all(hyperband.is_pruned(curve(number, 0.1), others=others) for number in early)
    assert all(
        hyperband.is_pruned(curve(number, 0.1, 0.1), others=others) == (hyperband.bracket(number) < 2)
        for number in late
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "median", "patience": 2}, "patience has no effect on pruner 'median'"),
        ({"name": "patient", "p_threshold": 0.2}, "p_threshold has no effect"),
        ({"name": "hyperbnd"}, "did you mean 'hyperband'"),
    ],
)
def test_a_setting_of_another_pruner_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_sweep_spec(document(**config))


def test_pairs_of_languages_need_the_average() -> None:
    with pytest.raises(ConfigError, match="objective: average"):
        make_sweep_spec({**document(name="wilcoxon"), "objective": "worst"})
