"""Sweeps that climb rungs on a real local Ray: killed and continued, two at once on one store, and under a budget."""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import Record, StageRow, open_record
from search.scheduling.stage_demand import StagePlans
from search.stages import Collected, Limits, collect
from tests.end_to_end.drivers import Driver
from trainables.config import RungsConfig
from trainables.stage_store import StageStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

PHASE = {"batch_size": 8, "max_length": 48, "num_dev_items": 0}
STABLE = {"kind": "warmup_stable_decay", "warmup_steps": 2}
NUM_TRIALS = 6


def write_spec(folder: Path, encoder: Path, *, name: str, **fields: Any) -> Path:
    """Write a spec of two rungs, three target configurations under two intermediate ones; returns its path."""
    spec = {
        "name": name,
        "trials": NUM_TRIALS,
        "concurrency": 2,
        "sampler": {"name": "grid"},
        "order": "fixed",
        "rungs": {"num": 2, "eta": 3, "num_items": 6},
        "trial": {
            "encoder": {"name": str(encoder)},
            "intermediate": {**PHASE, "dropout": 0.1},
            "target": {"mixture": {"mnli": 1.0}, "steps": 90, **PHASE, "dropout": 0.1, "schedule": STABLE},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu", "checkpoint_seconds": 0.05},
        },
        "families": {"text": {"mixture": {"commonsense_qa": 1.0}, "steps": {"choice": [30, 40]}}},
        "search": {"target.learning_rate": {"choice": [1e-3, 3e-3, 1e-2]}},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec | fields))
    return path


