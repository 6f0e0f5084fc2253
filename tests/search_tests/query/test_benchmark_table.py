"""A trial's results as XTREME's evaluate.py would report them."""

from __future__ import annotations

import json

import pytest

import search
from search.cli.main import exit_code
from search.errors import InputError
from search.query import report_trial
from search.query.benchmark_ranking import rank_on_benchmark
from search.query.benchmark_table import benchmark_figures, benchmark_table
from search.record import Record
from tests.search_tests.building import proposal, result
from trainables.config.literature import GROUPS

SCORES = {
    "xnli": {"accuracy": {"en": 0.8, "de": 0.7}},
    "udpos": {"seqeval_f1": {"en": 0.9, "de": 0.7}, "accuracy": {"en": 0.95, "de": 0.75}},
    "panx": {"seqeval_f1": {"en": 0.6}, "accuracy": {"en": 0.9}},
    "tydiqa": {"f1": {"en": 0.6, "sw": 0.4}, "exact_match": {"en": 0.3, "sw": 0.1}},
    "mlqa": {"mlqa_f1": {"en": 0.7}, "exact_match": {"en": 0.5}},
    "tatoeba": {"accuracy": {"de": 0.9, "sw": 0.3}, "map_at_20": {"de": 0.95, "sw": 0.5}},
    "bucc": {"mining_f1": {"zh": 0.25}},
}


@pytest.fixture
def measured(record: Record) -> Record:
    record.put_sweep("sweep", spec={}, objective="average", planned_trials=2)
    for _ in range(2):
        record.propose("sweep", proposal=proposal())
    record.start("sweep", number=0)
    record.finish("sweep", number=0, result=result().model_copy(update={"evaluations": SCORES}))
    return record


def figures(record: Record, benchmark: str) -> dict[str, float | None]:
    table = benchmark_table(report_trial(record, sweep="sweep", number=0), benchmark=benchmark)
    return {one.task: one.figure for one in table.tasks}


def test_each_task_has_the_figure_that_evaluate_py_computes(measured: Record) -> None:
    assert figures(measured, "xtreme") == {
        "xnli": pytest.approx(0.75),
        "paws_x": None,
        "udpos": pytest.approx(0.8),
        "panx": pytest.approx(0.6),
        "xquad": None,
        "mlqa": pytest.approx(0.6),
        "tydiqa": pytest.approx((0.5 + 0.2) / 2),
        "bucc": pytest.approx(0.25),
        "tatoeba": pytest.approx(0.6),
    }
    assert set(figures(measured, "xtreme_r")) >= {"xcopa", "lareqa", "mewsli_x"}


def test_averages_are_of_whole_groups_and_a_missing_task_is_named(measured: Record) -> None:
    table = benchmark_table(report_trial(measured, sweep="sweep", number=0), benchmark="xtreme")

    assert table.groups == {"structured prediction": pytest.approx(0.7), "retrieval": pytest.approx(0.425)}
    assert (table.average, table.missing) == (None, ("paws_x", "xquad"))
    assert table.average_of_scored == pytest.approx((0.75 + 0.8 + 0.6 + 0.6 + 0.35 + 0.25 + 0.6) / 7)


def test_the_average_is_there_when_every_task_is(record: Record) -> None:
    scores = SCORES | {"paws_x": {"accuracy": {"en": 0.9}}, "xquad": {"f1": {"en": 0.7}, "exact_match": {"en": 0.5}}}
    record.put_sweep("sweep", spec={}, objective="average", planned_trials=1)
    record.propose("sweep", proposal=proposal())
    record.start("sweep", number=0)
    record.finish("sweep", number=0, result=result().model_copy(update={"evaluations": scores}))

    table = benchmark_table(report_trial(record, sweep="sweep", number=0), benchmark="xtreme")

    assert table.missing == ()
    assert table.average == pytest.approx((0.75 + 0.8 + 0.6 + 0.6 + 0.35 + 0.25 + 0.6 + 0.9 + 0.6) / 9)
    assert set(table.groups) == {"classification", "structured prediction", "question answering", "retrieval"}


