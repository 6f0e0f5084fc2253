"""What questions to the record answer."""

from __future__ import annotations

import importlib

import pytest

from search.errors import FilterError, UnknownSweepError
from search.query import best, best_of_families, report_trial, sweep_status, sweep_statuses
from search.record import Record
from tests.search_tests.building import proposal, result
from trainables.results import TaskTraining

CONTRACT = {
    *("sweep", "trial", "state", "rung", "score", "metric", "family", "tasks", "languages", "config", "seed"),
    *("stages", "cost_paid_seconds", "cost_if_alone_seconds"),
}


@pytest.fixture
def searched(record: Record) -> Record:
    """Trials 0 to 3 finished with 0.5 (text), 0.7 (multimodal), 0.6 (none), 0.4 (text); 4 pruned, 5 running."""
    families = ("text", "multimodal", "none", "text", "text", "text")
    for number, family in enumerate(families):
        record.propose("demo", proposal=proposal(family, learning_rate=number / 10))
        record.start("demo", number=number)
    for number, average in enumerate((0.5, 0.7, 0.6, 0.4)):
        record.finish("demo", number=number, result=result(average, key="abcd"[number]))
    record.measure("demo", number=4, result=result(0.9, key="e"))
    record.prune("demo", number=4)
    return record


def test_best_comes_first_and_only_finished_trials_count(searched: Record) -> None:
    assert [answer.trial for answer in best(searched, sweep="demo")] == [1, 2, 0, 3]


def test_best_has_every_field_of_the_contract(searched: Record) -> None:
    answer = best(searched, sweep="demo", top=1)[0].model_dump(mode="json")
    assert set(answer) >= CONTRACT
    assert (answer["trial"], answer["family"], answer["tasks"]) == (1, "multimodal", {"hellaswag": 1.0})
    assert answer["languages"] == {"de": 0.7, "en": pytest.approx(0.8), "sw": pytest.approx(0.6)}
    assert answer["stages"] == ["b" * 64]
    assert answer["config"] == searched.trial("demo", number=1).config


def test_a_baseline_has_no_tasks(searched: Record) -> None:
    assert best(searched, sweep="demo", where="family = 'none'")[0].tasks == {}


@pytest.mark.parametrize(("metric", "score"), [("average", 0.7), ("english", 0.8), ("worst", 0.6), ("sw", 0.6)])
def test_best_by_another_metric(searched: Record, metric: str, score: float) -> None:
    answer = best(searched, sweep="demo", top=1, metric=metric)[0]
    assert (answer.metric, answer.score) == (metric, pytest.approx(score))


def test_equal_scores_are_ordered_by_number(record: Record) -> None:
    for number in range(3):
        record.propose("demo", proposal=proposal())
        record.finish("demo", number=number, result=result(0.5))
    assert [answer.trial for answer in best(record, sweep="demo")] == [0, 1, 2]


