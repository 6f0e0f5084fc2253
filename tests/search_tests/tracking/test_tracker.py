"""Events reach a sink while a sweep runs; a sink that fails or hangs harms nothing, and has everything later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.home import Home
from search.record import open_record
from search.tracking import tracker
from search.tracking.courier import Position
from search.tracking.tracker import catch_up, log_of, tracking
from spaces.track import SinkConfig
from tests.search_tests.tracking.conftest import finish, last_event
from tests.search_tests.tracking.receiving import Service
from trainables.monitoring.progress import Progress, ProgressFile


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def delivered(home: Home) -> int:
    """Return the id of the last event that the only sink has acknowledged, as its driver wrote it down."""
    found = list(home.scratch.parent.rglob("position.json"))
    return Position.model_validate_json(found[0].read_text()).event if found else 0


@pytest.fixture(autouse=True)
def no_other_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_WEBHOOK_TOKEN", "hunter2-bearer")


@pytest.mark.slow
def test_events_and_losses_arrive_while_the_sweep_runs_and_the_rest_at_its_end(home: Home, service: Service) -> None:
    progress = ProgressFile(home.progress_path("demo", number=2))
    with tracking(home, "demo", (SinkConfig(webhook=service.url),)):
        wait_until(lambda: len(service.ids()) == last_event(home))
        progress(Progress(phase="target", step=10, num_steps=70, loss=1.25))
        wait_until(lambda: any(message["kind"] == "loss" for message in service.received))
        finish(home, 2)

    assert service.ids() == list(range(1, last_event(home) + 1))
    loss = next(message for message in service.received if message["kind"] == "loss")
    assert (loss["trial"], loss["payload"]["loss"]) == (2, 1.25)
    assert {headers["Authorization"] for headers in service.headers} == {"Bearer hunter2-bearer"}
    assert len({headers["Idempotency-Key"] for headers in service.headers}) == len(service.received)
    kinds = [message["kind"] for message in service.received if message["trial"] == 0]
    assert kinds == ["proposed", "running", "measured", "finished"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["refuses", "hangs"])
def test_a_sink_that_fails_or_hangs_delays_nothing_and_has_everything_later(
    home: Home,
    service: Service,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tracker, "SECONDS_TO_END", 3.0)
    service.mode = mode
    sinks = (SinkConfig(webhook=service.url), SinkConfig(tensorboard="runs"))
    started = time.monotonic()
    with tracking(home, "demo", sinks):
        written = time.monotonic()
        finish(home, 2)
        took = time.monotonic() - written
        wait_until((home.scratch.parent / "runs/demo/trial-00002").exists)  # the other sink has it
    assert took < 5
    assert time.monotonic() - started < 40
    assert "To deliver them later: xstilts track demo" in capsys.readouterr().err

    service.mode = "takes"
    service.released.set()
    assert catch_up(home, "demo", sinks, seconds=30) == ()
    assert sorted(set(service.ids())) == list(range(1, last_event(home) + 1))
    assert catch_up(home, "demo", sinks, seconds=0) == (), "nothing is left, so nothing is started"


@pytest.mark.slow
def test_a_new_driver_continues_where_a_killed_one_stopped(home: Home, service: Service) -> None:
    sinks = (SinkConfig(webhook=service.url),)
    with open_record(home.record, read_only=True) as record:
        order = tracker.order_of(record, home=home, sweep="demo", sinks=sinks)
    process = tracker._started(order)
    assert process is not None
    wait_until(lambda: delivered(home) == last_event(home))  # acknowledged and written down, not only received
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finish(home, 2)

    assert catch_up(home, "demo", sinks, seconds=30) == ()
    assert sorted(service.ids()) == list(range(1, last_event(home) + 1)), "nothing is sent twice"


@pytest.mark.slow
def test_no_secret_is_in_any_file(home: Home, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "SECONDS_TO_END", 3.0)
    monkeypatch.setenv("HOOK", f"{service.url}/hunter2-path?key=hunter2-key")
    service.mode = "refuses"
    with tracking(home, "demo", (SinkConfig(webhook="$HOOK"),)):
        wait_until(log_of(home, "demo").exists)
    assert "503" in log_of(home, "demo").read_text()

    service.mode = "takes"
    catch_up(home, "demo", (SinkConfig(webhook="$HOOK"),), seconds=30)
    assert service.ids()
    files = [path for path in home.scratch.parent.rglob("*") if path.is_file()]
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []
    assert "hunter2" not in json.dumps(service.received)


def test_without_sinks_no_process_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with tracking(home, "demo", ()):
        pass


def test_a_missing_library_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    import search

    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "new"))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else found(name, *rest)
    )
    with pytest.raises(search.InputError, match=r"pip install 'xstilts\[track\]'"):
        search.launch("demo", track=[{"mlflow": "http://127.0.0.1:5"}])
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_the_command_delivers_what_is_missing(
    home: Home, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(home.scratch.parent))
    with open_record(home.record) as record:
        spec = {"track": [{"webhook": service.url}]}
        record.put_sweep("tracked", spec=spec, objective="average", planned_trials=1)

    assert exit_code(["track", "tracked"]) == 0
    assert "webhook: everything is delivered" in capsys.readouterr().out
    assert len(service.received) == 1
    assert exit_code(["track", "demo"]) == 2
    assert "has no sinks" in capsys.readouterr().err
