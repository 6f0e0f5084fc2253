"""A cluster on hosts that are namespaces, driven from the laptop by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from search.record import JsonObject, Record, open_record
from tests.cluster.hosts import ROOT, Host, Hosts
from tests.cluster.walking import commands, with_changes, with_values

SECONDS = 300.0
NUM_TRIALS = 5
STEPS = 1000
"""Steps of a trial, enough to last longer than ranks need to start: Tune gives a trial that waits for new ranks to old
ones that have become free."""
SHORTER = (
    " --trials 4 --set trial.target.steps=20 --set families.multimodal.steps=10 --set families.text.steps=10"
    " --set families.multitask.steps=10 --set trial.evaluation.num_items=50"
    " --set rungs.num=2 --set trial.target.schedule.warmup_steps=1"
)
"""What makes the document's sweep short: its commands are the same, its scores are not."""
MAIN = "from search.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Hosts with a cluster file on the laptop; `shared` is a folder that all of them see, as a shared disk is."""

    hosts: Hosts
    shared: Path
    environment: dict[str, str]
    lost: list[Host] = field(default_factory=list[Host])
    """Hosts that were cut off."""

    @property
    def members(self) -> list[Host]:
        """The hosts of the cluster, the head first."""
        return [host for host in self.hosts.hosts[1:] if host not in self.lost]

    @property
    def head(self) -> Host:
        return self.members[0]

    @property
    def workers(self) -> list[Host]:
        return self.members[1:]

    @property
    def store(self) -> str:
        return str(self.shared / "store")

    @property
    def record(self) -> Path:
        """The record on the head's disk."""
        return self.head.home / "xstilts-home" / "record.db"

    def walk(self, section: str, **values: str) -> str:
        """Give the commands of a section of the document; returns what they print."""
        given = {"STORE": self.store, "USER": "root", "KEY": str(self.hosts.key), "HEAD": self.head.address} | values
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        said: list[str] = []
        for command in commands(section):
            line = with_values(command, given)
            line += SHORTER if "submit demo" in line else ""
            ended = self.hosts.laptop.run(
                "bash", "-c", line, environment=self.environment | {"PATH": path}, seconds=SECONDS
            )
            assert ended.returncode == 0, f"{line}: {ended.stdout[-2000:]} {ended.stderr[-4000:]}"
            said.append(ended.stdout)
            if line.startswith("cp "):
                self.write_file()
                (self.hosts.laptop.home / ".ssh" / "config").write_text("StrictHostKeyChecking accept-new\n")
        return "".join(said)

    def write_file(self) -> None:
        """Change what is marked in the cluster file."""
        values = {
            "head_ip": self.head.address,
            "worker_ips": str([worker.address for worker in self.workers]),
            "ssh_user": "root",
            "ssh_private_key": str(self.hosts.key),
        }
        shipped = (ROOT / "clusters/on-premises.yaml").read_text()
        (self.hosts.laptop.home / "cluster.yaml").write_text(with_changes(shipped, values))

    def lose(self, host: Host) -> None:
        """Cut a host off the network, then end it."""
        self.hosts.cut(host)
        host.kill()
        self.lost.append(host)

    def xstilts(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours on the laptop."""
        command = [sys.executable, "-c", MAIN, *words]
        return self.hosts.laptop.run(*command, environment=self.environment, seconds=SECONDS)

    def answer(self, *words: str) -> Any:
        """Return the JSON that a command of ours prints on the laptop."""
        ended = self.xstilts(*words, "--json")
        assert ended.returncode == 0, ended.stderr[-4000:]
        return json.loads(ended.stdout)

    def submit(self, spec: dict[str, Any], *, store: str | None = None) -> None:
        (self.hosts.laptop.home / "spec.yaml").write_text(yaml.safe_dump(spec))
        self.answer("cluster", "submit", "spec.yaml", "--store", store or self.store)

    def follow(self, sweep: str) -> str:
        """Wait until a sweep ends; returns what it printed."""
        ended = self.xstilts("cluster", "logs", sweep, "--follow")
        assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
        return ended.stdout

    def wait_until_finished(self, sweep: str, *, num_trials: int) -> None:
        """Wait until so many trials of a running sweep are finished."""
        self.wait_until(sweep, lambda: self.num_finished(sweep) >= num_trials, seconds=SECONDS)

    def wait_until(self, sweep: str, is_so: Callable[[], bool], *, seconds: float) -> None:
        """Wait until something is so of a running sweep."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, self.xstilts("cluster", "logs", sweep).stdout
            time.sleep(0.2)

    def num_finished(self, sweep: str) -> int:
        if not self.record.exists():
            return 0
        with self.opened() as record:
            known = [one.name for one in record.sweeps()]
            trials = record.trials(sweep) if sweep in known else ()
            return sum(trial.state == "finished" for trial in trials)

    def starts(self, sweep: str, host: Host) -> list[float]:
        """Return when trials started on a host, in seconds since 1970."""
        with self.opened() as record:
            events = [event for event in record.events(sweep) if event.kind == "running"]
            return [event.time for event in events if event.payload["host"] == host.name]

    def is_in_a_stage(self, store: str, host: Host) -> bool:
        """Return whether a stage is being made on a host, and has a checkpoint."""
        holders = {path.parent.name: json.loads(path.read_text()) for path in Path(store).glob("holders/*/*")}
        here = [key for key, holder in holders.items() if holder["held"] and holder["host"] == host.name]
        return any(list(Path(store, "checkpoints", key).glob("*/manifest.json")) for key in here)

    def opened(self) -> Record:
        """Return the record on the head, open for reading."""
        return open_record(self.record, read_only=True)


def scores(record: Record, sweep: str) -> list[tuple[JsonObject, float | None]]:
    """Return what the trials of a sweep were and what they scored, in the order of their numbers."""
    return [(trial.assignment, trial.score) for trial in record.trials(sweep)]


def losses(store: str) -> dict[str, list[float]]:
    """Return the training losses of the stages of a store, by the stages' folders."""
    files = Path(store).glob("stages/**/losses.json")
    return {str(path.relative_to(store)): json.loads(path.read_text()) for path in files}


def spec_of(name: str, encoder: Path, **changes: Any) -> dict[str, Any]:
    """Return the spec of a sweep of short trials, in an order that is the same whatever happens."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    return {
        "name": name,
        "trials": NUM_TRIALS,
        "order": "fixed",
        "concurrency": 4,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": changes.pop("steps", STEPS), **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu", "checkpoint_seconds": 0.5, **changes.pop("engine", {})},
        },
        "families": {"none": {}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
        **changes,
    }