@pytest.fixture(scope="module")
def unbroken(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """Home of the sweep `climb`, run in one go."""
    home = tmp_path_factory.mktemp("unbroken")
    ended = Driver(home, "search", str(write_spec(home, tiny_encoder, name="promote")), sweep="promote").end()
    assert ended.exit_code == 0, ended.stderr
    return home


def outcome(home: Path, sweep: str = "promote") -> list[tuple[Any, ...]]:
    """Return what became of each trial: state, rung, score, and the final scores language by language."""
    with open_record(home / "record.db", read_only=True) as record:
        results = {(one.trial, one.rung): one.trial_result.languages for one in record.measurements(sweep)}
        return [
            (trial.state, trial.rung, trial.score, results[trial.number, trial.rung or 0])
            for trial in record.trials(sweep)
        ]


def made(home: Path, *sweeps: str) -> list[str]:
    """Return the key of each stage that a trial made, as often as it was made."""
    with open_record(home / "record.db", read_only=True) as record:
        rows = [row for sweep in sweeps for row in once(record.stages(sweep))]
    return [row.key for row in rows if not row.reused]


def once(rows: tuple[StageRow, ...]) -> list[StageRow]:
    """Return a trial's stages once, though they stand at each of its rungs."""
    return list({(row.trial, row.key): row for row in rows}.values())


def test_trials_climb_or_are_pruned_and_share_their_stages(unbroken: Path) -> None:
    states = Counter(state for state, *_ in outcome(unbroken))

    assert set(states) == {"finished", "pruned"}
    assert states["finished"] >= 1
    assert max(Counter(made(unbroken, "promote")).values()) == 1


def test_items_of_each_rung_are_there_for_pruners_that_pair_them(unbroken: Path) -> None:
    plans = StagePlans(StageStore(unbroken / "store"), rungs=RungsConfig(num=2, eta=3, num_items=6))
    with open_record(unbroken / "record.db", read_only=True) as record:
        curves = record.curves("promote", last_rung=1, with_languages=True)
    for curve in curves:
        for rung, score in curve.scores.items():
            items = plans.items(curve.evaluations[rung], languages=tuple(curve.languages[rung]))
            assert len(items) == (6 if rung == 0 else 12)
            assert sum(items) / len(items) == pytest.approx(score, abs=1e-9)


def test_trunks_go_when_nothing_extends_them(unbroken: Path) -> None:
    stages = StageStore(unbroken / "store").space.stages().values()

    assert len(stages) > 0
    assert [stage.key for stage in stages if stage.facts is None or stage.facts.is_trunk] == []


def test_a_sweep_killed_and_then_asked_to_stop_ends_as_the_unbroken_one(
    unbroken: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    command = ["search", str(write_spec(tmp_path, tiny_encoder, name="promote"))]
    ends: list[int] = []
    for num_measured, number in ((1, signal.SIGKILL), (4, signal.SIGTERM)):
        driver = Driver(tmp_path, *command, sweep="promote")
        driver.wait_until(lambda record, least=num_measured: num_measurements(record) >= least)
        stopped = driver.end(number)
        assert stopped.processes_left == []
        ends.append(stopped.exit_code)
    ended = Driver(tmp_path, *command, sweep="promote").end()

    assert ends == [-signal.SIGKILL, 3]
    assert "xstilts resume promote" in stopped.stderr

    assert ended.exit_code == 0, ended.stderr
    assert outcome(tmp_path) == outcome(unbroken)
    assert max(Counter(made(tmp_path, "promote")).values()) == 1


def num_measurements(record: Record) -> int:
    """Return how many rungs were measured."""
    return sum(len(record.measurements(sweep.name)) for sweep in record.sweeps())


def test_two_drivers_on_one_store_make_no_stage_twice_and_one_goes_on_when_the_other_is_killed(
    unbroken: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    specs = {name: write_spec(tmp_path, tiny_encoder, name=name, concurrency=1) for name in ("promote", "other")}
    killed = Driver(tmp_path, "search", str(specs["other"]), sweep="other")
    kept = Driver(tmp_path, "search", str(specs["promote"]), sweep="promote")
    killed.wait_until(lambda record: len(record.measurements("other")) >= 2 if has(record, "other") else False)
    killed.end(signal.SIGKILL)
    ended = kept.end()

    assert ended.exit_code == 0, ended.stderr
    assert outcome(tmp_path) == outcome(unbroken)
    assert max(Counter(made(tmp_path, "promote", "other")).values()) == 1


def has(record: Record, name: str) -> bool:
    """Return whether the record has a sweep."""
    return name in {sweep.name for sweep in record.sweeps()}


def test_a_sweep_whose_store_is_kept_small_has_the_same_results(
    unbroken: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """The store is over its budget only while nothing in it may go, and at the end it is not.

    How much the trials that are not done need at a moment is chance: two of them may be at their largest stages.
    """
    budget = sum(stage.num_bytes for stage in StageStore(unbroken / "store").space.stages().values()) // 2
    spec = write_spec(tmp_path, tiny_encoder, name="promote")
    command = ["search", str(spec), "--set", "trial.engine.checkpoint_seconds=3600"]
    driver = Driver(tmp_path, *command, sweep="promote")
    seen: list[Collected] = []
    for least in itertools.count(1):
        driver.wait_until(lambda record, least=least: num_measurements(record) >= least or is_over(record))
        with open_record(tmp_path / "record.db", read_only=True) as record:
            collected = collect(record, store=StageStore(tmp_path / "store"), limits=Limits(max_bytes=budget))
            seen.append(collected)
            if is_over(record):
                break
    ended = driver.end()

    assert ended.exit_code == 0, ended.stderr
    assert outcome(tmp_path) == outcome(unbroken)
    over = [one for one in seen if one.bytes_after > budget]
    assert [one for one in over if not one.num_busy and one.num_left > one.num_needed + one.num_kept] == []
    with open_record(tmp_path / "record.db", read_only=True) as record:  # nobody holds a stage any more
        left = collect(record, store=StageStore(tmp_path / "store"), limits=Limits(max_bytes=budget))
    assert left.bytes_after <= budget
    assert any(one.removed for one in seen)


def is_over(record: Record) -> bool:
    """Return whether every trial of the sweep has ended."""
    return (
        has(record, "promote")
        and Counter(trial.state in {"finished", "pruned"} for trial in record.trials("promote"))[True] == NUM_TRIALS
    )