def test_tasks_with_fewer_languages_than_the_benchmark_are_counted(
    measured: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    table = benchmark_table(report_trial(measured, sweep="sweep", number=0), benchmark="xtreme")
    assert exit_code(["xtreme", "sweep", "0", "--record", str(measured.where), "--benchmark", "xtreme"]) == 0
    said = " ".join(capsys.readouterr().out.split())

    assert table.subset.startswith("over a subset of its languages: xnli 2 of 15, udpos 2 of 29, panx 1 of 40")
    assert f"Not the average of XTREME, but {table.subset}." in said
    assert "75.0 acc" in said
    assert " 2/15 " in said


def test_the_command_prints_lines_of_80_columns_and_json(measured: Record, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["xtreme", "sweep", "0", "--record", str(measured.where), "--benchmark", "xtreme"]
    assert exit_code(words) == 0
    said = capsys.readouterr().out
    assert exit_code([*words, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)

    assert max(map(len, said.splitlines())) <= 80
    assert "50.0/20.0" in said
    assert "Not scored: paws_x, xquad" in said
    assert table["missing"] == ["paws_x", "xquad"]


def complete(benchmark: str, *, score: float, **others: float) -> dict[str, dict[str, dict[str, float]]]:
    """Return scores on every task of a benchmark; a task has one score in one language."""
    measures = {"udpos": "seqeval_f1", "panx": "seqeval_f1", "bucc": "mining_f1"}
    measures |= {"lareqa": "map_at_20", "mewsli_x": "map_at_20"}
    pairs = {"xquad": "f1", "tydiqa": "f1", "mlqa": "mlqa_f1"}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in GROUPS[benchmark]:
        value = others.get(name, score)
        metrics = (pairs[name], "exact_match") if name in pairs else (measures.get(name, "accuracy"),)
        found[name] = {metric: {"de": value} for metric in metrics}
    return found


@pytest.fixture
def ranked(record: Record) -> Record:
    """Trials with another order on XTREME-R than by their own scores: 1, 2 and 0; 3 lacks a task, 4 two."""
    record.put_sweep("sweep", spec={}, objective="average", planned_trials=5)
    full = [complete("xtreme_r", score=0.5), complete("xtreme_r", score=0.5, lareqa=0.8)]
    full.append(complete("xtreme_r", score=0.5, mewsli_x=0.6))
    less = {name: scores for name, scores in full[1].items() if name != "lareqa"}
    least = {name: scores for name, scores in less.items() if name != "udpos"}
    for number, scores in enumerate((*full, less, least)):
        record.propose("sweep", proposal=proposal(family="text" if number < 2 else "none"))
        record.start("sweep", number=number)
        record.finish(
            "sweep", number=number, result=result(0.9 - number / 10).model_copy(update={"evaluations": scores})
        )
    return record


@pytest.mark.parametrize("benchmark", GROUPS)
def test_an_average_is_the_mean_of_all_figures(benchmark: str) -> None:
    figures = benchmark_figures(complete(benchmark, score=0.5, xnli=0.7), benchmark=benchmark)

    assert figures.missing == ()
    assert figures.average == pytest.approx(0.5 + 0.2 / len(GROUPS[benchmark]))


def test_trials_are_ranked_by_a_benchmark_and_those_that_lack_a_task_are_named(ranked: Record) -> None:
    ranking = rank_on_benchmark(ranked, sweep="sweep", benchmark="xtreme_r")

    assert [(one.trial, one.metric) for one in ranking.ranked] == [(1, "xtreme_r"), (2, "xtreme_r"), (0, "xtreme_r")]
    assert [one.score for one in ranking.ranked] == pytest.approx([0.53, 0.51, 0.5])
    assert [(one.missing, one.trials) for one in ranking.unranked] == [(("lareqa",), (3,)), (("udpos", "lareqa"), (4,))]
    families = ranking.of_families(top=1)
    assert [(one.family, one.trial, one.num_in_family) for one in families] == [("text", 1, 2), ("none", 2, 1)]
    assert families[0].mean_in_family == pytest.approx(0.515)


def test_best_ranks_by_a_benchmark(ranked: Record, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["best", "sweep", "--record", str(ranked.where), "--metric", "xtreme_r"]

    assert exit_code([*words, "--json", "--top", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert exit_code(words) == 0
    said = capsys.readouterr()
    assert exit_code([*words, "--by", "family"]) == 0
    capsys.readouterr()
    assert exit_code(["best", "sweep", "--record", str(ranked.where), "--metric", "xtreme"]) == 0
    none = capsys.readouterr()
    assert exit_code([*words, "--pareto"]) == 2

    assert [one["trial"] for one in found] == [1, 2]
    assert "53.0" in said.out
    assert "Not ranked: trial 3, not scored on lareqa of xtreme_r." in said.err
    assert "no finished trial that was scored on every task of xtreme" in none.out
    assert "paws_x, bucc" in none.err


def test_python_ranks_by_a_benchmark(ranked: Record) -> None:
    sweep = search.open_sweep("sweep", record=str(ranked.where))

    assert [trial.trial for trial in sweep.best(2, metric="xtreme_r")] == [1, 2]
    assert [trial.family for trial in sweep.best(1, by="family", metric="xtreme_r")] == ["text", "none"]
    assert "by xtreme_r; 2 trials not scored on all of its tasks" in sweep.best(metric="xtreme_r")._repr_html_()
    with pytest.raises(InputError, match="xtreme_r"):
        sweep.best(metric="xtreme_r", rung=0)


def test_groups_are_compared_on_a_benchmark_and_trials_that_lack_a_task_are_named(
    ranked: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "sweep", "--record", str(ranked.where), "--metric", "xtreme_r", "--json"]

    assert exit_code(words) == 0
    found = json.loads(capsys.readouterr().out)

    assert {group["group"]: group["mean"] for group in found["groups"]} == {
        "none": pytest.approx(0.51),
        "text": pytest.approx(0.515),
    }
    assert "one trial is left out, without a score on lareqa of xtreme_r" in found["notes"]


def test_what_has_no_scores_and_what_is_no_benchmark_are_refused(measured: Record) -> None:
    with pytest.raises(InputError, match="'xtrem' is not a benchmark; did you mean 'xtreme'"):
        benchmark_table(report_trial(measured, sweep="sweep", number=0), benchmark="xtrem")
    with pytest.raises(InputError, match="trial 1 of 'sweep' is proposed and has no scores"):
        benchmark_table(report_trial(measured, sweep="sweep", number=1), benchmark="xtreme")
