"""The record's contract, over SQLite and over a PostgreSQL server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Index, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from search.errors import (
    RecordDamagedError,
    RecordMissingError,
    RecordNewerError,
    RecordUnusableError,
    ResultDiffersError,
    StateError,
    SweepDiffersError,
    UnknownSweepError,
    UnknownTrialError,
)
from search.record import Proposal, Record, open_record
from search.record.schema import METADATA
from tests.search_tests.building import proposal, result
from trainables.config import EvaluationConfig, TrialConfig
from trainables.errors import ConfigError
from trainables.results import StageRun, TrialResult

GOLDEN = Path(__file__).parents[2] / "golden"


def test_numbers_run_from_zero_without_gaps(record: Record) -> None:
    assert [record.propose("demo", proposal=proposal()).number for _ in range(3)] == [0, 1, 2]


def test_a_proposal_comes_back_as_it_went_in(record: Record) -> None:
    sent = proposal("multimodal", task="vqa", learning_rate=3e-5)
    row = record.propose("demo", proposal=sent)
    assert row.trial_config == sent.config
    assert (row.state, row.family, row.assignment, row.seed) == ("proposed", sent.family, sent.assignment, 7)


def test_a_finished_trial_keeps_its_scores_lineage_and_cost(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    row = record.finish("demo", number=0, result=result(0.5), rung=2)
    assert (row.state, row.rung, row.score, row.attempts) == ("finished", 2, 0.5, 1)
    assert (row.cost_paid_seconds, row.cost_if_alone_seconds) == (2.5, 2.5)
    assert record.measurements("demo")[0].trial_result == result(0.5)
    assert [stage.key for stage in record.stages("demo", number=0)] == ["a" * 64]


@pytest.mark.parametrize(("objective", "score"), [("average", 0.5), ("english", 0.6), ("worst", 0.4)])
def test_a_trial_is_scored_by_the_sweeps_objective(record: Record, objective: str, score: float) -> None:
    record.put_sweep(objective, spec={}, objective=objective, planned_trials=1)  # type: ignore[arg-type]
    record.propose(objective, proposal=proposal())
    assert record.finish(objective, number=0, result=result(0.5)).score == pytest.approx(score)


def test_finishing_again_with_the_same_result_changes_nothing(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    first = record.finish("demo", number=0, result=result())
    num_events = len(record.events("demo"))
    assert record.finish("demo", number=0, result=result(reused=True)) == first
    assert len(record.events("demo")) == num_events


def test_another_result_for_a_finished_trial_is_refused(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.finish("demo", number=0, result=result(0.5))
    with pytest.raises(ResultDiffersError, match="never changes"):
        record.finish("demo", number=0, result=result(0.51))
    assert record.trial("demo", number=0).score == 0.5


def test_a_stage_of_an_earlier_attempt_stays_paid(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    record.add_stage("demo", number=0, rung=0, stage=result().stages[0])
    record.interrupt_running("demo")
    record.start("demo", number=0)
    row = record.finish("demo", number=0, result=result(reused=True))
    assert (row.cost_paid_seconds, row.attempts) == (2.5, 2)


def test_a_stage_found_in_the_store_costs_nothing(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    row = record.finish("demo", number=0, result=result(reused=True))
    assert (row.cost_paid_seconds, row.cost_if_alone_seconds) == (0.0, 2.5)


def test_a_trunk_is_paid_once_over_the_rungs(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    trunk = result().stages[0]
    decay = StageRun(phase="evaluation", key="b" * 64, steps=0, seconds=1.0, reused=False)
    again = trunk.model_copy(update={"reused": True})
    record.measure("demo", number=0, rung=0, result=result(0.3))
    longer = TrialResult.model_validate(result(0.4).model_dump() | {"stages": (again.model_dump(), decay.model_dump())})
    row = record.finish("demo", number=0, rung=1, result=longer)
    assert (row.cost_paid_seconds, row.cost_if_alone_seconds, row.score) == (3.5, 3.5, pytest.approx(0.4))


def test_a_pruned_trial_keeps_its_last_score_and_stays_pruned(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    record.measure("demo", number=0, rung=0, result=result(0.3))
    row = record.prune("demo", number=0)
    assert (row.state, row.rung, row.score) == ("pruned", 0, pytest.approx(0.3))
    with pytest.raises(StateError, match="is pruned and cannot become running"):
        record.start("demo", number=0)


def test_a_failed_trial_says_why_and_may_run_again(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    assert record.fail("demo", number=0, error="the loss is not finite").error == "the loss is not finite"
    again = record.start("demo", number=0)
    assert (again.state, again.error, again.attempts) == ("running", None, 2)


def test_only_running_trials_are_interrupted(record: Record) -> None:
    for _ in range(3):
        record.propose("demo", proposal=proposal())
    record.start("demo", number=1)
    record.finish("demo", number=2, result=result())
    assert record.interrupt_running("demo") == (1,)
    assert [trial.state for trial in record.trials("demo")] == ["proposed", "interrupted", "finished"]


def test_a_late_result_of_an_interrupted_trial_is_kept(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    record.interrupt_running("demo")
    assert record.finish("demo", number=0, result=result()).state == "finished"


def test_every_change_is_an_event_in_order(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.start("demo", number=0)
    record.finish("demo", number=0, result=result())
    events = record.events("demo")
    assert [event.kind for event in events] == ["sweep", "proposed", "running", "measured", "finished"]
    assert record.events("demo", after=events[2].id) == events[3:]


def test_a_refused_change_leaves_no_event(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.finish("demo", number=0, result=result())
    before = record.events("demo")
    with pytest.raises(StateError):
        record.fail("demo", number=0, error="late")
    assert record.events("demo") == before


def test_a_sweep_keeps_its_spec(record: Record) -> None:
    with pytest.raises(SweepDiffersError, match=r"space\.a differ") as caught:
        record.put_sweep("demo", spec={"trials": 4, "space": {"a": 2}}, objective="average", planned_trials=4)
    assert caught.value.fields == ("space.a",)


def test_planned_trials_only_grow(record: Record) -> None:
    assert record.plan("demo", planned_trials=9).planned_trials == 9
    assert record.plan("demo", planned_trials=2).planned_trials == 9


def test_an_unknown_sweep_names_near_matches(record: Record) -> None:
    with pytest.raises(UnknownSweepError, match="did you mean 'demo'"):
        record.sweep("dmeo")


def test_an_unknown_trial_says_which_there_are(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    with pytest.raises(UnknownTrialError, match="has trials 0 to 0"):
        record.trial("demo", number=5)


def test_an_english_objective_needs_english_scored(record: Record) -> None:
    record.put_sweep("strict", spec={}, objective="english", planned_trials=1)
    config = TrialConfig(evaluation=EvaluationConfig(languages=("de",)))
    blind = Proposal(family="none", assignment={}, config=config, seed=0)
    with pytest.raises(ConfigError, match=r"evaluation\.languages"):
        record.propose("strict", proposal=blind)


def _writer(where: str, count: int) -> subprocess.Popen[bytes]:
    script = Path(__file__).parents[1] / "building.py"
    return subprocess.Popen([sys.executable, str(script), where, str(count)])


@pytest.mark.slow
def test_processes_that_write_at_once_lose_and_repeat_nothing(new_place: Callable[[], str]) -> None:
    writers = [_writer(new_place(), 15) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with open_record(new_place(), read_only=True) as record:
        assert [trial.number for trial in record.trials("shared", states=("finished",))] == list(range(45))


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    place = str(tmp_path / "record.db")
    with _writer(place, 10_000) as writer:
        _wait_for_trials(place)
        writer.kill()
    with open_record(place) as record:
        finished = [event.trial for event in record.events("shared") if event.kind == "finished"]
        assert finished == [trial.number for trial in record.trials("shared", states=("finished",))]
        assert len(record.measurements("shared")) == len(finished)


def _wait_for_trials(place: str) -> None:
    for _ in range(300):
        time.sleep(0.05)
        with sqlite3.connect(place, timeout=5) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name='events'").fetchone()[0]
            if tables and connection.execute("SELECT count(*) FROM events").fetchone()[0] > 40:
                return
    pytest.fail("the writer wrote nothing")


def test_reading_makes_no_record(tmp_path: Path) -> None:
    with pytest.raises(RecordMissingError, match="xstilts search demo"):
        open_record(tmp_path / "home" / "record.db", read_only=True)
    assert not (tmp_path / "home").exists()


def test_a_reader_changes_nothing(record: Record) -> None:
    with open_record(record.where, read_only=True) as reader, pytest.raises(RecordUnusableError, match=r"read-?only"):
        reader.propose("demo", proposal=proposal())


def test_a_newer_record_is_refused(tmp_path: Path) -> None:
    open_record(tmp_path / "record.db").close()
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    with pytest.raises(RecordNewerError, match="version 99, and this xstilts knows 3; update xstilts"):
        open_record(tmp_path / "record.db")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.db").write_text("not a database " * 100)
    with pytest.raises(RecordDamagedError, match=r"record\.db is damaged"):
        open_record(tmp_path / "record.db")


def test_an_unwritable_place_is_named() -> None:
    with pytest.raises(RecordUnusableError, match="must be writable"):
        open_record("/proc/nowhere/record.db")


def test_an_unknown_database_is_named() -> None:
    with pytest.raises(RecordUnusableError, match="names no known database"):
        open_record("nosql://host/x")


def sorted_indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_the_schema_is_the_golden_one(dialect: sqlite.dialect) -> None:
    tables = [str(CreateTable(table).compile(dialect=dialect)).strip() for table in METADATA.sorted_tables]
    indexes = [str(CreateIndex(i).compile(dialect=dialect)) for t in METADATA.sorted_tables for i in sorted_indexes(t)]
    golden = GOLDEN / f"record_schema_{dialect.name}.sql"
    assert "\n".join(tables + indexes) + "\n" == golden.read_text()


def test_a_record_is_durable_at_every_commit(tmp_path: Path) -> None:
    with open_record(tmp_path / "record.db") as record, record.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
