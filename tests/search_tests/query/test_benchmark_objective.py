"""A benchmark's average as the objective of a sweep: the number on record is that of the benchmark's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import search
from search.cli.main import exit_code
from search.compare.luck import seeds_of
from search.confirm.locked_test_step import metric_on_test, only_own_task
from search.driver.completed_spec import lines_of
from search.errors import FilterError
from search.query import best, best_at_rung, pareto, report_trial
from search.query.benchmark_table import benchmark_table
from search.record import Proposal, Record, open_record
from search.record.integrity.audit import audit
from search.sampler.stage_aware.costs import StepCosts
from spaces.fast_defaults import Completed
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, read_sweep_spec, recorded
from tests.search_tests.building import result
from tests.search_tests.query.test_benchmark_table import complete
from trainables.config import RungsConfig, TrialConfig
from trainables.config.literature import GROUPS
from trainables.errors import ConfigError

FIGURES = (0.2, 0.7, 0.4, 0.55)
"""What each trial scores on XCOPA; on the other nine tasks all score 0.5."""
FURTHER = [name for name in GROUPS["xtreme_r"] if name != "xnli"]


def document(**fields: Any) -> dict[str, Any]:
    """Return a spec whose trials are scored on all of XTREME-R."""
    return {
        "name": "whole",
        "trials": 4,
        "objective": "xtreme_r",
        "sampler": {"name": "random"},
        "trial": {"further": "xtreme_r", "target": {"mixture": "mnli", "steps": 90}},
        "families": {"none": {}, "text": {"mixture": "hellaswag", "steps": 10}},
    } | fields


def spec_of(**fields: Any) -> SweepSpec:
    return read_sweep_spec(document(**fields), folder=Path())


def proposed(number: int) -> Proposal:
    family = "none" if number % 2 else "text"
    fields: dict[str, Any] = {"further": FURTHER, "target": {"mixture": {"mnli": 1.0}, "steps": 90, "seed": number}}
    if family == "text":
        fields["intermediate"] = {"mixture": {"hellaswag": 1.0}, "steps": 10, "seed": number}
    config = TrialConfig.model_validate(fields)
    return Proposal(family=family, assignment={"family": family}, config=config, seed=number)


def filled(record: Record) -> Record:
    """Return a record with four trials that have half of their figures at rung 0, and all at the last rung."""
    spec = spec_of(objective=["xtreme_r", "worst"], rungs={"num": 2}, pruner={"name": "none"})
    record.put_sweep("whole", spec=recorded(spec), objective="xtreme_r", planned_trials=4)
    for number, figure in enumerate(FIGURES):
        record.propose("whole", proposal=proposed(number))
        record.start("whole", number=number)
        own = result(0.9 - number / 10)
        early = complete("xtreme_r", score=0.25, xcopa=figure / 2)
        record.measure("whole", number=number, result=own.model_copy(update={"evaluations": early}), rung=0)
        full = complete("xtreme_r", score=0.5, xcopa=figure)
        record.finish("whole", number=number, result=own.model_copy(update={"evaluations": full}), rung=1)
    return record


@pytest.fixture
def scored(record: Record) -> Record:
    return filled(record)


def test_the_score_of_a_trial_is_the_average_of_the_benchmarks_table(scored: Record) -> None:
    for number, figure in enumerate(FIGURES):
        table = benchmark_table(report_trial(scored, sweep="whole", number=number), benchmark="xtreme_r")
        score = scored.trial("whole", number=number).score

        assert score == pytest.approx((9 * 0.5 + figure) / 10, abs=1e-9)
        assert table.average == pytest.approx(score, abs=1e-9)


def test_trials_are_ranked_by_it_at_each_rung_and_in_the_pareto_set(scored: Record) -> None:
    order = [1, 3, 2, 0]

    assert [one.trial for one in best(scored, sweep="whole")] == order
    assert [one.trial for one in best_at_rung(scored, sweep="whole", rung=0)] == order
    assert best_at_rung(scored, sweep="whole", rung=0)[0].score == pytest.approx((9 * 0.25 + 0.35) / 10, abs=1e-9)
    assert [one.trial for one in pareto(scored, sweep="whole")] == [1, 0]  # trial 0 has the best lowest language
    with pytest.raises(FilterError, match="only a sweep with the objective xtreme has it"):
        best(scored, sweep="whole", metric="xtreme")


def test_the_derived_tables_agree_with_the_events(tmp_path: Path) -> None:
    with open_record(str(tmp_path / "record.db")) as record:
        filled(record)

    assert audit(tmp_path / "record.db").event


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["best", "whole"], "mean of the figures of all 10 tasks of XTREME-R, on dev"),
        (["best", "whole", "--rung", "0"], "Best of whole by xtreme_r"),
        (["best", "whole", "--metric", "xtreme_r", "--pareto"], "Pareto front of whole in xtreme_r, seconds"),
        (["status", "whole"], "the objective is the mean of the figures of all 10 tasks of XTREME-R, on dev"),
        (["show", "whole", "1"], "xtreme_r 52.0 % at rung 1"),
        (["compare", "whole"], "mean of the figures of all 10 tasks of XTREME-R, on dev"),
        (["compare", "whole", "--metric", "xtreme_r"], "whole by family, xtreme_r dev score, against none"),
    ],
)
def test_commands_say_what_the_number_is(
    scored: Record, command: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code([*command, "--record", str(scored.where)]) == 0
    said = capsys.readouterr().out

    assert words in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80


SUBSET = "over a subset of its languages: xnli 2 of 15, xcopa 1 of 11"
"""Of trials that are scored in fewer languages than XTREME-R has."""


@pytest.fixture
def of_a_subset(record: Record) -> Record:
    """Two finished trials that are scored on all tasks, XNLI and XCOPA in fewer languages."""
    further = {name: {"evaluation": {"languages": ["it"]}} if name == "xcopa" else {} for name in FURTHER}
    trial = {"further": further, "evaluation.languages": ["en", "de"], "target": {"mixture": "mnli", "steps": 90}}
    spec = spec_of(trial=trial)
    record.put_sweep("whole", spec=recorded(spec), objective="xtreme_r", planned_trials=2)
    space = make_space(spec)
    for assignment in first_assignments(space):
        config = bind(space, assignment)
        family = "text" if config.intermediate else "none"
        number = record.propose(
            "whole", proposal=Proposal(family=family, assignment=assignment, config=config, seed=0)
        ).number
        record.start("whole", number=number)
        evaluations = complete("xtreme_r", score=0.5, xcopa=0.5)
        record.finish("whole", number=number, result=result(0.9).model_copy(update={"evaluations": evaluations}))
    return record


@pytest.mark.parametrize(
    "command", [["best", "whole"], ["status", "whole"], ["show", "whole", "1"], ["compare", "whole"]], ids=" ".join
)
def test_an_average_over_fewer_languages_says_so(
    of_a_subset: Record, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code([*command, "--record", str(of_a_subset.where)]) == 0
    said = capsys.readouterr().out

    assert SUBSET in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert SUBSET in of_a_subset.sweep("whole").objective_with_meaning


def test_a_new_sweep_over_fewer_languages_says_so_before_it_starts() -> None:
    further = {name: {"evaluation": {"languages": ["en"]}} if name == "panx" else {} for name in FURTHER}
    subset = spec_of(trial={"further": further, "target": {"mixture": "mnli", "steps": 90}})

    (said,) = lines_of(Completed(spec=subset, fields=()))

    assert said.startswith("xtreme_r is the mean of the figures")
    assert said.endswith("over a subset of its languages: panx 1 of 40.")
    assert lines_of(Completed(spec=spec_of(), fields=())) == []


def test_groups_are_compared_by_it(scored: Record, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", "whole", "--record", str(scored.where), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert {group["group"]: group["mean"] for group in found["groups"]} == {
        "none": pytest.approx((9 * 0.5 + (0.7 + 0.55) / 2) / 10),
        "text": pytest.approx((9 * 0.5 + (0.2 + 0.4) / 2) / 10),
    }


def test_the_report_says_what_the_number_is(scored: Record, tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    assert exit_code(["report", "whole", "--record", str(scored.where), "--out", str(page)]) == 0
    assert "objective xtreme_r (mean of the figures of all 10 tasks of XTREME-R, on dev)" in page.read_text()


def test_a_trial_that_lacks_a_task_is_refused_by_the_record(scored: Record) -> None:
    config = TrialConfig.model_validate({"further": FURTHER[:-1]})

    with pytest.raises(ConfigError, match=r"further.*lacks tatoeba, but the objective 'xtreme_r'"):
        scored.propose("whole", proposal=Proposal(family="none", assignment={}, config=config, seed=0))


@pytest.mark.parametrize("objective", ["xtreme_r", ["average", "xtreme_r"]])
@pytest.mark.parametrize(
    ("further", "lacking"), [(FURTHER[:-2], "lareqa, tatoeba is missing"), ([], "xcopa"), ("xtreme", "xcopa, mewsli_x")]
)
def test_a_spec_that_lacks_a_task_is_refused(objective: Any, further: Any, lacking: str) -> None:
    trial = {"further": further, "target": {"mixture": "mnli", "steps": 90}}

    with pytest.raises(ConfigError, match=lacking) as refused:
        spec_of(objective=objective, trial=trial)

    assert refused.value.field == "trial.further"
    assert "write `further: xtreme_r` under `trial`" in str(refused.value)


def test_the_main_task_counts_as_one_of_the_benchmark() -> None:
    trial = {"further": "xtreme", "evaluation": {"task": "udpos"}, "target": {"mixture": "udpos", "steps": 90}}

    assert spec_of(objective="xtreme", trial=trial).score == "xtreme"


def test_lower_rungs_train_and_score_every_task_too() -> None:
    spec = spec_of(rungs={"num": 3, "num_items": 20})
    config = TrialConfig.model_validate(
        {"further": {"udpos": {"target": {"steps": 90}}, "tatoeba": {"evaluation": {"num_items": 30}}}}
    )

    lowest = spec.rungs.at(0, config=config)

    assert spec.rungs.further
    assert make_sweep_spec(recorded(spec)) == spec
    assert lowest.further["udpos"].target[0].steps == 10
    # With fewer candidates, retrieval would measure something else.
    assert {name: one.evaluation.num_items for name, one in lowest.further.items()} == {"udpos": 20, "tatoeba": 30}
    assert spec.rungs.at(1, config=config).further["tatoeba"].evaluation.num_items == 30
    with pytest.raises(ConfigError, match=r"rungs\.further.*cannot be false"):
        spec_of(rungs={"num": 3, "further": False})
    with pytest.raises(ConfigError, match="further has no effect on a single rung"):
        spec_of(rungs={"further": True})


def test_another_objective_from_the_command_line_has_its_usual_rungs() -> None:
    spec = spec_of(rungs={"num": 3})

    assert not with_settings(spec, ["objective=average"]).rungs.further
    assert with_settings(spec, ["trials=8"]).rungs.further
    assert with_settings(spec, ["rungs.num=1", "pruner={}"]).rungs.num == 1


def test_seeds_of_further_targets_are_drawn_with_the_main_target() -> None:
    search_of = {"target.seed": {"choice": [3, 4]}}

    def seeds(objective: str) -> set[int]:
        spec = spec_of(objective=objective, families={"none": {}}, search=search_of)
        config = bind(make_space(spec), {"family": "none", "target.seed": 4})
        return {work.seed for target in config.further.values() for work in target.target}

    assert (seeds("xtreme_r"), seeds("average")) == ({4}, {0})


def test_trials_that_share_their_further_targets_count_as_one_seed_on_a_benchmark() -> None:
    configs = [TrialConfig.model_validate({"further": ["udpos"], "target": phase(seed)}) for seed in (1, 2)]

    assert [seeds_of(one, phase="target", with_further=True) for one in configs] == [{0, 1}, {0, 2}]
    assert [seeds_of(one, phase="target") for one in configs] == [{1}, {2}]


def phase(seed: int) -> dict[str, Any]:
    return {"mixture": {"mnli": 1.0}, "steps": 90, "seed": seed}


def test_other_sweeps_keep_their_rungs() -> None:
    spec = spec_of(objective="average", rungs={"num": 3})

    assert not spec.rungs.further
    assert "further" not in spec.rungs.model_dump(mode="json")
    assert spec.rungs.at(0, config=TrialConfig.model_validate({"further": FURTHER})).further == {}


def test_the_stage_aware_sampler_pays_for_further_targets_with_the_intermediate_stage() -> None:
    further = {"xquad": {"target": {"steps": 30}}, "mlqa": {"target": {"steps": 30}}, "tatoeba": {}}
    trial = {"further": further, "target": {"mixture": "mnli", "steps": 90}}
    space = make_space(spec_of(objective="average", trial=trial))
    text = next(one for one in first_assignments(space) if one["family"] == "text")
    rungs = RungsConfig(num=2, eta=3, further=True)

    def before(**fields: Any) -> float:
        return StepCosts(space=space, **fields).parts(text)[0]

    # MLQA trains as XQuAD does, and retrieval not at all; one trial in three reaches the last rung.
    assert before(rungs=RungsConfig(), prunes=False) == 10
    assert before(rungs=RungsConfig(), prunes=False, counts_further=True) == 10 + 30
    assert before(rungs=rungs, prunes=True, counts_further=True) == pytest.approx(10 + 10 + 30 / 3)


def test_the_locked_test_split_is_that_of_the_main_task() -> None:
    metrics = [metric_on_test(metric) for metric in ("xtreme", "xtreme_r", "worst", "de")]

    assert metrics == ["average", "average", "worst", "de"]
    assert only_own_task("xtreme_r", config=TrialConfig()) == (
        "the test split is that of xnli alone: xquad, tydiqa, lareqa, tatoeba of xtreme_r have none, so its average is "
        "not known on test"
    )


def test_python_ranks_by_the_objective(scored: Record) -> None:
    sweep = search.open_sweep("whole", record=str(scored.where))

    assert [one.trial for one in sweep.best(2)] == [1, 3]
    assert [one.trial for one in sweep.best(2, rung=0)] == [1, 3]
    assert sweep.status().objective == "xtreme_r"
