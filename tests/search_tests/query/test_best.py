"""`xstilts best`: by language, family, task, rung, the Pareto set; expressions that are refused."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from search.cli.main import exit_code
from search.home import find_home
from search.query import best, best_at_rung, pareto, scores
from search.record import Record, open_record
from tests.search_tests.building import proposal, result
from trainables.results import Family, TrialResult

SCORES = (0.5, 0.7, 0.6, 0.7, 0.4, 0.5)
SECONDS = (10.0, 40.0, 20.0, 40.0, 10.0, 30.0)
FAMILIES: tuple[Family, ...] = ("text", "multimodal", "none", "multimodal", "text", "text")
TASKS = ("anli", "nlvr", "anli", "nlvr", "hellaswag", "hellaswag")
REFUSED = [
    "1 = 1",
    "score > 0.5; DROP TABLE trials",
    "score > 0.5 -- and more",
    "score > (SELECT 1)",
    "family = 'text' UNION SELECT 1",
    "family LIKE '%'",
    "load_extension('x') = 1",
    "sqlite_version() = 1",
    "__import__('os').system('true')",
    "trials.score > 0.5",
    "sampler = 'a'",
    "seen = 'a'",
    "score > 0.5 or",
    "(score > 0.5",
    "number in ()",
    "number in (0, 'a')",
    "family = text",
    "number = 99999999999999999999",
    "number = " + "9" * 6000,
    "not " * 500 + "score > 0",
    "(" * 500 + "score > 0" + ")" * 500,
    "score > 0 or " * 3000 + "score > 0",
    "family = '",
    "task = 'a\"]'",
    "task > 'a'",
    "task = 1",
    "config = 'a'",
    "config.target.learning_rate.real > 0",
    "config.__class__ = 'a'",
    "",
]


def costing(average: float, *, key: str, seconds: float) -> TrialResult:
    made = result(average, key=key)
    return made.model_copy(update={"stages": (made.stages[0].model_copy(update={"seconds": seconds}),)})


@pytest.fixture
def searched(record: Record) -> Record:
    """Trials 0 to 5 finished at rung 1, each with half its score at rung 0 but trial 4; 6 pruned after rung 0."""
    fill(record)
    return record


def fill(record: Record) -> None:
    for number, (family, task) in enumerate(zip((*FAMILIES, "text"), (*TASKS, "anli"), strict=True)):
        record.propose("demo", proposal=proposal(family, task=task))  # type: ignore[arg-type]
        record.start("demo", number=number)
        first = 0.45 if number == 4 else 0.2 if number == 6 else SCORES[number] / 2
        record.measure("demo", number=number, result=result(first, key="abcdef0"[number], reused=True), rung=0)
    for number, (score, seconds) in enumerate(zip(SCORES, SECONDS, strict=True)):
        made = costing(score, key="123456"[number], seconds=seconds)
        record.finish("demo", number=number, result=made, rung=1)
    record.prune("demo", number=6)


def test_the_pareto_set_is_what_none_beats(searched: Record) -> None:
    told = {answer.trial for answer in pareto(searched, sweep="demo")}
    points = {a.trial: (a.score, -a.cost_if_alone_seconds) for a in best(searched, sweep="demo", top=100)}
    beaten = {
        one
        for one, other in itertools.permutations(points, 2)
        if points[other] != points[one] and all(x >= y for x, y in zip(points[other], points[one], strict=True))
    }
    assert told == points.keys() - beaten
    assert told == {0, 1, 2, 3}


def test_the_pareto_set_of_some_trials_is_that_of_these_alone(searched: Record) -> None:
    assert [a.trial for a in pareto(searched, sweep="demo", where="task = 'hellaswag'")] == [5, 4]


@pytest.mark.parametrize("where", [None, "family = 'text'"])
@pytest.mark.parametrize("metric", [None, "worst"])
def test_scores_alone_are_those_of_the_best_in_their_order(
    searched: Record, metric: str | None, where: str | None
) -> None:
    found = best(searched, sweep="demo", top=100, metric=metric, where=where)

    assert list(scores(searched, sweep="demo", metric=metric, where=where).items()) == [
        (trial.trial, trial.score) for trial in found if not trial.set_aside
    ]


def test_the_last_measurements_are_those_of_the_highest_rungs(searched: Record) -> None:
    every = searched.measurements("demo")

    assert len(every) > 1
    assert searched.last_measurements("demo") == {measured.trial: measured for measured in every}


def test_the_first_events_are_read_alone(searched: Record) -> None:
    every = searched.events("demo")

    assert searched.events("demo", after=every[1].id, limit=3) == every[2:5]


def test_the_best_at_a_rung_have_its_scores_pruned_ones_too(searched: Record) -> None:
    answers = best_at_rung(searched, sweep="demo", rung=0)
    assert [answer.trial for answer in answers] == [4, 1, 3, 2, 0, 5, 6]
    assert (answers[0].rung, answers[0].score, answers[0].languages["de"]) == (0, pytest.approx(0.45), 0.45)
    assert best_at_rung(searched, sweep="demo", rung=0, metric="sw", top=1)[0].score == pytest.approx(0.35)
    assert best_at_rung(searched, sweep="demo", rung=7) == ()


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("task = 'nlvr'", [1, 3]),
        ("task in ('nlvr', 'hellaswag') and score < 0.6", [5, 4]),
        ("task != 'anli'", [1, 3, 2, 5, 4]),
        ("task not in ('anli', 'nlvr') and family = 'text'", [5, 4]),
    ],
)
def test_where_knows_tasks(searched: Record, expression: str, numbers: list[int]) -> None:
    assert [answer.trial for answer in best(searched, sweep="demo", where=expression)] == numbers


def test_several_expressions_must_all_hold(searched: Record) -> None:
    where = ["family = 'none' or family = 'text'", "score >= 0.5"]
    assert [answer.trial for answer in best(searched, sweep="demo", where=where)] == [2, 0, 5]


@pytest.fixture
def _home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=7)
        fill(record)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--language", "sw"], [1, 3, 2, 0, 5]),
        (["--family", "none", "--family", "text", "--top", "2"], [2, 0]),
        (["--task", "nlvr"], [1, 3]),
        (["--task", "nlvr", "--task", "anli"], []),
        (["--rung", "0", "--top", "1"], [4]),
        (["--pareto"], [1, 3, 2, 0]),
        (["--pareto", "--family", "text", "--where", "score < 0.6"], [0]),
        (["--where", "score < 0.6 or family = 'none'", "--family", "text"], [0, 5, 4]),
    ],
)
@pytest.mark.usefixtures("_home")
def test_the_options_choose(words: list[str], numbers: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", "--json", *words]) == 0
    assert [answer["trial"] for answer in json.loads(capsys.readouterr().out)] == numbers
    assert exit_code(["best", "demo", *words]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Next: xstilts ")


@pytest.mark.usefixtures("_home")
def test_a_task_of_no_trial_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", "--task", "helaswag"]) == 0
    assert "None of its trials trains on 'helaswag'; did you mean 'hellaswag'? They" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--pareto", "--by", "family"], ["--rung", "0", "--pareto"], ["--metric", "de", "--language", "sw"]]
)
@pytest.mark.usefixtures("_home")
def test_options_that_disagree_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", *words]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize("expression", REFUSED, ids=lambda text: ascii(text[:40]))
@pytest.mark.usefixtures("_home")
def test_a_malformed_or_malicious_expression_is_refused_with_the_columns(
    expression: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["best", "demo", "--where", expression]) == 2
    said = capsys.readouterr().err
    assert "number, state, family, rung, score" in said
    assert "config.target.learning_rate" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("task", ["a'b", "a\"b'c", "x' or '1'='1"])
@pytest.mark.usefixtures("_home")
def test_a_task_that_is_no_name_is_refused(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", "--task", task]) == 2
    assert "--where" in capsys.readouterr().err
