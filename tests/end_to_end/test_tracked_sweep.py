"""A sweep with MLflow as its sink: the server hangs in the middle, is then killed, and starts again after the sweep."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from search.record import Record, TrialRow, open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, Driver, environment
from tests.search_tests.tracking.mlflow_server import MlflowServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECRET = "hunter2-token"  # noqa: S105  made up
SHORT = {
    "name": "tracked",
    "families": "{none: {}, text: {mixture: miniature_qa, steps: 60, learning_rate: 1e-3}}",
    "search": "{target.learning_rate: {log: [1.5e-3, 4e-3]}}",
    "trial.target": "{mixture: miniature_nli, steps: 60, max_length: 64, num_examples: 640}",
    "trial.intermediate": "{num_examples: 640, num_dev_items: 60, max_length: 64}",
    "trial.evaluation": "{task: miniature_nli, num_items: 60, languages: [de, en], max_length: 64}",
    "sampler": "{name: random}",
    "rungs": "{num: 1}",
    "pruner": "{}",
    "order": "fixed",
    "concurrency": "1",
}
NUM_TRIALS = 3


def arguments(*settings: str) -> list[str]:
    given = [*(f"{field}={value}" for field, value in SHORT.items()), *settings]
    return ["search", "demo", "--trials", str(NUM_TRIALS), *(word for one in given for word in ("--set", one))]


def finished(count: int) -> Callable[[Record], bool]:
    return lambda record: len(record.trials("tracked", states=("finished",))) >= count


def essence(trials: tuple[TrialRow, ...]) -> list[object]:
    """Return what two runs of one spec have in common: all but times and costs."""
    return [(trial.number, trial.state, trial.assignment, trial.config, trial.score) for trial in trials]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    running = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    running.start()
    yield running
    running.close()


def test_a_sweep_is_the_same_without_its_sink_and_the_sink_has_everything_later(
    tmp_path: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home, other):
        folder.mkdir()
    driver = Driver(home, *arguments(f'track=[{{"mlflow": "{server.url}"}}]'), sweep="tracked")
    driver.wait_until(finished(1))
    wait_for_a_loss(server)
    server.send(signal.SIGSTOP)  # it hangs: connections are accepted, and nobody answers
    driver.wait_until(finished(2))
    server.send(signal.SIGCONT)
    server.send(signal.SIGKILL)
    ended = driver.end()

    assert (ended.exit_code, ended.processes_left) == (0, [])
    assert "To deliver them later: xstilts track tracked" in ended.stderr
    without = Driver(other, *arguments(), sweep="tracked")
    without.wait_until(finished(NUM_TRIALS))
    plain = without.end()
    assert plain.exit_code == 0, plain.stderr
    assert essence(ended.trials) == essence(plain.trials)

    server.start()
    run(home, "track", "tracked")
    runs = runs_of(server)
    assert [run.data.metrics["score"] for run in runs] == pytest.approx([trial.score for trial in ended.trials])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all("target/loss" in run.data.metrics for run in runs)

    run(home, "report", "tracked", "--out", str(home / "page.html"))
    shutil.rmtree(home / "store")  # weights, which no message reaches
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    with open_record(home / "record.db", read_only=True) as record:
        assert record.sweep("tracked").spec["track"] == [{"mlflow": server.url}]


def run(home: Path, *words: str) -> None:
    ended = subprocess.run([XSTILTS, *words], env=environment(home), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def wait_for_a_loss(server: MlflowServer) -> None:
    """Return when the server has a loss of a trial."""
    end = time.monotonic() + SECONDS
    while not any("target/loss" in run.data.metrics for run in runs_of(server)):
        assert time.monotonic() < end
        time.sleep(0.2)


def runs_of(server: MlflowServer) -> list:
    """Return the runs of the sweep, in the order of their trials."""
    client = MlflowClient(tracking_uri=server.url)
    experiment = client.get_experiment_by_name("tracked")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return sorted(found, key=lambda run: int(run.data.tags["xstilts.trial"]))
