"""What a new user reads in the first hour: next steps, counts that add up, one mean, costs that explain themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.cli.main import exit_code
from search.cli.output import print_next
from search.home import find_home
from search.query import sweep_status
from search.record import Record, open_record
from search.record.ownership import own_sweep
from spaces.sweep_spec import shipped_specs
from tests.own_task import write_own_task
from tests.search_tests.building import proposal
from trainables.errors import near_matches
from trainables.results import Family, StageRun, TrialResult

MEAN = "SELECT family, AVG(score) AS mean FROM trials GROUP BY family"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """The record of a home, with a sweep `own` of three planned trials that has rungs."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    opened = open_record(find_home().record)
    opened.put_sweep("own", spec={"rungs": {"num": 2}}, objective="average", planned_trials=3)
    return opened


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command; returns what it prints, in one line."""

    def run(*words: str, code: int = 0) -> str:
        assert exit_code(words) == code
        captured = capsys.readouterr()
        assert max(map(len, captured.out.splitlines()), default=0) <= 80
        return " ".join((captured.out or captured.err).split())

    return run


def stage(key: str, *, phase: Any = "target", steps: int = 10, **fields: Any) -> StageRun:
    return StageRun(phase=phase, key=key * 64, steps=steps, **({"seconds": 2.0, "reused": False} | fields))


def scored(score: float, *stages: StageRun) -> TrialResult:
    return TrialResult(languages={"en": score, "de": score}, num_items=100, task_scores={}, stages=stages)


def finish(record: Record, result: TrialResult, *, family: Family = "text") -> None:
    number = record.propose("own", proposal=proposal(family)).number
    record.start("own", number=number)
    record.finish("own", number=number, result=result)


def test_an_interrupted_sweep_is_to_be_resumed_and_its_parts_add_up(record: Record, printed: Any) -> None:
    finish(record, scored(0.5, stage("a")))
    record.propose("own", proposal=proposal())
    record.start("own", number=1)
    record.interrupt_running("own")

    said = printed("status", "own")

    assert "1 of 3 trials done (1 finished, 1 interrupted, 1 not proposed yet)" in said
    assert "Next: xstilts resume own" in said


def test_a_sweep_that_is_driven_is_not_to_be_resumed(record: Record, printed: Any) -> None:
    finish(record, scored(0.5, stage("a")))

    with own_sweep(record, "own"):
        driven = printed("status", "own")

    assert "Next: xstilts best own" in driven
    assert "Next: xstilts resume own" in printed("status", "own")


def test_a_complete_sweep_leads_to_its_best_trials_or_to_its_errors(record: Record, printed: Any) -> None:
    for number in range(3):
        record.propose("own", proposal=proposal())
        record.start("own", number=number)
        record.fail("own", number=number, error="the loss is not finite at step 3")
    failed = printed("status", "own")
    record.plan("own", planned_trials=4)
    finish(record, scored(0.5, stage("a")))

    assert 'Next: xstilts sql own "SELECT number, error FROM trials"' in failed
    assert "Next: xstilts best own" in printed("status", "own")


def test_every_mean_is_the_same_or_says_what_it_is_a_mean_of(record: Record, printed: Any, tmp_path: Path) -> None:
    finish(record, scored(0.4, stage("f"), stage("0", phase="evaluation")), family="none")
    for number, (key, score) in enumerate((("a", 0.5), ("a", 0.6), ("b", 0.9)), start=1):
        own = (stage(key, phase="intermediate"), stage(str(number)), stage("cde"[number - 1], phase="evaluation"))
        finish(record, scored(score, *own))

    assert re.search(r"text 3 66\.7 .*mean: over the trials of the family", printed("best", "own", "--by", "family"))
    assert "text 0.666667" in printed("sql", "own", MEAN)
    assert re.search(
        r"text 3 1 72\.5 .*mean: over seeds: trials of one checkpoint count as one", printed("compare", "own")
    )
    printed("report", "own", "--out", "own.html")
    page = (tmp_path / "own.html").read_text()
    assert "72.50" in page
    assert "Means are over seeds: trials of one checkpoint count as one" in page


def test_the_cost_of_lower_rungs_is_told(record: Record, printed: Any) -> None:
    trunk = stage("t", steps=8, is_trunk=True)
    lower = scored(0.5, trunk, stage("a", steps=2, steps_before=8), stage("e", phase="evaluation", steps=0))
    higher = scored(0.6, stage("b", steps=42, steps_before=8), stage("f", phase="evaluation", steps=0))
    record.propose("own", proposal=proposal())
    record.start("own", number=0)
    record.measure("own", number=0, result=lower, rung=0)
    record.finish("own", number=0, result=higher, rung=1)

    for command, without in (
        (["status", "own"], "Had nothing been shared: 52 steps"),  # as the last lines of search
        (["show", "own", "0"], "Without shared stages and lower rungs: 50 steps"),
    ):
        said = printed(*command)
        assert re.search(r"Cost: 52 steps, 10 s .* of these, lower rungs: 2 steps, 4 s", said)
        assert without in said


def measured_at_two_rungs(record: Record, *, number: int, reused: bool) -> None:
    """Add a trial whose rungs train from scratch, as with a linear schedule."""
    record.propose("own", proposal=proposal())
    record.start("own", number=number)
    record.measure("own", number=number, result=scored(0.5, stage("a", steps=10, reused=reused)), rung=0)
    record.finish("own", number=number, result=scored(0.6, stage("b", steps=30, reused=reused)), rung=1)


def test_what_nothing_shared_would_have_cost_is_never_below_what_was_paid(record: Record) -> None:
    measured_at_two_rungs(record, number=0, reused=False)
    alone = sweep_status(record, sweep="own")
    measured_at_two_rungs(record, number=1, reused=True)
    shared = sweep_status(record, sweep="own")

    assert (alone.steps_paid, alone.steps_unshared, alone.steps_if_alone) == (40, 40, 30)
    assert (shared.steps_paid, shared.steps_unshared, shared.seconds_unshared) == (40, 80, 8.0)


def test_a_trial_without_a_result_would_have_paid_what_it_paid(record: Record) -> None:
    record.propose("own", proposal=proposal())
    record.start("own", number=0)
    record.add_stage("own", number=0, rung=0, stage=stage("a", steps=10))
    record.fail("own", number=0, error="the loss is not finite at step 3")

    found = sweep_status(record, sweep="own")

    assert (found.steps_paid, found.steps_unshared, found.steps_if_alone) == (10, 10, 0)


def test_the_model_of_a_trial_with_rungs_is_its_last_target_stage(record: Record, printed: Any) -> None:
    finish(record, scored(0.6, stage("d", steps=8, is_trunk=True), stage("b", steps=42, steps_before=8)))

    assert "does not have stage bbbbbbbbbbbb of trial 0" in printed("export", "own", "0", "model", code=1)


def test_a_sweep_without_rungs_has_no_cost_of_lower_rungs(record: Record, printed: Any) -> None:
    finish(record, scored(0.5, stage("a")))

    assert "lower rungs" not in printed("status", "own")


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (["search"], f"({', '.join(shipped_specs())}), or the path of a YAML file"),
        (["best"], "`xstilts status` lists the sweeps"),
        (["resume"], "`xstilts status` lists the sweeps"),
    ],
    ids=" ".join,
)
def test_a_missing_argument_says_where_it_is_found(words: list[str], step: str, printed: Any) -> None:
    assert step in printed(*words, code=2)


@pytest.mark.usefixtures("record")
def test_a_spec_without_a_description_is_described_by_its_name(printed: Any, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("name: mine\ntrials: 1\nfamilies: {none: {}}\n")

    assert printed("spaces", "my.yaml").startswith("mine File: my.yaml")


def test_a_long_next_step_keeps_its_command_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_next("xstilts run trial.yaml", what="a trial with " + "many words " * 8)

    _, command, *what = capsys.readouterr().out.splitlines()
    assert command == "Next: xstilts run trial.yaml"
    assert max(map(len, what)) <= 80


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("seach", ("search", "spaces", "stages"), ["search"]),
        ("task", ("tasks", "status", "stages"), ["tasks"]),
        ("plot", ("report", "export"), []),
        ("MNLI", ("mnli", "xnli"), ["mnli"]),
        ("warmup_steps", ("steps", "adam_epsilon"), ["steps"]),
        ("freeze", ("freeze_layers", "freeze_embeddings"), ["freeze_layers", "freeze_embeddings"]),
        ("num_step", ("num_steps", "num_stage"), ["num_steps"]),
        ("lr", ("learning_rate", "layer"), []),
    ],
)
def test_only_what_is_near_is_named(name: str, known: tuple[str, ...], near: list[str]) -> None:
    assert re.findall(r"'(\w+)'", near_matches(name, known)) == near


@pytest.mark.parametrize("missing", ["dev.csv", "train_dev.csv"])
def test_the_training_file_is_not_proposed_as_validation_data(missing: str, printed: Any, tmp_path: Path) -> None:
    task = write_own_task(tmp_path)
    task.write_text(task.read_text().replace("dev.csv", missing))
    (tmp_path / "dev.csv").rename(tmp_path / "dev_2.csv")

    said = printed("tasks", "check", str(task), code=2)

    assert f"the file '{missing}' does not exist" in said
    assert "'train.csv'" not in said
