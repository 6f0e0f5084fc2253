"""A rank that is cut off from the other by its network, in the middle of training: real hosts, as namespaces."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from search.record import open_record
from tests.cluster.clusters import MAIN, spec_of
from tests.cluster.hosts import Host, Hosts, NoHostsError, running_hosts
from tests.cluster.test_cluster import NOTICED_SOON
from trainables.stage_store import StageStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

RAY = str(Path(sys.executable).with_name("ray"))
PORT = "6380"
WITHIN = 1e-3
SECONDS = 400.0


@pytest.fixture
def hosts(tiny_encoder: Path, tiny_mirror: Path, tmp_path: Path) -> Iterator[Hosts]:  # noqa: ARG001
    """Three hosts with room for one rank each, in a Ray cluster."""
    environment = {
        "XSTILTS_MIRROR": str(tiny_mirror),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "datasets-cache"),
        **NOTICED_SOON,
    }
    try:
        with running_hosts(tmp_path / "hosts", ["head", "one", "two"], environment=environment) as made:
            for host in made.hosts[1:]:
                head = ["--head", "--port", PORT, "--include-dashboard", "false"]
                where = head if host.name == "head" else ["--address", address(made)]
                started = host.run(
                    *[RAY, "start", *where, "--node-ip-address", host.address, "--num-cpus", "1"],
                    "--disable-usage-stats",
                    environment=environment,
                )
                assert started.returncode == 0, started.stdout + started.stderr
            yield made
    except NoHostsError as error:
        pytest.skip(str(error))


def address(hosts: Hosts) -> str:
    return f"{hosts.hosts[1].address}:{PORT}"


def search(hosts: Hosts, home: Path, encoder: Path) -> subprocess.Popen[bytes]:
    """Start a sweep of one trial with two ranks, on the head."""
    home.mkdir()
    engine = {"num_workers": 2, "zero_stage": 2, "threads_per_rank": 1}
    spec = spec_of("cut", encoder, trials=1, concurrency=1, steps=400, engine=engine)
    spec["search"] = {"target.learning_rate": {"choice": [1e-3]}}
    (home / "spec.yaml").write_text(yaml.safe_dump(spec))
    variables = hosts.environment | {"XSTILTS_HOME": str(home), "RAY_ADDRESS": address(hosts)}
    words = [sys.executable, "-c", MAIN, "search", str(home / "spec.yaml")]
    with (home / "driver.log").open("wb") as log:
        return subprocess.Popen(hosts.hosts[1].command(*words, environment=variables), stdout=log, stderr=log)


def weights(home: Path) -> dict[str, torch.Tensor]:
    with open_record(home / "record.db") as record:
        stage = record.stages("cut")[0]
    found = StageStore(home / "store").find(stage.key)
    assert found is not None
    return load_file(found.folder / "model.safetensors")


def wait_for_checkpoint(home: Path, driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not list((home / "store").glob("checkpoints/*/*/manifest.json")):
        assert time.monotonic() < deadline, (home / "driver.log").read_text()
        assert driver.poll() is None, (home / "driver.log").read_text()
        time.sleep(0.2)


def host_with_a_rank(hosts: Hosts) -> Host:
    """Return one beside the head: without that the cluster itself would be gone."""
    return next(host for host in hosts.hosts[2:] if any("ray::RankActor" in line for line in host.processes()))


def test_a_trial_goes_on_when_one_of_its_two_ranks_is_cut_off(hosts: Hosts, tiny_encoder: Path, tmp_path: Path) -> None:
    unbroken, cut = tmp_path / "unbroken", tmp_path / "cut"
    assert search(hosts, unbroken, tiny_encoder).wait(SECONDS) == 0, (unbroken / "driver.log").read_text()
    driver = search(hosts, cut, tiny_encoder)
    wait_for_checkpoint(cut, driver)

    hosts.cut(host_with_a_rank(hosts))

    assert driver.wait(SECONDS) == 0, (cut / "driver.log").read_text()
    with open_record(cut / "record.db") as record:
        (trial,) = record.trials("cut")
        kinds = [event.kind for event in record.events("cut")]
    assert trial.state == "finished"
    assert kinds.count("lost") + trial.attempts - 1 >= 1  # the trial's own process may have been on that host
    after = weights(cut)
    apart = max(float((after[name] - one).abs().max()) for name, one in weights(unbroken).items())
    assert apart <= WITHIN
