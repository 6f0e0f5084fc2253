"""An SQLite record is checked when it is opened, restored where it is damaged, and never answers wrongly in silence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.errors import RecordDamagedError
from search.query import best
from search.record import open_record, own_sweep
from search.record.integrity import snapshots as snapshotting
from search.record.integrity.audit import DisagreementError, audit
from search.record.integrity.snapshots import list_snapshots, take_snapshot
from search.record.integrity.witness import Witness, WitnessFile
from tests.search_tests.building import proposal, result

WRITER = Path(__file__).parents[1] / "building.py"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A record of five finished trials, closed in order."""
    path = tmp_path / "record.db"
    with open_record(path) as record:
        record.put_sweep("demo", spec={"a": 1}, objective="average", planned_trials=9)
        for number in range(5):
            record.propose("demo", proposal=proposal())
            record.start("demo", number=number)
            record.finish("demo", number=number, result=result(0.5 + number / 100))
    return path


def witness(place: Path) -> Witness:
    file = WitnessFile.open(place, make=False)
    assert file is not None
    said = file.read()
    file.close()
    assert said is not None
    return said


def change(place: Path, statement: str) -> None:
    """Change a record as damage would that SQLite does not notice."""
    with sqlite3.connect(place) as connection:
        connection.execute(statement)
    connection.close()


def best_trial(place: Path) -> int:
    with open_record(place, read_only=True) as record:
        return best(record, sweep="demo", top=1)[0].trial


def test_a_record_that_was_closed_in_order_is_not_checked_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the record was checked")

    monkeypatch.setattr("search.record.integrity.guard.examine", refuse)
    assert best_trial(place) == 4


def test_a_copy_of_a_closed_record_is_recognised_by_its_bytes(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    monkeypatch.setattr("search.record.integrity.guard.examine", lambda *_, **__: pytest.fail("the record was checked"))
    assert best_trial(tmp_path / "copy" / "record.db") == 4


def test_every_kind_of_change_follows_from_its_event(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with open_record(path) as record:
        record.put_sweep("demo", spec={"a": 1}, objective="worst", planned_trials=9)
        record.plan("demo", planned_trials=12)
        for number in range(5):
            record.propose("demo", proposal=proposal())
            record.start("demo", number=number)
        record.add_stage("demo", number=0, rung=0, stage=result().stages[0])
        record.wait("demo", number=0, reason="its stage is being made")
        record.start("demo", number=0)
        record.wait("demo", number=0, reason="it was asked to stop", counts=True)
        record.measure("demo", number=1, result=result(0.3))
        record.measure("demo", number=1, rung=1, result=result(0.4, key="b", reused=True))
        record.prune("demo", number=1)
        record.fail("demo", number=2, error="the loss is not finite")
        record.start("demo", number=2)
        record.finish("demo", number=3, result=result(0.6))
        with own_sweep(record, "demo") as ownership:
            ownership.record.interrupt_running("demo")
        assert record.count_states("demo") == {"finished": 1, "interrupted": 3, "pruned": 1}
        assert record.check() == record.events("demo")[-1].id


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE trials SET score = 0.9 WHERE number = 2", "trial 2 of 'demo'"),
        ("UPDATE trials SET config = replace(config, '10', '11') WHERE number = 1", "trial 1 of 'demo'"),
        ("UPDATE trials SET cost_paid_seconds = cost_paid_seconds + 1e-9 WHERE number = 1", "trial 1 of 'demo'"),
        ("DELETE FROM trials WHERE number = 4", "has 4 trials of 'demo'"),
        ("UPDATE scores SET value = 0.1 WHERE trial = 3 AND language = 'sw'", "scores that differ"),
        ("DELETE FROM scores WHERE trial = 3 AND language = 'sw'", "scores that differ"),
        ("UPDATE task_scores SET value = 0.1 WHERE trial = 3", "scores that differ"),
        ("UPDATE measurements SET result = replace(result, '100', '101') WHERE trial = 0", "scores that differ"),
        ("DELETE FROM measurements WHERE trial = 0", "lacks measurements"),
        ("UPDATE stages SET seconds = 9 WHERE trial = 0", "stages that differ"),
        ("DELETE FROM stages WHERE trial = 0", "lacks the stages of trial 0"),
        ("UPDATE sweeps SET objective = 'worst'", "a sweep that differs"),
        ("UPDATE events SET payload = replace(payload, '0.5', '0.6') WHERE id = 4", "event 4 of sweep 'demo'"),
        ("UPDATE events SET trial = 1 WHERE id = 3", "event 3 of sweep 'demo'"),
        ("DELETE FROM events WHERE id = 4", "event 5 of sweep 'demo'"),
    ],
)
def test_whatever_differs_from_the_events_is_found(place: Path, statement: str, said: str) -> None:
    change(place, statement)
    with pytest.raises(DisagreementError, match=said):
        audit(place)


