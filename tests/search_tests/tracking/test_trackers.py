"""What trackers have after a sweep: MLflow from a real server, W&B's offline files, TensorBoard's event files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from search.home import Home
from search.record import open_record
from search.tracking.losses import LossCollector
from search.tracking.messages import Message
from search.tracking.tracker import catch_up, log_of, order_of
from search.tracking.trial_updates import update_of
from spaces.track import SinkConfig
from tests.search_tests.tracking.conftest import finish
from tests.search_tests.tracking.mlflow_server import MlflowServer
from trainables.monitoring.progress import Progress, ProgressFile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    running = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    running.start()
    yield running
    running.close()


@pytest.fixture
def losses(home: Home) -> None:
    """Losses of trial 2 that were collected while it ran, at steps 10 and 20, before it finished."""
    with open_record(home.record, read_only=True) as record:
        order = order_of(record, home=home, sweep="demo", sinks=())
    report = ProgressFile(home.progress_path("demo", number=2))
    collector = LossCollector("demo", progress=home.progress_folder("demo"), file=Path(order.folder) / "losses.jsonl")
    for step, loss in ((10, 2.0), (20, 1.5)):
        report(Progress(phase="target", step=step, num_steps=20, loss=loss))
        collector.collect()
    finish(home, 2, 0.7)


def runs(server: MlflowServer) -> dict[str, Run]:
    """Return trial -> run of the server's experiment."""
    client = MlflowClient(tracking_uri=server.url)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert len({run.data.tags["xstilts.trial"] for run in found}) == len(found), "one run for each trial"
    return {run.data.tags["xstilts.trial"]: run for run in found}


@pytest.mark.usefixtures("losses")
def test_mlflow_has_each_trial_once_and_gets_what_it_missed_while_it_was_down(home: Home, server: MlflowServer) -> None:
    sinks = (SinkConfig(mlflow=server.url),)
    assert catch_up(home, "demo", sinks, seconds=60) == ()
    client, found = MlflowClient(tracking_uri=server.url), runs(server)
    text, none = found["2"], found["1"]

    assert (text.info.status, none.info.status) == ("FINISHED", "FAILED")
    assert text.data.params == {"family": "text", "seed": "7", "target.learning_rate": "0.001"}
    assert text.data.metrics["score"] == pytest.approx(0.7)
    assert text.data.metrics["language/en"] == pytest.approx(0.8)
    curve = client.get_metric_history(text.info.run_id, "target/loss")
    assert [(point.step, point.value) for point in curve] == [(10, 2.0), (20, 1.5)]
    assert none.data.tags["xstilts.error"] == "the loss is not finite at step 3"

    server.send(signal.SIGKILL)
    finish(home, 3, 0.6)
    assert [route.config.kind for route in catch_up(home, "demo", sinks, seconds=20)] == ["mlflow"]
    assert "mlflow: " in log_of(home, "demo").read_text()
    server.start()
    assert catch_up(home, "demo", sinks, seconds=60) == ()
    assert runs(server)["3"].data.metrics["score"] == pytest.approx(0.6)

    for position in (home.scratch.parent / "tracking").rglob("position.json"):
        position.unlink()  # everything is sent a second time
    assert catch_up(home, "demo", sinks, seconds=60) == ()
    assert {trial: run.info.run_id for trial, run in runs(server).items()}.items() >= {("2", text.info.run_id)}
    assert client.get_metric_history(text.info.run_id, "target/loss") == curve


@pytest.mark.usefixtures("losses")
def test_tensorboard_shows_losses_by_step_and_scores_by_rung(home: Home) -> None:
    assert catch_up(home, "demo", (SinkConfig(tensorboard="runs"),), seconds=60) == ()
    run = EventAccumulator(str(home.scratch.parent / "runs/demo/trial-00002")).Reload()

    assert [(point.step, point.value) for point in run.Scalars("target/loss")] == [(10, 2.0), (20, 1.5)]
    assert [(point.step, point.value) for point in run.Scalars("score")] == [(0, pytest.approx(0.7))]
    assert "language/sw" in run.Tags()["scalars"]


def test_tensorboards_library_is_loaded_without_torch() -> None:
    code = """
import sys
from search.tracking.sink import SinkPlace
from search.tracking.tensorboard_sink import TensorBoardSink
TensorBoardSink(SinkPlace(sweep="demo", origin="", target="runs", folder=None, kept={}, environment={}))
loaded = "torch" in sys.modules
import torch
print(loaded, torch.zeros(1).item())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False 0.0\n"


@pytest.mark.usefixtures("losses")
def test_wandb_writes_its_offline_runs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert catch_up(home, "demo", (SinkConfig(wandb="stilts"),), seconds=120) == ()
    files = sorted((home.scratch.parent / "tracking").rglob("*.wandb"))

    assert len(files) == 3
    content = b"".join(file.read_bytes() for file in files)
    for words in (b"target/loss", b"language/sw", b"target.learning_rate", b"demo trial 2"):
        assert words in content


def test_wandb_without_a_key_says_what_to_set_and_asks_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (behind,) = catch_up(home, "demo", (SinkConfig(wandb="stilts"),), seconds=30)

    assert behind.config.kind == "wandb"
    assert "there is no WANDB_API_KEY; set it, or WANDB_MODE=offline" in log_of(home, "demo").read_text()


def test_a_message_that_no_tracker_shows_is_left_out() -> None:
    common = {"sweep": "demo", "id": 1, "time": 0.0}
    assert update_of(Message(**common, trial=None, kind="sweep", payload={})) is None
    assert update_of(Message(**common, trial=1, kind="stage", payload={"rung": 0})) is None
    found = update_of(
        Message(**common, trial=1, kind="measured", payload={"rung": 2, "result": {"languages": {"de": 1}}})
    )
    assert found is not None
    assert [(metric.name, metric.step) for metric in found.metrics] == [("language/de", 2)]
