"""A cluster on hosts that are namespaces, driven from the laptop by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from search.record import Record, open_record
from tests.cluster.hosts import ROOT, Host, Hosts

SECONDS = 300.0
NUM_TRIALS = 6
MAIN = "from search.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Hosts with a cluster file on the laptop; `shared` is a folder that all of them see, as a shared disk is."""

    hosts: Hosts
    shared: Path
    environment: dict[str, str]

    @property
    def head(self) -> Host:
        return self.hosts.hosts[1]

    @property
    def workers(self) -> list[Host]:
        return self.hosts.hosts[2:]

    @property
    def store(self) -> str:
        return str(self.shared / "store")

    @property
    def record(self) -> Path:
        """The record on the head's disk."""
        return self.head.home / "xstilts-home" / "record.db"

    def write_file(self) -> None:
        """Write the cluster file that ships, with these hosts in it."""
        config = self._config()
        config["provider"].update(head_ip=self.head.address, worker_ips=[worker.address for worker in self.workers])
        config["auth"].update(ssh_user="root", ssh_private_key=str(self.hosts.key))
        (self.hosts.laptop.home / "cluster.yaml").write_text(yaml.safe_dump(config))

    @staticmethod
    def _config() -> dict[str, Any]:
        return yaml.safe_load((ROOT / "clusters/on-premises.yaml").read_text())

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
            time.sleep(0.5)

    def num_finished(self, sweep: str) -> int:
        if not self.record.exists():
            return 0
        with self.opened() as record:
            known = [one.name for one in record.sweeps()]
            trials = record.trials(sweep) if sweep in known else ()
            return sum(trial.state == "finished" for trial in trials)

    def opened(self) -> Record:
        """Return the record on the head, open for reading."""
        return open_record(self.record, read_only=True)


def losses(store: str) -> list[list[float]]:
    """Return the training losses of the stages of a store, in the order of their keys."""
    return [json.loads(path.read_text()) for path in sorted(Path(store).glob("stages/**/losses.json"))]


def spec_of(name: str, encoder: Path, **changes: Any) -> dict[str, Any]:
    """Return the spec of a sweep of short trials."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    return {
        "name": name,
        "trials": NUM_TRIALS,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": changes.pop("steps", 40), **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu", **changes.pop("engine", {})},
        },
        "families": {"none": {}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
        **changes,
    }
