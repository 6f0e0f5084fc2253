"""A sweep whose store is a bucket and whose record is a database, each reached over the network alone.

Tests run in the order in which they stand: the sweep is killed, goes on, and is asked about from another host.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.clusters import MAIN, NUM_TRIALS, spec_of
from tests.cluster.hosts import Host, Hosts, NoHostsError, running_hosts
from tests.cluster.services import PASSWORD, SECRET_KEY, Services, running_services
from tests.postgres import NoServerError
from trainables.ranks.devices import REHEARSAL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS = 240.0
SECRETS = (PASSWORD, SECRET_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host that sweeps, one that asks, and the services that both reach."""

    hosts: Hosts
    services: Services
    environment: dict[str, str]

    @property
    def driver(self) -> Host:
        return self.hosts.hosts[2]

    @property
    def asker(self) -> Host:
        return self.hosts.hosts[3]

    @property
    def search(self) -> list[str]:
        """The command of the sweep, whose record stands in a file."""
        environment = self.environment | self.services.for_bucket
        environment |= {"XSTILTS_RECORD_FILE": "record-url", "TMPDIR": str(self.driver.home / "tmp")}
        words = ["search", "spec.yaml", "--store", self.services.store]
        return self.driver.command(sys.executable, "-c", MAIN, *words, environment=environment)

    def ask(self, *words: str, environment: dict[str, str]) -> Any:
        """Return the JSON that a command prints on the host that asks."""
        command = [sys.executable, "-c", MAIN, *words, "--json"]
        ended = self.asker.run(*command, environment=environment)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def num_finished(self) -> int:
        """Return how many trials are finished, as the asker sees it with the record's URL alone."""
        command = [sys.executable, "-c", MAIN, "status", "services", "--json"]
        ended = self.asker.run(*command, environment={"XSTILTS_RECORD": self.services.record})
        return json.loads(ended.stdout)["states"].get("finished", 0) if ended.returncode == 0 else 0

    def texts(self) -> list[str]:
        """Return what the sweep has left on its host: files, Ray's logs."""
        folders = (self.driver.home / "xstilts-home", self.driver.home / "tmp", self.driver.folder / "ray")
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        assert len(files) > 10
        return [path.read_bytes().decode(errors="replace") for path in files]


