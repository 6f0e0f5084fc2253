"""Files of a record that are cut, flipped, zeroed or deleted: no question is answered wrongly without a word.

XSTILTS_DAMAGES is how many damages are tried (40 unless told; `make faults` tries 200).
"""

# ruff: noqa: S311  random damage is no secret
from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search.errors import SearchError
from search.query import best, report_trial, sweep_statuses
from search.record import open_record
from tests.search_tests.building import proposal, result

pytestmark = pytest.mark.slow

WRITER = Path(__file__).parents[1] / "search_tests" / "building.py"
NUM_DAMAGES = int(os.environ.get("XSTILTS_DAMAGES", "40"))
NUM_TRIALS = 40


def write(home: Path) -> None:
    """Write a record of two sweeps, and close it in order."""
    with open_record(home / "record.db") as record:
        record.put_sweep("demo", spec={"a": 1}, objective="average", planned_trials=NUM_TRIALS)
        record.put_sweep("other", spec={"a": 2}, objective="worst", planned_trials=1)
        for number in range(NUM_TRIALS):
            record.propose("demo", proposal=proposal("text", learning_rate=number / 1000))
            record.start("demo", number=number)
            scored = result(0.3 + (number * 7 % NUM_TRIALS) / 100, key="0123456789abcdef"[number % 16])
            record.measure("demo", number=number, result=scored)
            record.finish("demo", number=number, rung=1, result=scored)


def answers(place: Path) -> list[object]:
    """Return what the commands would print of a record."""
    with open_record(place, read_only=True) as record:
        trials = [report_trial(record, sweep="demo", number=number) for number in range(NUM_TRIALS)]
        return [best(record, sweep="demo", top=NUM_TRIALS), sweep_statuses(record), trials, record.events("demo")]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that was closed in order."""
    home = tmp_path_factory.mktemp("closed")
    write(home)
    return home


@pytest.fixture(scope="module")
def killed(closed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same record after a process that went on writing it was killed: its write-ahead log holds what it wrote."""
    home = tmp_path_factory.mktemp("killed") / "home"
    shutil.copytree(closed, home)
    command = [sys.executable, str(WRITER), str(home / "record.db"), "12", "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        # Killed in the middle of a write, nobody could say whether the last event had been committed.
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    return home


def cut(file: Path, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(max(1, file.stat().st_size)))


def flip(file: Path, chance: random.Random) -> None:
    if size := file.stat().st_size:
        with file.open("r+b") as opened:
            place = chance.randrange(size)
            opened.seek(place)
            (byte,) = opened.read(1)
            opened.seek(place)
            opened.write(bytes([byte ^ (1 << chance.randrange(8))]))


def zero_page(file: Path, chance: random.Random) -> None:
    if pages := file.stat().st_size // 4096:
        with file.open("r+b") as opened:
            opened.seek(4096 * chance.randrange(pages))
            opened.write(bytes(4096))


def delete(file: Path, chance: random.Random) -> None:
    del chance
    file.unlink()


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (cut, flip, flip, flip, zero_page, delete)


def is_wrong_without_a_word(home: Path, wanted: list[object], caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether a damaged record answers something else and says nothing."""
    caplog.clear()
    try:
        found = answers(home / "record.db")
    except SearchError:
        return False
    told = [record for record in caplog.records if record.levelno >= logging.WARNING and "restored" in record.message]
    return found != wanted and not told


@pytest.mark.parametrize("state", ["closed", "killed"])
def test_no_damage_gives_a_wrong_answer_without_a_word(
    state: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source: Path = request.getfixturevalue(state)
    shutil.copytree(source, tmp_path / "whole")
    wanted = answers(tmp_path / "whole" / "record.db")
    chance = random.Random(7)
    silent: list[str] = []

    for number in range(NUM_DAMAGES // 2):
        home = tmp_path / str(number)
        shutil.copytree(source, home)
        files = [file for file in home.iterdir() if file.name in {"record.db", "record.db-wal", "record.db-shm"}]
        file, damage = chance.choice(sorted(files)), chance.choice(DAMAGES)
        damage(file, chance)
        if is_wrong_without_a_word(home, wanted, caplog):
            silent.append(f"{damage.__name__} {file.name} ({number})")
        shutil.rmtree(home)

    assert silent == []
