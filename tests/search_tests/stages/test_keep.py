"""`keep:` of a sweep: the store stays small, nothing that a trial needs is lost, and the sweep's result is the same.

The scheduler, the record and the store are real; a stage is a file of the size of an encoder, which no rank trains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from search.driver.sweep import check_families
from search.errors import StoreSharedError
from search.forecast.forecaster import Forecaster, MeasuredTimes
from search.query import sweep_status
from search.record import Proposal, Record, Revision, TrialRow, open_record
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Start, TrialScheduler
from search.scheduling.stage_demand import StagePlans
from search.stages import leave_note
from search.stages.keep_checks import make_keeper
from search.stages.keep_policy import StageSizes
from search.stages.needs import read_needs, stages_of
from spaces.keep import KeepConfig
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from tests.trainables_tests.stage_maker import FACTS
from trainables.errors import ConfigError
from trainables.plan.stage_plan import Stage
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageStore

WEIGHTS = 30_000
"""Bytes of an encoder here; the manifest of a stage takes one or two thousand more."""
STAGE = WEIGHTS + 3_000
SIZES = StageSizes(weight_bytes=WEIGHTS)
BEST = 3
LIMIT = 24 * STAGE
"""Three best trials with all that they were made from take up to 15: two parts, the merge of them, an average and its
part. The largest trial takes 8 more."""
NUM_TRIALS = 200
TEXTS = ["miniature_qa", "miniature_choice"]
TEXT = {"mixture": {"choice": TEXTS}, "steps": 10}
RATES = {"target.learning_rate": {"log": [1e-5, 1e-3]}}


def spec_of(**fields: Any) -> SweepSpec:
    trained = {"learning_rate": {"choice": [1e-4, 2e-4, 3e-4, 4e-4]}, "steps": 10}
    document: dict[str, Any] = {
        "name": "kept",
        "trials": NUM_TRIALS,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": "miniature"},
            "target": {"mixture": "miniature_nli", "steps": 10},
            "evaluation": {"task": "miniature_nli", "num_items": 20},
        },
        "families": {
            "none": {},
            "text": {"mixture": {"choice": TEXTS}, **trained},
            "merged": {"mixture": {"merge": TEXTS, "method": {"choice": ["linear", "ties"]}}, **trained},
        },
        "search": {
            "target.learning_rate": {"log": [1e-5, 1e-3]},
            "target.average": {"choice": {"one": None, "last": {"last": 2}}},
        },
    }
    return make_sweep_spec(document | fields)


@dataclass(kw_only=True)
class Sweep:
    """A sweep whose trials are run by this process, one stage at a time."""

    record: Record
    store: StageStore
    spec: SweepSpec
    concurrency: int = 2
    makes_stages: bool = True
    """Whether trials make their stages; otherwise each ends at once, with the same score."""
    largest: int = 0
    """Largest size of the store's stages."""
    running: dict[int, list[Stage]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def run(self, *, until: int | None = None) -> None:
        """Run trials until so many have ended; None: to the end. A further call continues as another driver."""
        self.record.put_sweep("kept", spec=recorded(self.spec), objective="average", planned_trials=self.spec.trials)
        leave_note(self.record, sweep="kept", store=self.store)
        plans = StagePlans(self.store, rungs=self.spec.rungs)
        pause = DiskPause(free=lambda: 1 << 30, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
        self.scheduler = TrialScheduler(
            self.record, name="kept", spec=self.spec, concurrency=self.concurrency, plans=plans, pause=pause
        )
        config = bind(space := make_space(self.spec), default_assignment(space))
        keeper = make_keeper(self.record, name="kept", spec=self.spec, store=self.store, config=config)
        if keeper is not None:
            keeper._sizes = SIZES
            self.scheduler.keep(keeper)
        self.plans, num_ended = plans, 0
        while until is None or num_ended < until:
            while isinstance(start := self.scheduler.next(), Start):
                self.record.start("kept", number=start.trial.number)
                self.running[start.trial.number] = list(plans._plan(start.trial, rung=0))
            if not self.running:
                break
            num_ended += self._step()
        self.running.clear()
        self.record.interrupt_running("kept")

    def _step(self) -> int:
        """Let each running trial make one stage, as far as no other trial makes it; return how many have ended."""
        in_hand: set[str] = set()
        num_ended = 0
        for number in list(self.running):
            trial = self.record.trial("kept", number=number)
            missing = self.plans.missing(trial, rung=0)
            missing = tuple(stage for stage in missing if self.makes_stages and not self.store.has(stage.key))
            if missing and missing[0].key not in in_hand:
                in_hand.add(missing[0].key)
                self._make(missing[0])
            elif not missing:
                self._finish(trial)
                num_ended += 1
        return num_ended

    def _make(self, stage: Stage) -> None:
        of_parts = [key for key in (stage.parent, *stage.made_of) if key]
        assert all(self.store.has(key) for key in of_parts), "a stage that a running trial needs was removed"
        with self.store.lease(stage.key), self.store.work_folder(stage.key) as folder:
            (folder / "model.safetensors").write_bytes(b"w" * max(50, SIZES.of(stage)))
            told = {"phase": stage.phase, "parent": stage.parent, "is_trunk": stage.is_trunk}
            parts = stage.made_of if stage.combination else ()
            self.store.commit(stage.key, folder=folder, facts=FACTS.model_copy(update={**told, "parts": parts}))
        self.made.append(stage.key)
        self.largest = max(self.largest, self.num_bytes)

    def _finish(self, trial: TrialRow) -> None:
        rate = trial.trial_config.target.learning_rate
        score = round(0.5 + 100 * rate, 6)
        stages = tuple(
            StageRun(phase=one.phase, key=one.key, steps=1, seconds=1.0, reused=False, is_trunk=one.is_input)
            for one in self.running.pop(trial.number)
        )
        languages = {"en": score, "de": score}
        result = TrialResult(languages=languages, num_items=10, task_scores={}, stages=stages)
        self.record.finish("kept", number=trial.number, result=result)
        self.scheduler.ended(trial.number)

    @property
    def num_bytes(self) -> int:
        return sum(stage.num_bytes for stage in self.store.space.stages().values())

    @property
    def result(self) -> dict[int, tuple[str, Any, float | None]]:
        return {one.number: (one.state, one.assignment, one.score) for one in self.record.trials("kept")}


@contextlib.contextmanager
def sweep(folder: Path, **fields: Any) -> Iterator[Sweep]:
    with open_record(str(folder / "record.db")) as record:
        yield Sweep(record=record, store=StageStore(folder / "store"), spec=spec_of(**fields))


def needed_now(sweep: Sweep) -> set[str]:
    """Return the complete stages that the sweep needs: of its trials to come, and of the best, with their ancestors."""
    stages = sweep.store.space.stages()
    needs = read_needs(sweep.record, complete=stages, keep_best=BEST)
    return {key for key in needs.unfinished | needs.kept if key in sweep.made}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_trials_stay_within_the_limit_with_the_same_result(tmp_path: Path) -> None:
    limit = LIMIT
    for name in ("all", "kept"):
        (tmp_path / name).mkdir()

    with sweep(tmp_path / "all") as without, sweep(tmp_path / "kept", keep={"best": BEST, "bytes": limit}) as kept:
        without.makes_stages = False
        without.run()
        kept.run()

        assert len(kept.result) == NUM_TRIALS
        assert kept.result == without.result
        assert len(set(kept.made)) * WEIGHTS > 8 * limit
        assert kept.largest <= limit + STAGE
        assert needed_now(kept) <= set(kept.store.keys())
        evaluations = {one.key for one in kept.record.stages("kept") if one.phase == "evaluation"}
        assert evaluations <= set(kept.store.keys())
        status = sweep_status(kept.record, sweep="kept")
        assert status.num_removed > NUM_TRIALS
        assert status.removed_bytes > 5 * limit


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """A sweep of 24 trials under a limit, whose driver was exchanged for another every few trials."""
    with sweep(tmp_path_factory.mktemp("small"), trials=24, keep={"best": BEST, "bytes": LIMIT}) as small:
        for _ in range(4):
            small.run(until=5)
        small.run()
        yield small


@pytest.mark.slow
def test_a_sweep_that_is_stopped_and_resumed_stays_within_its_limit(small: Sweep) -> None:
    assert {state for state, _, _ in small.result.values()} == {"finished"}
    assert len(small.result) == 24
    assert small.largest <= LIMIT + STAGE
    assert needed_now(small) <= set(small.store.keys())


@pytest.mark.slow
def test_only_the_best_keep_their_models(small: Sweep) -> None:
    stages = small.store.space.stages()
    ranked = sorted(small.record.trials("kept"), key=lambda one: (-(one.score or 0), one.number))
    best = {one.number for one in ranked[:BEST]}
    of_trials = stages_of(small.record, "kept", with_trunks=False)
    of_best = {key for number in best for key in of_trials[number]}

    targets = {key for key, stage in stages.items() if stage.facts is not None and stage.facts.phase == "target"}

    assert of_best <= set(stages)
    assert {key for key in targets if not stages[key].facts.is_trunk} <= with_parts(stages, of_best)


def with_parts(stages: dict[str, Any], keys: set[str]) -> set[str]:
    return keys | {part for key in keys for part in stages[key].facts.parts}


@pytest.mark.slow
def test_the_forecast_foretells_the_largest_store(small: Sweep) -> None:
    def forecast(spec: SweepSpec) -> float:
        spec = spec.model_copy(update={"concurrency": 2})
        made = Forecaster(spec, is_made=lambda _: False, sizes=StageSizes(weight_bytes=STAGE), times=MeasuredTimes())
        return made.forecast(num_to_propose=24).peak_bytes.expected

    with_limit, without = forecast(small.spec), forecast(small.spec.model_copy(update={"keep": None}))

    assert with_limit <= LIMIT + STAGE
    assert without > 2 * with_limit
    assert 0.7 * with_limit <= small.largest <= 1.3 * with_limit


def test_without_a_limit_only_phases_go_that_need_not_stay(tmp_path: Path) -> None:
    with sweep(tmp_path, trials=6, keep={"best": 1}, families={"none": {}, "text": TEXT}, search=RATES) as kept:
        kept.run()

        phases = [one.facts.phase for one in kept.store.space.stages().values() if one.facts is not None]
        made = {one.key for one in kept.record.stages("kept") if one.phase == "intermediate"}
        assert sorted(set(phases)) == ["evaluation", "intermediate", "target"]
        assert phases.count("target") == 1
        assert phases.count("evaluation") == 6
        assert made <= set(kept.store.keys())


def test_what_another_sweep_of_the_record_needs_stays(tmp_path: Path) -> None:
    fields = {"trials": 4, "families": {"none": {}, "text": TEXT}, "search": RATES}
    with sweep(tmp_path, **fields) as other:
        other.run()
        before = set(other.store.keys())
        other.record.put_sweep("second", spec=other.record.sweep("kept").spec, objective="average", planned_trials=1)
        for trial in other.record.trials("kept")[:1]:
            proposal = Proposal(family=trial.family, assignment=trial.assignment, config=trial.trial_config, seed=1)
            other.record.propose("second", proposal=proposal)
        spec = spec_of(**fields, keep={"best": 1, "phases": []})
        other.record.revise("kept", revision=Revision(spec=recorded(spec), num_trials=4))
        kept = Sweep(record=other.record, store=other.store, spec=spec)
        kept.run()

        needed = {one.key for one in kept.record.stages("kept", number=0)}
        assert needed <= set(kept.store.keys()) < before


def test_a_store_that_sweeps_of_another_record_use_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    fields = {"trials": 3, "families": {"none": {}}, "search": RATES}
    with sweep(tmp_path, **fields, keep={"best": 1}) as kept, open_record(str(tmp_path / "other.db")) as other:
        other.put_sweep("other", spec={}, objective="average", planned_trials=1)
        leave_note(other, sweep="other", store=kept.store)

        with pytest.raises(StoreSharedError, match="'other' of"):
            kept.run()


def test_a_limit_that_cannot_hold_the_best_trials_and_one_more_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"keep\.bytes: 100 bytes are too few.*set it to more, or lower keep\.best"):
        check_families(spec_of(keep={"bytes": 100}))


def test_a_keep_that_removes_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing would be removed"):
        spec_of(keep={"phases": ["pretraining", "intermediate", "target"]})
    assert spec_of(keep={}).keep == KeepConfig(best=3, bytes=None, phases=("pretraining", "intermediate"))


def test_a_spec_without_keep_is_recorded_as_before() -> None:
    assert "keep" not in spec_of().model_dump(mode="json")
