"""A sweep on three hosts, one with a broken device: real Ray hosts on this machine, errors planted on one of them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import Event, open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, environment
from tests.end_to_end.loopback_clusters import LOOPBACK, running_cluster
from tests.faults.planting import ECC, LAUNCH, Planting
from trainables.ranks.devices import REHEARSAL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NUM_TRIALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep on a cluster."""

    home: Path
    address: str
    faulty: str
    """Ray's id of the host whose ranks fail."""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the cluster."""
        variables = environment(self.home) | LOOPBACK | {"RAY_ADDRESS": self.address, REHEARSAL: "1"}
        command = [XSTILTS, *words]
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=SECONDS)
        assert ended.returncode == 0, ended.stderr
        return ended

    def answer(self, *words: str) -> Any:
        """Return what a command prints as JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    @property
    def faults(self) -> list[Event]:
        """The device faults on record."""
        with open_record(self.home / "record.db", read_only=True) as record:
            return [event for event in record.events("faulty") if event.kind == "device_fault"]


@contextlib.contextmanager
def sweep_on(folder: Path, planting: Planting, encoder: Path, *hosts: dict[str, float]) -> Generator[Sweep]:
    """Give a sweep on some hosts, the last of which may fail."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "faulty",
        "trials": NUM_TRIALS,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": 10, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
        },
        "families": {"none": {}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    asked = json.dumps({"hosts": hosts, "variables": planting.variables})
    with running_cluster("faulty_cluster", asked, folder=folder) as (said, _):
        yield Sweep(home=folder, **said)


@pytest.fixture
def planting(tmp_path: Path) -> Planting:
    folder = tmp_path / "planting"
    folder.mkdir()
    return Planting(folder=folder)


@pytest.mark.parametrize("text", [ECC, LAUNCH])
def test_a_host_with_a_broken_device_is_set_apart_and_all_trials_are_done(
    text: str, planting: Planting, tiny_encoder: Path, tmp_path: Path
) -> None:
    host = {"num_cpus": 1}
    with sweep_on(tmp_path, planting, tiny_encoder, host, host, host) as sweep:
        planting.plant(text)
        told = sweep.run("search", str(tmp_path / "spec.yaml"))
        status = sweep.answer("status", "faulty")
        faults = sweep.faults
        sweep.run("resume", "faulty", "--trials", str(NUM_TRIALS + 2))
        done = sweep.answer("status", "faulty")
        shown = sweep.run("show", "faulty", str(faults[0].trial)).stdout
        doctor = " ".join(sweep.run("doctor").stdout.split())

    (apart,) = status["set_apart"]
    assert status["states"] == {"finished": NUM_TRIALS}
    assert apart["host"].endswith(f"#{sweep.faulty[:8]}")
    assert apart["gpu"] is None
    assert "quarantined: " in told.stderr
    assert {event.payload["place"]["node"] for event in faults} == {sweep.faulty}  # type: ignore[index, call-overload]
    assert 2 <= len(faults) <= 6
    assert done["states"] == {"finished": NUM_TRIALS + 2}
    assert len(sweep.faults) == len(faults)  # a driver that starts again knows it
    assert f"host {apart['host']} failed" in shown
    assert f"host {apart['host']}, after" in doctor


def test_a_broken_gpu_is_set_apart_and_its_host_goes_on(planting: Planting, tiny_encoder: Path, tmp_path: Path) -> None:
    with sweep_on(tmp_path, planting, tiny_encoder, {"num_cpus": 2, "num_gpus": 2}) as sweep:
        planting.plant(ECC, gpu="1")
        sweep.run("search", str(tmp_path / "spec.yaml"))
        status = sweep.answer("status", "faulty")

    (apart,) = status["set_apart"]
    assert status["states"] == {"finished": NUM_TRIALS}
    assert apart["gpu"] == "1"
    assert len(sweep.faults) <= 6
