"""`--from` an earlier sweep, on a real local Ray: its best score is reached again in at most half the steps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import TrialRow, open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]


@pytest.fixture(scope="module")
def home(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """XSTILTS_HOME, with a spec, and an earlier sweep of it."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "earlier",
        "trials": 6,
        "concurrency": 1,
        "order": "fixed",
        "sampler": {"name": "tpe", "num_startup": 4},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, "steps": 60, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": {"choice": [20, 40]}}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    run(folder)
    return folder


def run(home: Path, *arguments: str) -> dict[str, Any]:
    """Run the spec to its end; returns what it prints."""
    done = subprocess.run(
        [XSTILTS, "search", str(home / "spec.yaml"), "--json", *arguments],
        env=environment(home),
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return json.loads(done.stdout)


def trials_of(home: Path, sweep: str) -> tuple[TrialRow, ...]:
    with open_record(home / "record.db", read_only=True) as record:
        return record.trials(sweep)


def steps_to_reach(score: float, trials: Sequence[TrialRow]) -> int:
    """Return the optimiser steps that a sweep paid until a trial had a score, that trial's included."""
    first = next(number for number, trial in enumerate(trials) if (trial.score or 0.0) >= score)
    return sum(trial.steps_paid for trial in trials[: first + 1])


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("with_its_store", ["--set", "search={target.learning_rate: {log: [5.0e-5, 2.0e-2]}}"]),
        ("with_a_store_of_its_own", ["--set", "seed=7", "--store", "other-store"]),
    ],
)
def test_the_earlier_best_is_reached_in_at_most_half_the_steps(home: Path, name: str, changed: list[str]) -> None:
    earlier = trials_of(home, "earlier")
    best = max(trial.score or 0.0 for trial in earlier)
    changed = [str(home / one) if one == "other-store" else one for one in changed]

    run(home, "--from", "earlier", "--name", name, "--trials", "2", *changed)

    needed = steps_to_reach(best, trials_of(home, name))
    assert needed <= steps_to_reach(best, earlier) / 2 or needed == 0
    assert trials_of(home, name)[0].assignment == max(earlier, key=lambda one: one.score or 0.0).assignment


def test_a_resumed_sweep_keeps_what_it_took_over(home: Path) -> None:
    with open_record(home / "record.db", read_only=True) as record:
        before = record.sweep("with_its_store").spec["priors"]
    run(home, "--trials", "7")

    run(
        home,
        *("--from", "earlier", "--name", "with_its_store", "--trials", "3"),
        *("--set", "search={target.learning_rate: {log: [5.0e-5, 2.0e-2]}}"),
    )

    with open_record(home / "record.db", read_only=True) as record:
        assert record.sweep("with_its_store").spec["priors"] == before
        assert len(record.trials("with_its_store")) == 3
