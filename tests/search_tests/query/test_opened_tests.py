"""A sweep whose tasks open a locked test split says so wherever its results are shown, and is never confirmed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.query.opened_tests import tasks_that_open_tests
from search.record import JsonObject, open_record
from tests.search_tests.building import proposal, result
from tests.search_tests.compare.test_compare import filled
from trainables.tasks import entry_points, registry
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

OPENING = {"sneaky": {"name": "sneaky", "opens_test": True}, "honest": {"name": "honest"}}
SAID = "task sneaky opens a locked test split"


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """A record of a sweep with several families and a task that opens a test split."""
    place = filled(tmp_path / "record.db")
    with open_record(place) as record:
        record.put_sweep("opened", spec={"tasks": OPENING}, objective="average", planned_trials=2)
        record.put_sweep("alone", spec={"tasks": OPENING}, objective="average", planned_trials=2)
        for sweep, families in (("opened", ("none", "text")), ("alone", ("text", "text"))):
            for number, family in enumerate(families):
                record.propose(sweep, proposal=proposal(family))
                record.start(sweep, number=number)
                record.measure(sweep, number=number, result=result())
                record.finish(sweep, number=number, result=result())
    return place


@pytest.mark.parametrize("sweep", ["opened", "alone"])
def test_best_compare_and_report_say_so(
    where: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep: str
) -> None:
    places = ["--record", str(where)]
    store = ["--store", str(tmp_path / "store")]
    assert exit_code(["best", sweep, *places]) == 0
    assert SAID in " ".join(capsys.readouterr().out.split())
    if sweep == "opened":  # a single family has nothing to be compared with
        assert exit_code(["compare", sweep, *places, *store]) == 0
        assert SAID in " ".join(capsys.readouterr().out.split())
        assert exit_code(["compare", sweep, *places, *store, "--json"]) == 0
        assert SAID in json.loads(capsys.readouterr().out)["notes"][0]
    page = tmp_path / "page.html"
    assert exit_code(["report", sweep, *places, *store, "--out", str(page)]) == 0
    assert page.read_text().count(SAID) == 1
    assert "unseen data.." not in page.read_text()


def test_a_sweep_that_learns_from_it_says_so_too(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_record(where) as record:
        priors: JsonObject = {"earlier": {"sweep": "opened", "trials": [], "opens_test": ["sneaky"]}}
        record.put_sweep("learned", spec={"priors": priors}, objective="average", planned_trials=2)
        assert tasks_that_open_tests(record, sweep="learned") == ("sneaky",)
    assert exit_code(["confirm", "learned", "--record", str(where)]) == 2
    assert "sweep 'learned' cannot be confirmed" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--no-test",), ("--again",)])
def test_confirm_refuses_it(where: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert exit_code(["confirm", "opened", "--record", str(where), *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert SAID in said
    assert "`opens_test`" in said


def test_another_sweep_says_nothing(where: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "sweep", "--record", str(where)]) == 0
    assert "locked" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "spec",
    [
        {"families": {"text": {"mixture": {"offered": 1.0}}}},
        {"families": {"control": {"mixture": {"offered@shuffled7": 1.0}}}},
        {"families": {"text": {"mixture": {"tasks": ["offered", "mnli"]}}}},
        {"trial": {"evaluation": {"task": "offered"}}},
    ],
)
def test_an_installed_packages_task_is_found_wherever_the_spec_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: JsonObject
) -> None:
    offered: TaskSpec = task("snli").model_copy(update={"name": "offered", "opens_test": True})

    class Point:
        dist, value, name = None, "package:task", "offered"

        def load(self) -> TaskSpec:
            return offered

    monkeypatch.setattr(registry, "_tasks", dict(registry.tasks()))
    monkeypatch.setattr(entry_points, "_offered", lambda: {"offered": Point()})
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("sweep", spec=spec, objective="average", planned_trials=1)
        record.put_sweep("other", spec={"trial": {}}, objective="average", planned_trials=1)
        assert tasks_that_open_tests(record, sweep="sweep") == ("offered",)
        assert tasks_that_open_tests(record, sweep="other") == ()
