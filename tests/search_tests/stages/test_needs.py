"""What `keep:` must not remove: read from a record whose other sweeps need not be readable on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.confirm.confirmation import ConfirmRequest, _spec
from search.errors import InputError
from search.home import Home
from search.record import Proposal, Record, open_record
from search.stages import store_keeper
from search.stages.keep_checks import make_keeper, stage_sizes
from search.stages.needs import read_needs
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import make_space, recorded
from tests.search_tests.stages.test_keep import RATES, spec_of, sweep
from tests.trainables_tests.stage_maker import FACTS
from trainables.config import AdapterConfig, TrialConfig
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.results import StageRun, TrialResult
from trainables.stage_store import ListedStage, Space, StageStore
from trainables.tasks.registry import adopt, restored, task, tasks

FIELDS: dict[str, Any] = {"trials": 3, "families": {"none": {}}, "search": RATES}
OWN_KEY, LOWER_KEY, OTHER_KEY = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(str(tmp_path / "record.db")) as opened:
        opened.put_sweep("kept", spec=recorded(spec_of(**FIELDS)), objective="average", planned_trials=3)
        opened.put_sweep("other", spec=recorded(spec_of(**FIELDS)), objective="average", planned_trials=3)
        yield opened


def config(**encoder: Any) -> TrialConfig:
    space = make_space(spec_of(**FIELDS))
    found = bind(space, default_assignment(space))
    return found.model_copy(update={"encoder": found.encoder.model_copy(update=encoder)}) if encoder else found


def propose(record: Record, sweep: str, of: TrialConfig) -> int:
    return record.propose(sweep, proposal=Proposal(family="none", assignment={}, config=of, seed=1)).number


def of_stage(key: str, score: float = 0.5) -> TrialResult:
    stage = StageRun(phase="target", key=key, steps=1, seconds=1.0, reused=False)
    return TrialResult(languages={"en": score, "de": score}, num_items=10, task_scores={}, stages=(stage,))


def fail_with(record: Record, sweep: str, *, key: str, of: TrialConfig) -> None:
    """Add a trial that was measured at rung 0 and then failed."""
    number = propose(record, sweep, of)
    record.start(sweep, number=number)
    record.measure(sweep, number=number, rung=0, result=of_stage(key))
    record.fail(sweep, number=number, error="test", kind="other")


@pytest.mark.parametrize("where", ["kept", "other"])
def test_a_failed_trial_that_cannot_be_planned_keeps_what_the_record_lists(
    record: Record, tmp_path: Path, where: str
) -> None:
    fail_with(record, where, key=OTHER_KEY, of=config(name=str(tmp_path / "gone")))
    propose(record, "kept", config())

    needs = read_needs(record, complete=(), keep_best=1, only_of="kept")

    assert OTHER_KEY in needs.unfinished
    assert len(needs.unfinished) > 1  # of the trial that can be planned
    with pytest.raises(InputError, match="cannot be computed"):
        read_needs(record, complete=(), keep_best=1)


def test_a_waiting_trial_of_another_sweep_that_cannot_be_planned_does_not_turn_keep_off(
    record: Record, tmp_path: Path
) -> None:
    propose(record, "other", config(name=str(tmp_path / "gone")))

    assert read_needs(record, complete=(), keep_best=1, only_of="kept").unfinished == frozenset()


def test_a_trial_of_the_sweep_that_cannot_be_planned_is_an_error_at_its_start(record: Record, tmp_path: Path) -> None:
    propose(record, "kept", config(name=str(tmp_path / "gone")))
    spec, store = spec_of(**FIELDS, keep={"best": 1}), StageStore(tmp_path / "store")

    with pytest.raises(InputError, match=r"keep: .*cannot be computed.*remove `keep` from the spec"):
        make_keeper(record, name="kept", spec=spec, store=store, config=config())


def test_the_best_keep_the_stages_of_their_last_rung(record: Record) -> None:
    for name in ("kept", "other"):
        number = propose(record, name, config())
        record.start(name, number=number)
        record.measure(name, number=number, rung=0, result=of_stage(LOWER_KEY if name == "kept" else OTHER_KEY))
        record.finish(name, number=number, result=of_stage(OWN_KEY), rung=1)

    assert read_needs(record, complete=(), keep_best=1, only_of="kept").kept == {OWN_KEY, OTHER_KEY}
    assert read_needs(record, complete=(), keep_best=1).kept == {OWN_KEY, OTHER_KEY, LOWER_KEY}


def test_a_look_at_the_needs_leaves_the_tasks_of_this_process_as_they_are(record: Record) -> None:
    mine = task("miniature_nli").model_copy(update={"name": "mine"})
    theirs, unknown = (mine.model_copy(update=update) for update in ({"licence": "theirs"}, {"name": "only_theirs"}))
    fields = {"mine": theirs.model_dump(mode="json"), "only_theirs": unknown.model_dump(mode="json")}
    record.put_sweep("third", spec={"tasks": fields}, objective="average", planned_trials=1)
    propose(record, "third", config())

    with restored(["mine"]):
        adopt([mine])
        read_needs(record, complete=(), keep_best=1, only_of="kept")
        assert task("mine") == mine
        assert "only_theirs" not in tasks()


@pytest.mark.parametrize("place", ["remove", "raise_if_shared"])
def test_a_store_that_cannot_be_changed_stops_no_sweep(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with sweep(tmp_path, **FIELDS, keep={"best": 1}) as kept:
        kept.run(until=1)
        monkeypatch.setattr(store_keeper if place == "raise_if_shared" else Space, place, fail)
        kept.run()

        assert {state for state, _, _ in kept.result.values()} == {"finished"}
    assert "Read-only file system" in caplog.text


def test_no_trial_starts_if_another_process_has_just_taken_its_stage(tmp_path: Path) -> None:
    with sweep(tmp_path, **FIELDS, keep={"best": 1, "bytes": 10**9}) as kept:
        kept.run(until=1)
        scheduler = kept.scheduler
        first = scheduler._choose() or scheduler._choose_among_more()
        assert first is not None
        scheduler._running.clear()
        kept.plans.is_held = lambda _: True

        assert scheduler._with_room(first) is None


def test_a_confirmation_that_is_on_record_with_keep_goes_on_without_it(record: Record, tmp_path: Path) -> None:
    values = {"family": "none", "target.learning_rate": 1e-4}
    points = [{"name": name, "assignment": values} for name in ("one", "baseline")]
    fields = FIELDS | {"sampler": {"name": "given", "points": points}, "keep": {"best": 1}}
    record.put_sweep("kept.confirmed", spec=recorded(spec_of(**fields)), objective="average", planned_trials=2)
    home = Home(record=str(tmp_path / "record.db"), store=str(tmp_path / "store"), scratch=tmp_path)
    request = ConfirmRequest(sweep="kept", top=1, seeds=2, home=home)

    assert _spec(record, request).keep is None


def test_stages_are_as_large_as_those_of_the_largest_encoder_of_a_choice(tiny_encoder: Path, tmp_path: Path) -> None:
    names = [str(tiny_encoder), "miniature", str(tmp_path / "gone")]
    trial = {name: value for name, value in spec_of(**FIELDS).trial.items() if name != "encoder"}
    search = RATES | {"encoder.name": {"choice": names}}
    spec = spec_of(**FIELDS | {"trial": trial, "search": search})
    configs = [config(name=name) for name in names[:2]]

    sizes = [stage_sizes(one, spec=spec).weight_bytes for one in configs]

    alone = [stage_sizes(one, spec=spec_of(**FIELDS | {"search": RATES})).weight_bytes for one in configs]
    assert sizes == [max(alone)] * 2


def test_trunks_of_adapters_do_not_say_how_large_other_trunks_are(record: Record, tmp_path: Path) -> None:
    spec, store = spec_of(**FIELDS, keep={"best": 1}), StageStore(tmp_path / "store")
    keeper = make_keeper(record, name="kept", spec=spec, store=store, config=config())
    assert keeper is not None
    facts = FACTS.model_copy(update={"phase": "target", "is_trunk": True})
    keeper._known = {OWN_KEY: ListedStage(key=OWN_KEY, facts=facts, num_bytes=10)}
    plan = plan_stages(config(), provenance=read_provenance(config()))
    (trunk,) = (one.model_copy(update={"is_trunk": True}) for one in plan if one.phase == "target")
    adapted = trunk.model_copy(update={"work": trunk.work.model_copy(update={"adapter": AdapterConfig()})})

    assert keeper.size(trunk) == keeper._sizes.of(trunk) > keeper.size(adapted) == keeper._sizes.of(adapted) > 10
