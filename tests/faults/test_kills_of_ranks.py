"""One of two ranks under Ray, killed at random moments again and again, and what comes of the trial.

    XSTILTS_KILLS=20 pytest -s tests/faults/test_kills_of_ranks.py

prints what was killed when. Every second kill waits for a checkpoint first: ranks that are lost three times in a row
without progress fail their trial, as they should.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import torch
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from safetensors.torch import load_file

from tests.trainables_tests.tiny_jobs import engine, phase, trial
from trainables.config import TrialConfig
from trainables.ranks.devices import RankDevices
from trainables.results import TrialResult
from trainables.stage_store import StageStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.usefixtures("tiny_world")]

NUM_KILLS = int(os.environ.get("XSTILTS_KILLS", "2"))
"""`make faults` raises it."""
WITHIN = 1e-3
SECONDS = 300
LONGEST_PAUSE = 6.0
"""A rank is killed up to so long after it was started, or after a checkpoint was made: while it imports, meets the
other, trains, or writes."""


class TrialHost:
    """Runs trials with two ranks, as a trial actor does; this one has its own placement group."""

    def run(self, config: str, *, store: str, waits: bool = True) -> tuple[str, list[str]]:
        """Run a trial; returns its result, and what was lost on its way."""
        from search.driver.ray_group import RayGroup
        from trainables.trials.trial import TrialResources, run_trial

        wanted, lost = TrialConfig.model_validate_json(config), list[str]()
        group = RayGroup(wanted.engine, devices=RankDevices(kind="cpu", computes_on="cpu", threads=1))
        place = TrialResources(
            store=StageStore(Path(store)),
            group=group,
            waits=waits,
            on_lost=lambda _, error: lost.append(f"{type(error).__name__}: {error}"),
        )
        result = run_trial(wanted, resources=place)
        group.close()
        return result.model_dump_json(), lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A trial that has ended."""

    result: TrialResult
    lost: list[str]
    store: Path

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """The encoder that was trained."""
        found = StageStore(self.store).find(self.result.stages[0].key)
        assert found is not None
        return load_file(found.folder / "model.safetensors")

    @classmethod
    def of(cls, reference: Any, *, store: Path) -> Run:
        text, lost = ray.get(reference, timeout=SECONDS)
        return cls(result=TrialResult.model_validate_json(text), lost=lost, store=store)


@pytest.fixture
def host() -> Iterator[Any]:
    """A trial's actor, with room for two ranks."""
    variables = {name: os.environ[name] for name in ("XSTILTS_MIRROR", "HF_HUB_OFFLINE", "HF_DATASETS_CACHE")}
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        runtime_env={"env_vars": variables},
    )
    try:
        group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_PACK")
        there = PlacementGroupSchedulingStrategy(placement_group=group, placement_group_capture_child_tasks=True)
        actor: Any = ray.remote(TrialHost)
        yield actor.options(num_cpus=0, scheduling_strategy=there).remote()
    finally:
        ray.shutdown()


def ranks() -> dict[int, psutil.Process]:
    """Return the rank processes that live below this one, by their ids."""
    found: dict[int, psutil.Process] = {}
    for one in psutil.Process().children(recursive=True):
        try:
            if "ray::RankActor" in " ".join(one.cmdline()):
                found[one.pid] = one
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_ranks(running: Any, *, but: set[int]) -> dict[int, psutil.Process]:
    """Wait until there are two that are not among those seen before."""
    deadline = time.monotonic() + SECONDS
    while len(fresh := {pid: one for pid, one in ranks().items() if pid not in but}) < 2:
        assert time.monotonic() < deadline, "no fresh ranks were started"
        assert not ray.wait([running], timeout=0)[0], ray.get(running)
        time.sleep(0.05)
    return fresh


def wait_for_another_checkpoint(running: Any, store: Path, *, than: set[Path]) -> None:
    deadline = time.monotonic() + SECONDS
    while not set(store.glob("checkpoints/*/*/manifest.json")) - than:
        assert time.monotonic() < deadline, "no checkpoint was made"
        assert not ray.wait([running], timeout=0)[0], ray.get(running)
        time.sleep(0.05)


def test_one_of_two_ranks_killed_again_and_again_costs_no_trial_and_no_accuracy(
    host: Any, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = trial(
        tiny_encoder,
        target=phase(steps=200 + 150 * NUM_KILLS, dropout=0.1),
        engine=engine(num_workers=2, zero_stage=2, checkpoint_seconds=0.5),
    )
    given = config.model_dump_json()
    store = tmp_path / "unbroken"
    unbroken = Run.of(host.run.remote(given, store=str(store)), store=store)
    chance = random.Random(0)  # noqa: S311  (kill times are no secrets)
    store = tmp_path / "killed"
    running = host.run.remote(given, store=str(store))
    seen, told = set(ranks()), list[str]()
    for number in range(NUM_KILLS):
        fresh = wait_for_ranks(running, but=seen)
        if number % 2:
            wait_for_another_checkpoint(running, store, than=set(store.glob("checkpoints/*/*/manifest.json")))
        pause = chance.uniform(0, LONGEST_PAUSE)
        time.sleep(pause)
        victim = chance.choice(sorted(fresh))
        fresh[victim].send_signal(signal.SIGKILL)
        told.append(f"kill {number}: {pause:.1f} s after {'a checkpoint' if number % 2 else 'the start'}")
        seen |= set(fresh)
    killed = Run.of(running, store=store)
    apart = max(float((killed.weights[name] - one).abs().max()) for name, one in unbroken.weights.items())

    with capsys.disabled():
        lines = [*told, *killed.lost, f"{len(killed.lost)} recoveries; weights differ by at most {apart:.2g}"]
        print("\n" + "\n".join(lines))  # noqa: T201
    assert len(killed.lost) == NUM_KILLS
    assert apart <= WITHIN
    assert [stage.steps for stage in killed.result.stages] == [stage.steps for stage in unbroken.result.stages]
