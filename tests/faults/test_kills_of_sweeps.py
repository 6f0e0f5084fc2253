"""The demo, shortened, whose driver, trial actors, ranks and Ray itself are killed at named points and random times.

    XSTILTS_SWEEP_KILLS=200 pytest -s tests/faults/test_kills_of_sweeps.py

prints a table of what was killed and what came of it.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from spaces.sweep_spec import shipped_specs
from tests.end_to_end.drivers import XSTILTS, environment
from tests.faults.killing import Kill, Killing, outcome_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]

NUM_KILLS = int(os.environ.get("XSTILTS_SWEEP_KILLS", "6"))
"""At all concurrencies together; `make faults` raises it."""
NUM_TRIALS, CONCURRENCIES = (10, (1, 2)) if NUM_KILLS > 50 else (5, (2,))
"""A longer sweep gives more room for kills."""
KILLS_A_SWEEP = 20
"""At most; then it is left to finish."""
SEED = int(os.environ.get("XSTILTS_SWEEP_SEED", "0"))
NAME = "demo"


def short_demo(folder: Path, *, concurrency: int) -> Path:
    """Write the demo with short phases, two rungs, a pruner, and proposals in fixed order; returns its path."""
    spec: dict[str, Any] = yaml.safe_load(shipped_specs()["demo"].read_text())
    spec |= {
        "order": "fixed",
        "concurrency": concurrency,
        "trials": NUM_TRIALS,
        "rungs": {"num": 2, "eta": 2, "num_items": 40},
    }
    spec["sampler"] = {"name": "tpe", "num_startup": 4}
    trial = spec["trial"]
    trial["target"] |= {"steps": 120, "num_dev_items": 0, "num_examples": 2000}
    trial["target"]["schedule"] = {"kind": "warmup_stable_decay", "warmup_steps": 5}
    trial["intermediate"] |= {"schedule": {"kind": "linear", "warmup_steps": 5}, "num_dev_items": 40}
    trial["intermediate"]["num_examples"] = 800  # encoded once a home, and every home is new
    trial["evaluation"] |= {"num_items": 60, "languages": ["en", "de", "sw"]}
    trial["engine"] |= {"checkpoint_seconds": 0.2}
    for family in ("text", "multimodal", "multitask"):
        spec["families"][family]["steps"] = 30
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


@pytest.fixture(scope="module", params=CONCURRENCIES, ids="{} at a time".format)
def concurrency(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def unbroken(concurrency: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of the sweep, run in one go."""
    home = tmp_path_factory.mktemp("unbroken")
    command = [XSTILTS, "search", str(short_demo(home, concurrency=concurrency))]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return home


def best(home: Path) -> list[dict[str, Any]]:
    """Return what `xstilts best` says, without times and who paid for a shared stage: whoever came to it first."""
    command = [XSTILTS, "best", NAME, "--top", str(NUM_TRIALS), "--json"]
    said = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True).stdout
    timing = {"cost_paid_seconds", "cost_if_alone_seconds", "steps_paid"}
    return [{name: value for name, value in one.items() if name not in timing} for one in json.loads(said)]


def test_whatever_is_killed_when_the_sweep_ends_as_the_unbroken_one(
    concurrency: int, unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = NUM_KILLS // len(CONCURRENCIES)
    kills, exits = Counter[Kill](), Counter[int]()
    again, changed, differing = list[str](), list[object](), 0
    for number in itertools.count():
        if kills.total() >= wanted:
            break
        home = tmp_path / str(number)
        home.mkdir()
        chance = random.Random(f"{SEED} {concurrency} {number}")  # noqa: S311  (kill times are no secrets)
        killing = Killing(home, spec=short_demo(home, concurrency=concurrency), sweep=NAME, chance=chance)
        outcome = killing.run(num_kills=min(KILLS_A_SWEEP, wanted - kills.total()))
        kills += outcome.kills
        exits += outcome.exit_codes
        again += killing.begun_again
        pairs = zip(outcome_of(home, NAME), outcome_of(unbroken, NAME), strict=True)
        changed += [pair for pair in pairs if pair[0] != pair[1]]
        differing += best(home) != best(unbroken)

    with capsys.disabled():
        print(table(kills, exits=exits, concurrency=concurrency, again=again, changed=changed, differing=differing))  # noqa: T201
    assert (again, changed, differing) == ([], [], 0)
    assert kills.total() >= 1


def table(
    kills: Counter[Kill],
    *,
    exits: Counter[int],
    concurrency: int,
    again: list[str],
    changed: list[object],
    differing: int,
) -> str:
    """Return what was killed, and what came of it."""
    lines = [f"\n{kills.total()} kills of sweeps with {concurrency} trials at a time (seed {SEED})"]
    lines += [f"  {kill!s:<28}{number:>5}" for kill, number in sorted(kills.items(), key=lambda pair: str(pair[0]))]
    lines += [
        f"commands by exit code {dict(exits)}",
        f"finished stages begun again   {len(again)}",
        f"trials lost, doubled, changed {len(changed)}",
        f"sweeps with another best      {differing}",
    ]
    return "\n".join(lines)
