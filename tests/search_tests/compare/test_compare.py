from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formulas
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from search.cli.main import exit_code
from search.compare import Comparison
from search.compare.comparison import Question, compare
from search.compare.effects import estimate, holm, more_seeds
from search.compare.items import bootstrap_variance, item_variance
from search.compare.protocols import selection_protocols
from search.compare.sequential import look_alpha
from search.errors import InputError
from search.record import Record, open_record
from tests.search_tests.building import proposal
from trainables.config import PhaseConfig
from trainables.results import Family, StageRun, TrialResult

LANGUAGES = ("de", "en")
NOISE = np.random.default_rng(0).normal(0, 0.004, (4, 6, 3))
NOISE -= NOISE.mean(axis=(1, 2), keepdims=True)  # arms differ by what they are given, and by no luck


def add(record: Record, family: Family, *, seeds: tuple[int, int], average: float, task: str = "hellaswag") -> None:
    """Put a finished trial into the sweep: its intermediate checkpoint is that of (task, intermediate seed)."""
    intermediate, target = seeds
    proposed = proposal(family, task=task)
    phase = None if family == "none" else PhaseConfig(mixture={task: 1.0}, steps=10, seed=intermediate)
    config = proposed.config.model_copy(
        update={"intermediate": phase, "target": proposed.config.target.model_copy(update={"seed": target})}
    )
    number = record.propose("sweep", proposal=proposed.model_copy(update={"config": config})).number
    keys = {
        "intermediate": f"{family} {task} {intermediate}",
        "target": f"{family} {task} {seeds}",
        "evaluation": f"{family} {task} {seeds} scored",
    }
    stages = tuple(
        StageRun(phase=phase, key=key.ljust(64, "0"), steps=0, seconds=1.0, reused=False)
        for phase, key in keys.items()
        if phase != "intermediate" or family != "none"
    )
    scores = {"de": average - 0.05, "en": average + 0.05, "sw": average}
    record.start("sweep", number=number)
    record.finish(
        "sweep",
        number=number,
        result=TrialResult(languages=scores, num_items=100, task_scores={}, stages=stages),
    )


def filled(where: Path, *, num_seeds: int = 6) -> Path:
    """Write a record: a baseline, a family that is 2 points better, one that is not, and a control of the former."""
    arms: tuple[tuple[Family, str, float], ...] = (
        ("none", "", 0.50),
        ("multimodal", "nlvr2", 0.52),
        ("text", "hellaswag", 0.50),
        ("control", "nlvr2@shuffled", 0.50),
    )
    with open_record(where) as record:
        record.put_sweep("sweep", spec={"sampler": {"name": "random"}}, objective="average", planned_trials=1)
        for arm, (family, task, mean) in enumerate(arms):
            for intermediate in range(num_seeds):
                for target in range(3):
                    score = mean + NOISE[arm, intermediate].mean() + 0.3 * NOISE[arm, intermediate, target]
                    seed = (intermediate, 10 * intermediate + target)
                    add(record, family, seeds=seed, average=score, task=task or "hellaswag")
    return where


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("record") / "record.db")


@pytest.fixture
def found(where: Path) -> Comparison:
    with open_record(where, read_only=True) as record:
        return compare(record, Question(sweep="sweep"))


def test_each_family_has_a_verdict_and_a_control_stands_below_its_arm(found: Comparison) -> None:
    assert [group.group for group in found.groups] == ["none", "multimodal", "control nlvr2@shuffled", "text"]
    assert found.groups[1].verdict == "better"
    assert found.groups[2].control_of == "multimodal"
    assert found.groups[3].verdict in {"equivalent", "undecided"}


def test_a_mixed_model_of_another_library_finds_the_same_effect(where: Path, found: Comparison) -> None:
    with open_record(where, read_only=True) as record:
        rows = [
            {"family": trial.family, "score": 100 * (trial.score or 0), "checkpoint": run}
            for trial in record.trials("sweep")
            if trial.family in {"text", "none"}
            for run in [
                next(
                    stage.key
                    for stage in record.stages("sweep", number=trial.number)
                    if stage.phase == ("target" if trial.family == "none" else "intermediate")
                )
            ]
        ]
    arm = next(group for group in found.groups if group.group == "text")
    text = [row for row in rows if row["family"] == "text"]
    fit = formulas.mixedlm("score ~ 1", pd.DataFrame(text), groups=[row["checkpoint"] for row in text]).fit()
    baseline = DescrStatsW([row["score"] for row in rows if row["family"] == "none"])

    assert arm.effect == pytest.approx(fit.params["Intercept"] - baseline.mean, abs=1e-6)
    assert arm.seed_error == pytest.approx(np.hypot(fit.bse["Intercept"], baseline.std_mean), rel=1e-3)


@pytest.mark.parametrize("num_seeds", [(6, 6), (7, 5), (20, 4)])
def test_intervals_and_equivalence_are_those_of_another_library(num_seeds: tuple[int, int]) -> None:
    """Of unequal groups where the smaller one spreads more: Welch's freedom is then no luck of few seeds."""
    rng = np.random.default_rng(1)
    arm, base = rng.normal(1, 1, num_seeds[0]), rng.normal(0, 4, num_seeds[1])
    effect = estimate(arm, base)

    other = CompareMeans(DescrStatsW(arm), DescrStatsW(base))
    assert effect.interval(alpha=0.05) == pytest.approx(other.tconfint_diff(usevar="unequal"))
    assert effect.p() == pytest.approx(stats.ttest_ind(arm, base, equal_var=False).pvalue)
    assert effect.equivalence_p(margin=1.5) == pytest.approx(ttost_ind(arm, base, -1.5, 1.5, usevar="unequal")[0])


