"""Hosts with GPUs come when trials wait for them, and go when nothing needs them, while the sweep still runs.

No GPU is there at the start, and the device is `auto`. Ray's autoscaler is the real one; its cloud is a stand-in of
Ray's own (`tests.cluster.autoscaling`).
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import open_record
from tests.cluster.clusters import MAIN, spec_of
from tests.cluster.hosts import Host, NoHostsError, running_hosts
from trainables.ranks.devices import REHEARSAL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS = 150.0
FOREVER = 1_000_000
"""Steps of a trial that runs until its host ends."""


@dataclass(slots=True, kw_only=True)
class Growing:
    """A cluster that grows and shrinks, on one host."""

    host: Host
    environment: dict[str, str]
    home: Path
    processes: list[subprocess.Popen[Any]]
    num_hosts: list[int] = field(default_factory=list[int])
    """How many hosts there were, a number a change."""

    def read(self) -> None:
        for line in self.processes[0].stdout or ():
            self.num_hosts.append(int(line))

    def wait_for(self, *num_hosts: int) -> None:
        """Wait until these were the numbers of hosts, one after the other."""
        deadline = time.monotonic() + SECONDS
        while self.num_hosts[-len(num_hosts) :] != list(num_hosts):
            assert time.monotonic() < deadline, self.num_hosts
            time.sleep(0.1)

    def search(self) -> None:
        """Start a sweep, which ends with the host."""
        command = self.host.command(sys.executable, "-c", MAIN, "search", "spec.yaml", environment=self.environment)
        with (self.home.parent / "search.log").open("w") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))


@pytest.fixture
def growing(tiny_mirror: Path, tmp_path: Path) -> Iterator[Growing]:
    environment = {
        "XSTILTS_MIRROR": str(tiny_mirror),
        "XSTILTS_HOME": str(tmp_path / "xstilts-home"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "datasets-cache"),
        "RAY_ADDRESS": "auto",
        "RAY_AUTH_MODE": "token",
        REHEARSAL: "1",  # the autoscaler counts GPUs, and ranks compute on the CPU
    }
    try:
        with running_hosts(tmp_path / "hosts", []) as hosts, (tmp_path / "autoscaling.log").open("w") as log:
            command = hosts.laptop.command(sys.executable, "-m", "tests.cluster.autoscaling", environment=environment)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            made = Growing(
                host=hosts.laptop, environment=environment, home=tmp_path / "xstilts-home", processes=[process]
            )
            threading.Thread(target=made.read, daemon=True).start()
            made.wait_for(0)
            yield made
        for process in made.processes:  # their host has ended
            process.wait()
    except NoHostsError as error:
        pytest.skip(str(error))


def test_hosts_come_for_trials_and_an_idle_one_goes_while_the_sweep_runs(growing: Growing, tiny_encoder: Path) -> None:
    (growing.host.home / "spec.yaml").write_text(yaml.safe_dump(spec_of_two_lengths(tiny_encoder)))
    growing.search()

    growing.wait_for(0, 1, 2, 1)

    with open_record(growing.home / "record.db", read_only=True) as record:
        states = [trial.state for trial in record.trials("lengths")]
    assert sorted(states) == ["finished", "running"]


def spec_of_two_lengths(encoder: Path) -> dict[str, object]:
    """Return the spec of two trials, one of which is soon done."""
    spec = spec_of("lengths", encoder, trials=2, sampler={"name": "grid"}, engine={"device": "auto"})
    del spec["trial"]["target"]["steps"]
    return spec | {"search": {"target.steps": {"choice": [10, FOREVER]}}}
