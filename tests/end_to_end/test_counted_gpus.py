"""Sweeps on a cluster whose GPUs Ray counts and nobody has: placement is real, ranks compute on the CPU.

The head has no GPU, two workers have two each. How many ranks live at a time is looked up from Ray while sweeps run.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from tests.end_to_end.drivers import SECONDS, XSTILTS, environment
from tests.end_to_end.loopback_clusters import LOOPBACK, running_cluster
from trainables.ranks.devices import REHEARSAL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

STEPS = 200
"""A trial lasts longer than the others' ranks need to start; else its ranks would be given to one that waits."""


@dataclass(slots=True, kw_only=True)
class Counted:
    """The cluster, and what was seen on it."""

    address: str
    looks: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    """`ranks` that lived and `free_gpus`, a look a change."""

    @property
    def variables(self) -> dict[str, str]:
        return LOOPBACK | {"RAY_ADDRESS": self.address, REHEARSAL: "1"}

    def read(self, lines: IO[str]) -> None:
        for line in lines:
            self.looks.append(json.loads(line))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Counted]:
    """A head without GPUs and two workers with two each."""
    with running_cluster("counted_cluster", folder=Path()) as (said, lines):
        made = Counted(address=said["address"])
        threading.Thread(target=made.read, args=(lines,), daemon=True).start()
        yield made


@pytest.fixture
def home(tiny_world: None, tiny_encoder: Path, tmp_path: Path) -> Path:  # noqa: ARG001
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "counted",
        "trials": 4,
        "sampler": {"name": "grid"},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": STEPS, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
        },
        "families": {"none": {}},
        "search": {"target.learning_rate": {"choice": [1e-4, 1e-3, 3e-3, 1e-2]}},
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    return tmp_path


def run(cluster: Counted, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = environment(home) | cluster.variables
    return subprocess.run(
        [XSTILTS, *words], env=variables, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def answer(cluster: Counted, home: Path, *words: str) -> Any:
    """Return the JSON that a command prints on the cluster."""
    ended = run(cluster, home, *words, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("engine", "at_a_time", "num_trials"),
    [
        ({}, 4, 4),  # `auto`, though the head has no GPU
        ({"device": "cuda", "num_workers": 2, "zero_stage": 2}, 2, 4),
        ({"device": "cuda", "num_workers": 3}, 1, 2),  # more ranks than any host has GPUs
        ({"gpus_per_worker": 0.5, "num_workers": 2}, 4, 4),  # more ranks than GPUs
        ({"gpus_per_worker": 0.25}, 16, 2),
    ],
    ids=str,
)
def test_a_sweep_takes_the_gpus_that_ray_counts(
    engine: dict[str, Any], at_a_time: int, num_trials: int, cluster: Counted, home: Path
) -> None:
    chosen = {"trials": num_trials} | {f"trial.engine.{name}": value for name, value in engine.items()}
    settings = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    foretold = answer(cluster, home, "search", str(home / "spec.yaml"), *settings, "--dry-run")
    cluster.looks.clear()
    answer(cluster, home, "search", str(home / "spec.yaml"), *settings)
    looks = list(cluster.looks)
    done = answer(cluster, home, "status", "counted")

    assert (foretold["device"], foretold["trials_at_a_time"]) == ("cuda", at_a_time)
    assert done["states"] == {"finished": num_trials}
    assert max(look["ranks"] for look in looks) == min(at_a_time, num_trials) * engine.get("num_workers", 1)
    assert min(look["free_gpus"] for look in looks) >= 0


def test_more_ranks_than_gpus_are_refused_before_anything_starts(cluster: Counted, home: Path) -> None:
    ended = run(cluster, home, "search", str(home / "spec.yaml"), "--set", "trial.engine.num_workers=5")

    assert ended.returncode == 2
    assert "5 ranks, and 4 GPUs" in ended.stderr