@pytest.mark.parametrize("num_seeds", [(12, 3), (20, 3)])
def test_a_small_group_that_hardly_spreads_is_trusted_less_than_another_library_does(
    num_seeds: tuple[int, int],
) -> None:
    rng = np.random.default_rng(1)
    arm, base = rng.normal(1, 2, num_seeds[0]), rng.normal(0, 0.3, num_seeds[1])
    effect = estimate(arm, base)

    other = CompareMeans(DescrStatsW(arm), DescrStatsW(base))
    low, high = other.tconfint_diff(usevar="unequal")
    ours = effect.interval(alpha=0.05)
    assert ours[0] < low < high < ours[1]
    assert float(ours[0] + ours[1]) == pytest.approx(low + high)
    assert effect.error == pytest.approx(other.std_meandiff_separatevar)
    assert effect.p() > stats.ttest_ind(arm, base, equal_var=False).pvalue


def test_p_values_are_adjusted_as_another_library_does() -> None:
    p = np.array([0.04, 0.001, 0.03, 0.5])

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_trials_that_share_a_checkpoint_count_as_one(found: Comparison) -> None:
    assert (found.groups[1].num_trials, found.groups[1].num_checkpoints) == (18, 6)
    assert found.groups[0].num_checkpoints == 18  # a baseline shares nothing


def test_fewer_than_three_intermediate_seeds_conclude_nothing_and_say_what_to_run(tmp_path: Path) -> None:
    with open_record(filled(tmp_path / "record.db", num_seeds=2), read_only=True) as record:
        found = compare(record, Question(sweep="sweep"))

    assert {group.verdict for group in found.groups[1:]} == {"undecided"}
    assert all("xstilts confirm sweep --top 1 --seeds 3" in group.reason for group in found.groups[1:])
    assert all(group.adjusted_p is None for group in found.groups)


@pytest.mark.parametrize(("num_target_seeds", "verdict"), [(1, "undecided"), (2, "undecided"), (3, "better")])
def test_trials_that_share_a_target_seed_are_no_independent_draws(
    tmp_path: Path, num_target_seeds: int, verdict: str
) -> None:
    """Twelve intermediate seeds; the luck of the target phase was drawn fewer times."""
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("sweep", spec={"sampler": {"name": "random"}}, objective="average", planned_trials=1)
        for number, luck in enumerate(np.linspace(-0.002, 0.002, 12)):
            add(record, "none", seeds=(0, number), average=0.50 + luck)
            add(record, "text", seeds=(number, number % num_target_seeds), average=0.56 - luck)
    with open_record(tmp_path / "record.db", read_only=True) as record:
        group = compare(record, Question(sweep="sweep")).groups[1]

    assert group.verdict == verdict
    assert (group.num_intermediate_seeds, group.num_target_seeds) == (12, num_target_seeds)
    seeds = "seed" if num_target_seeds == 1 else "seeds"
    assert (f"text has {num_target_seeds} target {seeds}; a verdict needs at least 3" in group.reason) == (
        verdict == "undecided"
    )


def test_the_spread_of_items_is_what_theory_says() -> None:
    values = np.random.default_rng(2).normal(0, 3, 500)

    assert bootstrap_variance(values) == pytest.approx(values.var() / 500, rel=0.1)


def test_items_that_every_checkpoint_answers_alike_add_no_variance() -> None:
    noise = np.random.default_rng(3).normal(0, 1, (2, 5, 400))

    assert item_variance(noise[0], noise[1]) < 2 * 2 / (5 * 400)


def test_more_seeds_are_asked_for_when_they_spread_more() -> None:
    base, arm = np.array([0.0, 0.1, -0.1]), np.array([0.7, 0.8, 0.6])

    few = more_seeds(arm, base, margin=0.5, alpha=0.05)
    many = more_seeds(arm * 1 + np.array([0, 0.6, -0.6]), base, margin=0.5, alpha=0.05)
    assert few < many


def test_all_looks_together_have_the_chance_of_error_of_one() -> None:
    assert sum(look_alpha(look, alpha=0.05) for look in range(1, 10_000)) <= 0.05


def test_two_expressions_are_compared_and_must_not_overlap(where: Path) -> None:
    with open_record(where, read_only=True) as record:
        pair = ("family = 'none'", "family = 'multimodal'")
        assert compare(record, Question(sweep="sweep", by="where", wheres=pair)).groups[1].verdict == "better"
        with pytest.raises(InputError, match="meets both"):
            compare(record, Question(sweep="sweep", by="where", wheres=(pair[0], "score > 0")))


def test_selection_protocols_stand_side_by_side(where: Path) -> None:
    with open_record(where, read_only=True) as record:
        rows = {row.protocol: row for row in selection_protocols(record, sweep="sweep")}

    assert set(rows) == {"english", "average", "last", "oracle"}
    assert rows["oracle"].regret == 0
    assert rows["last"].regret > 0


def test_the_command_prints_json_and_bars_within_80_columns(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", "sweep", "--record", str(where), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["groups"][1]["verdict"] == "better"

    assert exit_code(["compare", "sweep", "--record", str(where)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("==o==" in line for line in lines)


def test_an_unknown_baseline_is_refused_with_the_known_ones(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", "sweep", "--record", str(where), "--baseline", "txt"]) == 2
    assert "text" in capsys.readouterr().err
