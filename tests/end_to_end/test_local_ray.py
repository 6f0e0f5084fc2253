"""Ray as a sweep starts it on one machine: who reaches it, and what a signal to the whole group does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

LISTENING = """
import ipaddress, psutil
NOT_NEEDED = ("dashboard", "log_monitor", "monitor")
from search.driver.tune_run import RayCluster

with RayCluster():
    import ray
    ray.get(ray.remote(lambda: 1).remote())
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        for one in process.net_connections(kind="inet"):
            address = ipaddress.ip_address(one.laddr.ip.removeprefix("::ffff:"))
            if one.status == psutil.CONN_LISTEN:
                print(process.name(), one.laddr, address.is_loopback)
    ours = [process.pid for process in psutil.Process().children(recursive=True)]
    lines = [" ".join(psutil.Process(one).cmdline()) for one in ours]
    print("not needed:", [line for line in lines if any(f"/{name}.py" in line for name in NOT_NEEDED)])
"""

SIGNALLED = """
import os, psutil, signal
from search.driver.tune_run import RayCluster

with RayCluster():
    import ray

    class Actor:
        def pid(self):
            return os.getpid()

    actor = ray.remote(Actor).remote()
    before = ray.get(actor.pid.remote())
    started = psutil.Process().children(recursive=True)
    for process in started:
        process.send_signal(signal.SIGTERM)
    psutil.wait_procs(started, timeout=1)
    print("same actor:", ray.get(actor.pid.remote(), timeout=20) == before)
print("left:", [process.name() for process in psutil.wait_procs(started, timeout=5)[1]])
"""


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What was found of a Ray that has run one task."""
    return run(LISTENING).splitlines()


def test_a_local_ray_listens_on_the_loopback_alone(said: list[str]) -> None:
    lines = said[:-1]

    assert any(line.startswith("gcs_server") for line in lines)
    assert any("raylet" in line for line in lines)
    assert [line for line in lines if not line.endswith("True")] == []


def test_a_local_ray_has_no_process_that_a_sweep_does_not_need(said: list[str]) -> None:
    assert said[-1] == "not needed: []"


def test_a_signal_to_the_group_leaves_rays_processes_to_the_driver() -> None:
    assert run(SIGNALLED).splitlines() == ["same actor: True", "left: []"]