def test_a_damaged_record_is_restored_and_the_user_is_told(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(place, "UPDATE trials SET score = 0.9 WHERE number = 2")
    assert best_trial(place) == 4
    (message,) = [record.message for record in caplog.records]
    assert "has a trial that differs from its events: trial 2" in message
    assert "restored from the snapshot" in message
    assert "nothing is lost" in message
    (aside,) = place.parent.glob("record.db.damaged-*[0-9]")
    assert aside.name in message
    with sqlite3.connect(aside) as connection:
        assert connection.execute("SELECT score FROM trials WHERE number = 2").fetchone() == (0.9,)


def test_a_restored_record_says_so_in_its_history_and_goes_on(place: Path) -> None:
    place.unlink()
    with open_record(place) as record:
        assert record.events("demo")[-1].kind == "restored"
        assert record.propose("demo", proposal=proposal()).number == 5
    assert audit(place).event == witness(place).event


def test_a_record_that_lost_its_end_says_how_much(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(snapshotting.snapshots_folder(place))
    command = [sys.executable, str(WRITER), str(place), "3", "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    shutil.rmtree(snapshotting.snapshots_folder(place), ignore_errors=True)
    (place.parent / "record.db-wal").unlink()

    assert best_trial(place) == 4
    assert "has lost its last 13 events" in caplog.text
    assert "restored from what was left of it" in caplog.text


def test_a_killed_writer_loses_nothing(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    command = [sys.executable, str(WRITER), str(place), "3", "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    with open_record(place, read_only=True) as record:
        assert len(record.trials("shared", states=("finished",))) == 3
    assert caplog.text == ""


def test_an_older_snapshot_is_used_when_the_newest_is_damaged(place: Path) -> None:
    with open_record(place) as record:
        record.fail("demo", number=record.propose("demo", proposal=proposal()).number, error="x")
    newest, older = list_snapshots(place)[:2]
    newest.path.write_bytes(newest.path.read_bytes()[:-4096])
    place.unlink()
    with open_record(place, read_only=True) as record:
        assert record.events("demo")[-1].payload["event"] == older.event


def test_without_any_good_snapshot_the_user_is_told_and_nothing_is_made(place: Path) -> None:
    shutil.rmtree(snapshotting.snapshots_folder(place))
    place.unlink()
    with pytest.raises(RecordDamagedError, match=r"is gone, and no good snapshot"):
        open_record(place)
    assert not place.exists()


def test_a_record_that_others_write_is_not_restored_under_them(place: Path) -> None:
    with open_record(place) as record:
        change(place, "UPDATE trials SET score = 0.9 WHERE number = 2")
        with open_record(place, read_only=True):
            assert not list(place.parent.glob("record.db.damaged-*"))
        assert record.sweep("demo").name == "demo"


def test_a_writer_notices_that_its_file_was_replaced(place: Path) -> None:
    with open_record(place) as record:
        record.plan("demo", planned_trials=20)
        place.unlink()
        with pytest.raises(RecordDamagedError, match="deleted or replaced"):
            record.plan("demo", planned_trials=30)


def test_damage_below_the_file_system_is_found_by_a_full_check_and_then_restored(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(place, "UPDATE trials SET score = 0.9 WHERE number = 2")
    file = WitnessFile.open(place, make=False)
    assert file is not None
    file.seal(event=witness(place).event, chain=witness(place).chain)  # as if the file system had seen no change
    file.close()
    with (
        open_record(place, read_only=True) as record,
        pytest.raises(RecordDamagedError, match="restores the last good"),
    ):
        record.check()
    assert best_trial(place) == 4
    assert "restored from the snapshot" in caplog.text


def test_a_whole_record_is_checked_whole(place: Path) -> None:
    with open_record(place, read_only=True) as record:
        assert record.check() == witness(place).event


def test_a_torn_witness_is_as_none(place: Path) -> None:
    os.truncate(WitnessFile.place(place), 40)
    assert best_trial(place) == 4
    assert witness(place).seal is not None


def test_snapshots_are_taken_while_trials_end(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshotting, "SECONDS_BETWEEN", 0.05)
    for old in list_snapshots(place):
        os.utime(old.path, (0, 0))
    with open_record(place) as record:
        record.fail("demo", number=record.propose("demo", proposal=proposal()).number, error="x")
        last = record.events("demo")[-1].id
        for _ in range(100):
            if list_snapshots(place)[0].event == last:
                break
            time.sleep(0.05)
        newest = list_snapshots(place)[0]
    assert newest.event == last
    assert newest.is_whole()
    assert audit(newest.path, immutable=True).event == last


def test_the_last_few_snapshots_stay(place: Path) -> None:
    for _ in range(5):
        with open_record(place) as record:
            record.propose("demo", proposal=proposal())
    kept = [snapshot.event for snapshot in list_snapshots(place)]
    assert len(kept) == snapshotting.NUM_KEPT
    assert kept[0] == witness(place).event


def test_no_second_snapshot_is_taken_within_the_pause(place: Path) -> None:
    with open_record(place) as record:
        record.propose("demo", proposal=proposal())
        assert not take_snapshot(place, seconds_between=60)
        assert take_snapshot(place)
        assert not take_snapshot(place)


def test_a_full_disk_costs_a_snapshot_and_not_the_record(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshotting, "_copy", refuse)
    with open_record(place) as record:
        record.propose("demo", proposal=proposal())
    assert "no snapshot of the record" in caplog.text
    with open_record(place) as record:
        assert len(record.trials("demo")) == 6
