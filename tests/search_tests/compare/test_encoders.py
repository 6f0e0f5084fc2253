"""Encoders as groups, and whether a family's effect is the same with each of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formulas

from search.cli.main import exit_code
from search.compare import Comparison
from search.compare.comparison import Question, compare
from search.compare.items import contrast_variance, item_variance
from search.record import Record, open_record
from tests.search_tests.building import proposal
from trainables.config import EncoderConfig, PhaseConfig
from trainables.results import Family, StageRun, TrialResult

NOISE = np.random.default_rng(3).normal(0, 0.003, (6, 6))
NOISE -= NOISE.mean(axis=1, keepdims=True)
EFFECTS = {"owner/first": 0.02, "owner/second": 0.02, "owner/third": -0.02}
"""Encoder -> effect of family `text`."""


def add(record: Record, family: Family, *, encoder: str, seed: int, average: float) -> None:
    """Put a finished trial of an encoder into the sweep."""
    proposed = proposal(family, task="hellaswag")
    phase = None if family == "none" else PhaseConfig(mixture={"hellaswag": 1.0}, steps=10, seed=seed)
    target = proposed.config.target.model_copy(update={"seed": seed})
    config = proposed.config.model_copy(
        update={"intermediate": phase, "target": target, "encoder": EncoderConfig(name=encoder)}
    )
    number = record.propose("sweep", proposal=proposed.model_copy(update={"config": config})).number
    stages = tuple(
        StageRun(phase=phase, key=f"{family} {encoder} {seed} {phase}".ljust(64, "0"), steps=0, seconds=1, reused=False)
        for phase in ("intermediate", "target", "evaluation")
        if phase != "intermediate" or family != "none"
    )
    record.start("sweep", number=number)
    scores = {"de": average, "en": average}
    result = TrialResult(languages=scores, num_items=10**9, task_scores={}, stages=stages)
    record.finish("sweep", number=number, result=result)


def filled(where: Path, *, num_seeds: int = 6) -> Path:
    with open_record(where) as record:
        record.put_sweep("sweep", spec={"sampler": {"name": "random"}}, objective="average", planned_trials=1)
        for number, (encoder, effect) in enumerate(EFFECTS.items()):
            for seed in range(num_seeds):
                base = 0.5 + 0.1 * number
                add(record, "none", encoder=encoder, seed=seed, average=base + NOISE[2 * number, seed])
                add(record, "text", encoder=encoder, seed=seed, average=base + effect + NOISE[2 * number + 1, seed])
    return where


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("record") / "record.db")


@pytest.fixture
def found(where: Path) -> Comparison:
    with open_record(where, read_only=True) as record:
        return compare(record, Question(sweep="sweep", by="encoder", margin=1.0))


def test_encoders_are_groups_and_the_first_is_the_baseline(found: Comparison) -> None:
    assert found.protocol.baseline == "owner/first"
    assert {group.group: group.verdict for group in found.groups} == {
        "owner/first": "baseline",
        "owner/second": "better",
        "owner/third": "better",
    }


def test_an_effect_that_holds_and_one_that_turns_have_a_verdict(found: Comparison) -> None:
    second, third = found.interactions

    assert (second.family, second.encoder, second.verdict) == ("text", "owner/second", "same")
    assert (third.family, third.encoder, third.verdict) == ("text", "owner/third", "smaller")
    assert third.difference == pytest.approx(-4.0)
    assert (third.effect, third.baseline_effect) == (pytest.approx(-2.0), pytest.approx(2.0))
    assert third.low is not None
    assert third.high is not None
    assert third.low < third.difference < third.high < 0


def test_a_linear_model_of_another_library_finds_the_same_difference(where: Path, found: Comparison) -> None:
    with open_record(where, read_only=True) as record:
        rows = [
            {"score": 100 * (trial.score or 0), "text": trial.family == "text", "encoder": name}
            for trial in record.trials("sweep")
            if (name := trial.trial_config.encoder.name) != "owner/second"
        ]

    # HC2 of balanced groups is Welch: each group has its own variance.
    fit = formulas.ols("score ~ text * encoder", pd.DataFrame(rows)).fit(cov_type="HC2")

    term = "text[T.True]:encoder[T.owner/third]"
    third = found.interactions[1]
    assert third.difference == pytest.approx(fit.params[term], abs=1e-9)
    assert third.seed_error == pytest.approx(fit.bse[term], rel=1e-6)


def test_items_that_all_four_groups_share_cancel() -> None:
    random = np.random.default_rng(0)
    hard_N = random.normal(0, 30, 400)
    groups = [hard_N + random.normal(0, 1, (4, 400)) for _ in range(4)]

    assert contrast_variance([groups[0], groups[3]], [groups[1], groups[2]]) < 0.1
    assert item_variance(groups[0], groups[1]) == contrast_variance([groups[0]], [groups[1]])


def test_few_seeds_have_no_verdict_and_say_what_to_add(tmp_path: Path) -> None:
    with open_record(filled(tmp_path / "record.db", num_seeds=2), read_only=True) as record:
        found = compare(record, Question(sweep="sweep", by="encoder"))

    assert {one.verdict for one in found.interactions} == {"undecided"}
    assert "2 seeds, and a verdict needs at least 3; add trials" in found.interactions[0].reason


def test_the_command_prints_whether_each_effect_holds(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", "sweep", "--by", "encoder", "--record", str(where), "--margin", "1"]) == 0
    printed = capsys.readouterr().out
    assert exit_code(["compare", "sweep", "--by", "encoder", "--record", str(where), "--json"]) == 0

    assert "Does a family's effect hold? Its difference from the effect with owner/first" in printed
    assert "smaller" in printed
    assert len(json.loads(capsys.readouterr().out)["interactions"]) == 2
