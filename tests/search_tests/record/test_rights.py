"""Questions are answered from places that may not be written, and say so in one message where they may not be read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.record import open_record
from search.record.integrity.witness import WitnessFile
from tests.rights import close, freeze, run_by_rights
from tests.search_tests.building import proposal, result
from trainables.stage_store import StageFacts, StageStore

QUESTIONS = [
    *(["status"], ["status", "demo"], ["best", "demo"], ["show", "demo", "0"], ["compare", "demo"]),
    *(["sql", "demo", "SELECT count(*) FROM trials"], ["export", "demo", "--csv", "trials.csv"]),
    *(["report", "demo", "--out", "demo.html"], ["stages", "gc", "--dry-run", "--max-bytes", "1"]),
    *(["stages", "list"], ["stages", "verify"]),
]


def write_home(home: Path, *, leave_open: bool = False) -> None:
    """Write a record with three finished trials, and a store with the stage that they share.

    Args:
        home: Where.
        leave_open: Leave the record as a killed writer does: with its write-ahead log.
    """
    place = home / "living.db"
    record = open_record(place)
    record.put_sweep("demo", spec={}, objective="average", planned_trials=3)
    for number in range(3):
        record.propose("demo", proposal=proposal("text" if number else "none"))
        record.start("demo", number=number)
        record.finish("demo", number=number, result=result(0.5 + number / 10))
    if leave_open:
        copy_record(home)
    record.close()
    if not leave_open:
        copy_record(home)
    write_stage(home)


def copy_record(home: Path) -> None:
    place = home / "living.db"
    for suffix in ("", "-wal", ".witness"):
        beside = place.with_name(place.name + suffix)
        if beside.exists():
            shutil.copy(beside, home / f"record.db{suffix}")


def write_stage(home: Path) -> None:
    store, key = StageStore(home / "store"), "a" * 64
    with store.lease(key), store.work_folder(key) as folder:
        (folder / "weights").write_bytes(b"weights")
        facts = {"phase": "target", "parent": None, "steps": 10, "seconds": 2.5}
        store.commit(key, folder=folder, facts=StageFacts(**facts, scores={}, counts={}, made_with={}))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_home(tmp_path / "home")
    return tmp_path / "home"


def files_of(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def answers(home: Path, folder: Path) -> list[str]:
    """Return what is said to every question, which must be answered."""
    ended = run_by_rights(QUESTIONS, folder=folder, home=home)
    assert [one for one in ended if one.code or one.err] == []
    return [one.out for one in ended]


def _unsealed(home: Path) -> None:
    file = WitnessFile.open(home / "record.db", make=False)
    assert file is not None
    said = file.read()
    assert said is not None
    file.note(event=said.event, chain=said.chain)
    file.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "prepare",
    [lambda _: None, _unsealed, lambda home: (home / "record.db.witness").unlink()],
    ids=["closed in order", "not sealed", "without a witness"],
)
def test_a_home_that_may_not_be_written_answers_every_question_and_stays_as_it_is(
    prepare: Callable[[Path], None], home: Path, tmp_path: Path
) -> None:
    prepare(home)
    before = files_of(home)
    freeze(home)

    said = answers(home, tmp_path)

    assert "1 stage verified, 0 damaged" in said[-1].splitlines()
    assert files_of(home) == before


@pytest.mark.slow
def test_a_record_that_a_killed_writer_left_is_read_with_its_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_home(home, leave_open=True)
    before = files_of(home)
    freeze(home)

    assert (home / "record.db-wal").stat().st_size
    assert "3/3" in answers(home, tmp_path)[0]
    assert files_of(home) == before


@pytest.fixture
def read_only_disk(home: Path, tmp_path: Path) -> Iterator[Path]:
    """The home on a disk that is mounted read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    commands = (["mount", "--bind", str(home), str(place)], ["mount", "-o", "remount,ro,bind", str(place)])
    if os.geteuid() != 0 or any(subprocess.run(one, capture_output=True, check=False).returncode for one in commands):
        pytest.skip("mounting a disk needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_a_home_on_a_read_only_disk_answers_every_question(read_only_disk: Path, tmp_path: Path) -> None:
    answers(read_only_disk, tmp_path)


@pytest.mark.slow
def test_what_has_to_be_written_says_so_in_one_message(home: Path, tmp_path: Path) -> None:
    freeze(home)
    store = ["--store", str(tmp_path / "other")]

    writing = [["confirm", "demo", *store], ["report", "demo", "--out", str(home / "x.html")], ["stages", "gc"]]
    ended = run_by_rights(writing, folder=tmp_path, home=home)

    assert [(one.code, one.out, one.err.count("\n")) for one in ended] == [(2, "", 1)] * len(ended)
    assert "cannot be written" in ended[0].err


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["home", "home/store", "home/store/stages/aa"])
def test_what_may_not_be_read_is_one_message(closed: str, home: Path, tmp_path: Path) -> None:
    close(tmp_path / closed)
    questions = QUESTIONS if closed == "home" else [["stages", "verify"], ["stages", "list"]]

    ended = run_by_rights(questions, folder=tmp_path, home=home)

    assert [(one.code, one.out, one.err.count("\n")) for one in ended] == [(2, "", 1)] * len(ended)
    assert [one for one in ended if "cannot be read" not in one.err] == []


def test_a_stage_that_may_not_be_read_is_not_called_damaged(home: Path, tmp_path: Path) -> None:
    close(next((home / "store" / "stages").rglob("weights")))

    (ended,) = run_by_rights([["stages", "verify"]], folder=tmp_path, home=home)

    assert (ended.code, ended.out) == (2, "")
    assert "weights' (Permission denied)" in ended.err


@pytest.mark.slow
def test_doctor_names_what_may_not_be_read(home: Path, tmp_path: Path) -> None:
    close(home)

    (ended,) = run_by_rights([["doctor"]], folder=tmp_path, home=home)

    assert (ended.code, ended.err) == (1, "")
    assert [line.split()[1] for line in ended.out.splitlines() if line.startswith("FAIL")] == [
        *("store", "record", "quarantine", "leftovers"),
    ]