def test_the_best_of_each_family_with_the_familys_mean(searched: Record) -> None:
    answers = best_of_families(searched, sweep="demo")
    assert [(a.family, a.trial, a.num_in_family) for a in answers] == [
        ("multimodal", 1, 1),
        ("none", 2, 1),
        ("text", 0, 2),
    ]
    assert answers[2].mean_in_family == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("family = 'text'", [0, 3]),
        ('family != "text" and score >= 0.65', [1]),
        ("score < 0.45 or family == 'none'", [2, 3]),
        ("not (family = 'text' or family = 'none')", [1]),
        ("number in (0, 2)", [2, 0]),
        ("number not in (0, 2)", [1, 3]),
        ("sw > 0.45", [1, 2]),
        ("config.target.learning_rate <= 1e-5", [1, 2, 0, 3]),
        ("config.intermediate.mixture.hellaswag > 0.5", [1, 0, 3]),
        ("config.intermediate.mixture.nlvr@shuffled > 0", []),
        ("config.encoder.name = 'miniature'", []),
        ("config.target.freeze_embeddings = false", [1, 2, 0, 3]),
    ],
)
def test_where_keeps_the_trials_that_meet_it(searched: Record, expression: str, numbers: list[int]) -> None:
    assert [answer.trial for answer in best(searched, sweep="demo", where=expression)] == numbers


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("famly = 'text'", "did you mean 'family'"),
        ("config.target.learning_rat > 1", "did you mean 'learning_rate'"),
        ("config.target > 1", "has fields of its own"),
        ("score >", r"cannot be read at 'the end' \(character 8\)"),
        ("score > 0.5 family = 'a'", "`and`, `or`, or the end"),
        ("score; DROP TABLE trials", "contains ';'"),
        ("__import__('os')", "cannot be read"),
        ("", "a column"),
        ("family > 0.5", "compares 'family' with 0.5, a number, but it holds text"),
        ("average = 'high'", "compares 'average' with 'high', text, but it holds a number"),
        ("de in ('a')", "compares 'de' with 'a', text"),
        ("config.target.freeze_embeddings < true", "with true or false by <"),
        ("score - 1 > 0", "contains '-'"),
        ("score > rung", "cannot be read at 'rung'"),
        ("(score) > 1", "cannot be read at '\\)'"),
    ],
)
def test_where_refuses_what_it_does_not_know(searched: Record, expression: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        best(searched, sweep="demo", where=expression or " ")


def test_where_binds_values(searched: Record) -> None:
    assert best(searched, sweep="demo", where="family = \"x' OR '1'='1\"") == ()


def test_an_unknown_metric_names_near_matches(searched: Record) -> None:
    with pytest.raises(FilterError, match="did you mean 'average'"):
        best(searched, sweep="demo", metric="averge")


def test_an_unknown_sweep_is_named(searched: Record) -> None:
    with pytest.raises(UnknownSweepError, match="did you mean 'demo'"):
        best(searched, sweep="dem")


def test_status_counts_states_cost_and_stages(searched: Record) -> None:
    status = sweep_status(searched, sweep="demo")
    assert status.states == {"finished": 4, "pruned": 1, "running": 1}
    assert (status.best_trial, status.best_score, status.num_done) == (1, pytest.approx(0.7), 5)
    assert (status.cost_paid_seconds, status.num_stages_made, status.num_stages_reused) == (12.5, 5, 0)
    assert sweep_statuses(searched) == (status,)


def test_an_empty_sweep_has_a_status(record: Record) -> None:
    status = sweep_status(record, sweep="demo")
    assert (status.states, status.best_trial, status.seconds_left) == ({}, None, None)


def test_a_trials_report_has_its_rungs_and_lineage(searched: Record) -> None:
    report = report_trial(searched, sweep="demo", number=4)
    assert (report.state, report.score, report.family) == ("pruned", 0.9, "text")
    assert [rung.languages["de"] for rung in report.rungs] == [0.9]
    assert [stage.key for stage in report.stages] == ["e" * 64]


def test_weights_that_were_computed_are_the_ones_that_are_told(record: Record) -> None:
    record.put_sweep("mixed", spec={}, objective="average", planned_trials=1)
    record.propose("mixed", proposal=proposal("multitask"))
    record.start("mixed", number=0)
    training = TaskTraining(weight=0.8, size=100, num_examples=80, num_steps=9, first_loss=1.5, last_loss=0.5)
    trained = {"intermediate": {"squad": training, "snli": training.model_copy(update={"weight": 0.2})}}
    record.finish("mixed", number=0, result=result().model_copy(update={"trained": trained}))

    report = report_trial(record, sweep="mixed", number=0)
    (first,) = best(record, sweep="mixed")

    assert report.tasks == first.tasks == {"squad": 0.8, "snli": 0.2}
    assert report.rungs[-1].trained == trained


def test_a_trial_without_a_result_has_a_report(searched: Record) -> None:
    report = report_trial(searched, sweep="demo", number=5)
    assert (report.state, report.score, report.rungs, report.stages) == ("running", None, (), ())


def test_a_long_list_of_trials_is_read_in_parts(searched: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = best(searched, sweep="demo", top=100, states=("finished", "pruned"))
    monkeypatch.setattr(importlib.import_module("search.query.best"), "_MOST_ASKED", 1)

    assert best(searched, sweep="demo", top=100, states=("finished", "pruned")) == at_once
    assert len(at_once) > 2
