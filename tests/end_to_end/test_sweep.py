"""A sweep through the command line, on a real local Ray, with everything killed that can be killed.

One sweep goes through all of it, since each start of Ray costs seconds: its driver is killed (`killed`), the same
command finishes it (`finished`), and a longer plan loses a trial's process and is then interrupted (`interrupted`).
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import yaml

from search.record import Record, TrialRow, open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, Driver, Ended, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NUM_TRIALS = 4
CONCURRENCY = 2


def in_state(record: Record, state: str) -> list[TrialRow]:
    return [trial for trial in record.trials("tiny") if trial.state == state]


def just_started(record: Record) -> list[TrialRow]:
    """Return the running trials that took the place of a finished one: they have most of their work before them."""
    return [trial for trial in in_state(record, "running") if trial.number >= CONCURRENCY]


@pytest.fixture(scope="module")
def home(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """XSTILTS_HOME, which also holds the spec of the sweep."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "tiny",
        "trials": NUM_TRIALS,
        "concurrency": CONCURRENCY,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "intermediate": phase,
            # Long enough that what runs when its driver is killed does not end before Ray ends it.
            "target": {"mixture": {"mnli": 1.0}, "steps": 600, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 20}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(spec))
    return folder


@pytest.fixture(scope="module")
def beside() -> dict[str, tuple[int, str]]:
    """Exit code and standard error of commands that ran beside a driver, by the fixture that started them."""
    return {}


def start_beside(home: Path) -> subprocess.Popen[str]:
    """Start the command that another process runs already, or just now."""
    command = [XSTILTS, "search", str(home / "tiny.yaml")]
    return subprocess.Popen(
        command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, stderr


@pytest.fixture(scope="module")
def killed(home: Path, beside: dict[str, tuple[int, str]]) -> Ended:
    """The sweep after its driver was killed, with a trial finished and another running."""
    driver = Driver(home, "search", str(home / "tiny.yaml"))
    driver.wait_until(lambda record: bool(record.sweeps()) and bool(in_state(record, "running")))
    second = start_beside(home)
    driver.wait_until(lambda record: bool(in_state(record, "finished")) and bool(just_started(record)))
    ended = driver.end(signal.SIGKILL)
    beside["killed"] = end_of(second)
    return ended


@pytest.fixture(scope="module")
def finished(home: Path, killed: Ended, beside: dict[str, tuple[int, str]]) -> Ended:  # noqa: ARG001
    """The sweep after the same command, run twice at once, has run it to its end."""
    second = start_beside(home)
    ended = Driver(home, "search", str(home / "tiny.yaml")).end()
    beside["finished"] = end_of(second)
    return ended


@pytest.fixture(scope="module")
def interrupted(home: Path, finished: Ended) -> Ended:  # noqa: ARG001
    """The sweep with a longer plan, after a trial's process was killed and had a successor, and then Ctrl-C."""
    driver = Driver(home, "resume", "tiny", "--trials", "1000")
    driver.wait_until(lambda record: bool(in_state(record, "running")))
    with open_record(home / "record.db") as record:
        process = [event.payload["process"] for event in record.events("tiny") if event.kind == "running"][-1]
    os.kill(int(str(process)), signal.SIGKILL)
    driver.wait_until(lambda record: record.trial("tiny", number=NUM_TRIALS).attempts == 2)
    return driver.end(signal.SIGINT)


def test_a_killed_driver_leaves_what_was_finished_and_no_process(killed: Ended) -> None:
    assert killed.exit_code == -signal.SIGKILL
    assert killed.processes_left == []
    assert {trial.state for trial in killed.trials} >= {"finished", "running"}


def test_a_second_command_shows_the_sweep_and_says_when_its_driver_is_gone(
    killed: Ended, beside: dict[str, tuple[int, str]]
) -> None:
    exit_code, stderr = beside["killed"]

    assert exit_code == 3
    assert "Sweep tiny is driven by" in stderr
    assert "finished" in stderr
    assert "xstilts resume tiny" in stderr
    assert all(trial.attempts <= 1 for trial in killed.trials)


def test_of_two_commands_at_once_one_drives_and_both_end_with_the_result(
    finished: Ended, beside: dict[str, tuple[int, str]]
) -> None:
    exit_code, stderr = beside["finished"]

    assert (finished.exit_code, exit_code) == (0, 0)
    assert ["is driven by" in said for said in (finished.stderr, stderr)].count(True) == 1
    assert max(trial.attempts for trial in finished.trials) <= 2


def test_the_same_command_finishes_a_killed_sweep_with_the_planned_trials(finished: Ended) -> None:
    assert (finished.exit_code, finished.processes_left) == (0, [])
    assert [trial.state for trial in finished.trials] == ["finished"] * NUM_TRIALS
    assert {trial.family for trial in finished.trials} == {"none", "text"}
    assert all(trial.score is not None and 0 <= trial.score <= 1 for trial in finished.trials)


def test_what_was_finished_is_not_run_again(killed: Ended, finished: Ended) -> None:
    before = [trial for trial in killed.trials if trial.state == "finished"]

    assert len(before) > 0
    assert [finished.trials[trial.number] for trial in before] == before
    assert {trial.attempts for trial in before} == {1}


def test_what_was_running_is_run_again_as_it_was_proposed(killed: Ended, finished: Ended) -> None:
    before = [trial for trial in killed.trials if trial.state == "running"]
    after = [finished.trials[trial.number] for trial in before]

    assert {trial.attempts for trial in after} == {2}
    assert [trial.config for trial in after] == [trial.config for trial in before]


def test_trials_with_one_intermediate_phase_share_its_stage(home: Path, finished: Ended) -> None:
    with open_record(home / "record.db", read_only=True) as record:
        stages = [stage for stage in record.stages("tiny") if stage.phase == "intermediate"]

    numbers = [trial.number for trial in finished.trials if trial.family == "text"]
    assert [stage.trial for stage in stages] == numbers
    assert len({stage.key for stage in stages}) == 1


def test_a_trial_whose_process_was_killed_runs_again(interrupted: Ended) -> None:
    lost = [trial for trial in interrupted.trials[NUM_TRIALS:] if trial.attempts == 2]

    assert len(lost) > 0
    assert {trial.state for trial in lost} <= {"finished", "interrupted"}


def test_ctrl_c_says_how_to_go_on_and_keeps_everything(interrupted: Ended, finished: Ended) -> None:
    assert interrupted.exit_code == 3
    assert "xstilts resume tiny" in interrupted.stderr
    assert "KeyboardInterrupt" not in interrupted.stderr
    assert interrupted.processes_left == []
    assert interrupted.trials[:NUM_TRIALS] == finished.trials
    assert {trial.state for trial in interrupted.trials} <= {"finished", "interrupted", "proposed"}


def test_in_the_end_nothing_runs_of_any_driver(killed: Ended, finished: Ended, interrupted: Ended) -> None:
    _, alive = psutil.wait_procs(killed.processes | finished.processes | interrupted.processes, timeout=120)

    assert alive == []