@pytest.fixture(scope="module")
def place(tiny_encoder: Path, tiny_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("services")
    environment = {
        "XSTILTS_MIRROR": str(tiny_mirror),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets-cache"),
    }
    try:
        with (
            running_hosts(folder / "hosts", ["services", "driver", "asker"]) as hosts,
            running_services(hosts.hosts[1]) as services,
        ):
            made = Place(hosts=hosts, services=services, environment=environment)
            spec = spec_of("services", tiny_encoder, concurrency=2, steps=1500, engine={"checkpoint_seconds": 2.0})
            (made.driver.home / "spec.yaml").write_text(yaml.safe_dump(spec))
            (made.driver.home / "record-url").write_text(services.record)
            (made.driver.home / "tmp").mkdir()
            yield made
    except (NoHostsError, NoServerError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def killed(place: Place) -> list[str]:
    """What could be read of a sweep when it was killed: its output, its host's processes, its files."""
    with (place.driver.home / "output").open("w") as output:
        search = subprocess.Popen(place.search, stdout=output, stderr=output)
    deadline = time.monotonic() + SECONDS
    while place.num_finished() < 2:
        assert time.monotonic() < deadline, (place.driver.home / "output").read_text()
        assert search.poll() is None, (place.driver.home / "output").read_text()
        time.sleep(2)  # each look is a process, which takes a core from the trials: Ray runs them with less priority
    processes = place.driver.processes()
    place.driver.end_processes()
    search.wait()
    assert len(processes) > 5
    return [(place.driver.home / "output").read_text(), *processes, *place.texts()]


@pytest.fixture(scope="module")
def resumed(place: Place, killed: list[str]) -> str:  # noqa: ARG001
    """What the same command printed that went on."""
    ended = subprocess.run(place.search, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_a_killed_sweep_goes_on_from_bucket_and_database(place: Place, resumed: str) -> None:
    stages = place.ask("sql", "services", "SELECT key FROM stages WHERE NOT reused", environment=with_record(place))

    assert f"{NUM_TRIALS} of {NUM_TRIALS} trials done, 0 failed" in resumed
    keys = [row["key"] for row in stages]
    assert len(keys) == len(set(keys)) >= NUM_TRIALS


def test_another_host_gets_answers_with_the_records_url_alone(place: Place, resumed: str) -> None:  # noqa: ARG001
    (best,) = place.ask("best", "services", "--top", "1", environment=with_record(place))
    shown = place.ask("show", "services", "0", environment=with_record(place))

    assert best["sweep"] == "services"
    assert shown["state"] == "finished"


def test_another_host_gets_answers_with_the_stores_place_alone(place: Place, resumed: str) -> None:  # noqa: ARG001
    """The record is a file here, whose copy is in the bucket; the stages are there already."""
    environment = place.environment | place.services.for_bucket
    words = ["search", "spec.yaml", "--name", "filed", "--store", place.services.store]
    ended = place.driver.run(sys.executable, "-c", MAIN, *words, environment=environment)
    assert ended.returncode == 0, ended.stderr

    store = ("--store", place.services.store)
    (best,) = place.ask("best", "filed", "--top", "1", *store, environment=place.services.for_bucket)
    compared = place.ask("compare", "filed", *store, environment=place.services.for_bucket)
    report = place.ask("report", "filed", *store, environment=place.services.for_bucket)

    (as_before,) = place.ask("best", "services", "--top", "1", environment=with_record(place))
    assert (best["trial"], best["score"]) == (as_before["trial"], as_before["score"])
    assert [group["group"] for group in compared["groups"]] == ["none"]
    assert report["num_bytes"] > 0


def test_no_secret_is_in_a_record_log_answer_or_list_of_processes(
    place: Place, killed: list[str], resumed: str
) -> None:
    asked = place.asker.run(
        sys.executable, "-c", MAIN, "show", "services", "0", "--json", environment=with_record(place)
    )
    report = place.asker.home / "page.html"
    place.ask("report", "services", "--out", str(report), environment=with_record(place) | place.services.for_bucket)
    texts = [*killed, resumed, *place.texts(), asked.stdout + asked.stderr, report.read_text(), place.services.dump()]

    assert [text[:500] for text in texts if any(secret in text for secret in SECRETS)] == []


def with_record(place: Place) -> dict[str, str]:
    return {"XSTILTS_RECORD": place.services.record}


def test_a_trial_over_two_hosts_reads_what_one_of_them_downloads(place: Place) -> None:
    """Each host has one GPU that Ray counts, and the store is a bucket: rank 1's host has no file of rank 0's."""
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--num-cpus=1", "--num-gpus=1"]
    head = ["--head", f"--node-ip-address={place.driver.address}", "--port=6379", "--include-dashboard=false"]
    # Ray asks for a token where its head's home holds one, and a sweep on that host alone has made one.
    environment = place.environment | place.services.for_bucket | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment["RAY_AUTH_MODE"] = "token"
    address = f"{place.driver.address}:6379"
    for host, words in ((place.driver, head), (place.asker, [f"--address={address}"])):
        started = host.run(*ray, *words, environment=environment)
        assert started.returncode == 0, started.stderr
    words = ["search", "spec.yaml", "--name", "spread", "--store", place.services.store, "--trials", "1"]
    engine = {"device": "auto", "num_workers": 2, "zero_stage": 3}
    settings = [f"trial.engine.{name}={value}" for name, value in engine.items()]
    settings += ["trial.target.steps=20", "trial.target.num_dev_items=8"]
    words += [word for setting in settings for word in ("--set", setting)]

    ended = place.driver.run(
        sys.executable, "-c", MAIN, *words, environment=environment | {"RAY_ADDRESS": address, REHEARSAL: "1"}
    )

    assert ended.returncode == 0, ended.stderr
    assert "1 of 1 trial done, 0 failed" in ended.stdout
