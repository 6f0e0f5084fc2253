"""A sweep written for other tools, and read back by them."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna_dashboard import wsgi
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import search
from search.cli.main import exit_code
from search.home import find_home
from search.query import best
from search.query.files import as_no_formula
from search.record import Proposal, open_record
from spaces.space.binder import bind
from spaces.space.enumeration import draw
from spaces.sweep_spec import make_space, make_sweep_spec
from tests.search_tests.building import proposal, result

SPEC = make_sweep_spec(
    {
        "name": "made",
        "trials": 12,
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 1000}, "evaluation": {"task": "xnli"}},
        "families": {
            "none": {},
            "text": {"mixture": {"choice": ["anli", "hellaswag"]}, "steps": {"log": [100, 10000]}},
            "multitask": {"mixture": {"simplex": ["anli", "hellaswag", "squad"]}, "steps": {"log": [100, 10000]}},
        },
        "search": {
            "target.learning_rate": {"log": [1e-6, 1e-4]},
            "target.batch_size": {"choice": [16, 32, 64]},
            "target.pooling": {"choice": ["mean", "first"]},
        },
    }
)
NUM_TRIALS = 12
PROPOSAL = proposal("none")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sweep `made`: trials 0 to 8 finished, 9 pruned after a rung, 10 failed, 11 proposed."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    space, chance = make_space(SPEC), random.Random(0)  # noqa: S311  made up
    with open_record(find_home().record) as record:
        record.put_sweep("made", spec=SPEC.model_dump(mode="json"), objective="average", planned_trials=NUM_TRIALS)
        for number in range(NUM_TRIALS):
            assignment = draw(space, generator=chance)
            family: Any = assignment["family"]
            config = bind(space, assignment)
            record.propose("made", proposal=Proposal(family=family, assignment=assignment, config=config, seed=number))
        for number in range(NUM_TRIALS - 1):
            record.start("made", number=number)
        for number in range(NUM_TRIALS - 3):
            record.finish("made", number=number, result=result(0.4 + 0.3 * chance.random()))
        record.measure("made", number=9, result=result(0.9))
        record.prune("made", number=9)
        record.fail("made", number=10, error='the loss, at step 3, is not finite\n("nan")')
    return tmp_path


def export(*words: str | Path) -> int:
    return exit_code(["export", "made", *map(str, words)])


def told() -> pd.DataFrame:
    """The sweep as the record has it, with weights as JSON text."""
    frame = search.open_sweep("made").table()
    nested = [name for name in frame if any(isinstance(value, dict) for value in frame[name])]
    for name in nested:
        frame[name] = [json.dumps(v, sort_keys=True) if isinstance(v, dict) else v for v in frame[name]]
    assert nested
    return frame.astype(object).where(frame.notna(), None)


def same(read: pd.DataFrame) -> None:
    read = read.astype(object).where(read.notna(), None)
    pd.testing.assert_frame_equal(read, told(), check_dtype=False, check_exact=True)


def test_csv_reads_back_equal(home: Path) -> None:
    assert export("--csv", home / "a.csv") == 0
    same(pd.read_csv(home / "a.csv"))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''@a", "\uff1d1", "-", "-1e5x"],
)
def test_no_cell_of_csv_is_a_formula_and_each_can_be_read_back(home: Path, text: str) -> None:
    with open_record(find_home().record) as record:
        number = record.propose(
            "made", proposal=PROPOSAL.model_copy(update={"assignment": {"family": "none", text: text}})
        ).number
        record.start("made", number=number)
        record.fail("made", number=number, error=text)
    assert export("--csv", home / "a.csv", "--parquet", home / "a.parquet") == 0
    with (home / "a.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert not [cell for row in (header, *rows) for cell in row if re.match(r"[=+@\t\r\n\uff1d-]", cell)]
    assert [unquoted(rows[-1][header.index(name)]) for name in ("error", f"'{text}")] == [text, text]
    assert list(pd.read_parquet(home / "a.parquet")["error"])[-1] == text


def unquoted(text: str) -> str:
    """Return a text of csv as it was, by the rule in docs/how-to/query.md."""
    return re.sub(r"^'(?='*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-])", "", text)


@pytest.mark.parametrize("cell", ["-1", "+0.5", "-1e-05", ".5", -1, -0.5, None, True, "'quoted'", "a=b", ""])
def test_numbers_and_plain_texts_stay_as_they_are(cell: object) -> None:
    assert as_no_formula(cell) == cell


def test_parquet_reads_back_equal(home: Path) -> None:
    assert export("--parquet", home / "a.parquet") == 0
    read = pd.read_parquet(home / "a.parquet")
    same(read)
    assert (read["rung"].dtype.kind, read["score"].dtype) == ("f", np.dtype("float64"))


def test_the_study_has_the_same_best_trial_and_states(home: Path) -> None:
    assert export("--optuna", home / "a.db") == 0
    study = optuna.load_study(study_name="made", storage=f"sqlite:///{home / 'a.db'}")
    with open_record(find_home().record, read_only=True) as record:
        (first,) = best(record, sweep="made", top=1)
    assert (study.best_trial.number, study.best_value) == (first.trial, first.score)
    assert study.best_params["target.learning_rate"] == first.assignment["target.learning_rate"]
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 9 + ["PRUNED", "FAIL", "WAITING"]
    assert study.trials[9].intermediate_values == {0: pytest.approx(0.9)}


def test_optuna_dashboard_opens_the_study(home: Path) -> None:
    export("--optuna", home / "a.db")
    app = wsgi(f"sqlite:///{home / 'a.db'}")
    (summary,) = get(app, "/api/studies")["study_summaries"]
    assert (summary["study_name"], summary["directions"]) == ("made", ["maximize"])
    detail = get(app, f"/api/studies/{summary['study_id']}", query="after=0")
    assert len(detail["trials"]) == NUM_TRIALS


def get(app: Any, path: str, *, query: str = "") -> Any:
    """The JSON that a WSGI application answers, without a port."""
    said: list[str] = []
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    body = b"".join(app(environment, lambda status, _headers, *_: said.append(status)))
    assert said[0].startswith("200"), (said, body)
    return json.loads(body)


def test_tensorboard_reads_scores_and_parameters(home: Path) -> None:
    assert export("--tensorboard", home / "runs") == 0
    runs = sorted((home / "runs").iterdir())
    assert len(runs) == 10
    events = EventAccumulator(str(runs[9])).Reload()
    assert events.Scalars("score")[0].value == pytest.approx(0.9)
    assert events.Scalars("language/de")[0].value == pytest.approx(0.9)
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_an_export_never_replaces(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "a.csv").write_text("mine")
    assert export("--csv", home / "a.csv") == 2
    assert "an export replaces nothing" in capsys.readouterr().err
    assert (home / "a.csv").read_text() == "mine"
    assert not list(home.glob(".xstilts*"))


@pytest.mark.parametrize("words", [[], ["0"], ["0", "model", "--csv", "a.csv"]], ids=" ".join)
@pytest.mark.usefixtures("home")
def test_an_export_of_nothing_or_of_both_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert export(*words) == 2
    assert "either TRIAL and DIR, or files" in capsys.readouterr().err


def test_files_are_told_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("--csv", home / "a.csv", "--parquet", home / "a.parquet", "--json") == 0
    said = json.loads(capsys.readouterr().out)["files"]
    assert said["csv"] == {"path": str(home / "a.csv"), "trials": NUM_TRIALS}
