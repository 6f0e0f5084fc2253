"""Listing, checking and freeing a store: what trials need stays, whatever the limits, also while they run."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.errors import InputError
from search.home import find_home
from search.record import Proposal, Record, open_record
from search.stages import Limits, collect
from tests.trainables_tests.stage_maker import FACTS
from tests.trainables_tests.tiny_jobs import VISION, phase, trial
from trainables.config import EngineConfig, MergeConfig, TrialConfig
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import Stage, plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

INTERMEDIATE = phase(mixture={"commonsense_qa": 1.0}, steps=4)
EVERYTHING = Limits(max_bytes=0, keep_best=0, force=True)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "home" / "store")


@pytest.fixture
def configs(tiny_encoder: Path, tiny_world: None) -> list[TrialConfig]:
    """Three trials that share their intermediate stage."""
    del tiny_world
    rates = (1e-4, 2e-4, 3e-4)
    return [trial(tiny_encoder, intermediate=INTERMEDIATE, target=phase(steps=4, learning_rate=rate)) for rate in rates]


def plan(config: TrialConfig) -> tuple[Stage, ...]:
    return plan_stages(config, provenance=read_provenance(config))


def make(store: StageStore, stages: tuple[Stage, ...], *, num_bytes: int = 1000) -> None:
    """Put stages into the store as if they had been trained: only their keys and sizes matter here."""
    for stage in stages:
        with store.lease(stage.key), store.work_folder(stage.key) as folder:
            (folder / "model.safetensors").write_bytes(b"w" * num_bytes)
            parts = stage.made_of if stage.combination else ()
            facts = FACTS.model_copy(update={"phase": stage.phase, "parent": stage.parent, "parts": parts})
            store.commit(stage.key, folder=folder, facts=facts)


def add(record: Record, config: TrialConfig, *, score: float | None = None) -> None:
    """Add a trial to the sweep: finished with a score, or proposed."""
    number = record.propose("demo", proposal=Proposal(family="text", assignment={}, config=config, seed=1)).number
    if score is None:
        return
    stages = tuple(
        StageRun(phase=stage.phase, key=stage.key, steps=4, seconds=1.0, reused=False) for stage in plan(config)
    )
    record.start("demo", number=number)
    languages = {"en": score, "de": score}
    result = TrialResult(languages=languages, num_items=10, task_scores={}, stages=stages)
    record.finish("demo", number=number, result=result)


def keys_of(*plans: tuple[Stage, ...]) -> set[str]:
    return {stage.key for stages in plans for stage in stages}


def test_without_a_limit_only_what_no_trial_uses_goes(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    used, waiting, unused = map(plan, configs)
    for stages in (used, waiting, unused):
        make(store, stages)
    add(record, configs[0], score=0.5)
    add(record, configs[1])

    collected = collect(record, store=store, limits=Limits())

    assert set(store.keys()) == keys_of(used, waiting)
    assert {removal.name for removal in collected.removed} == keys_of(unused[1:])
    assert collected.bytes_before - collected.bytes_after == collected.freed_bytes > 2000


def test_keep_best_keeps_the_best_trials_with_all_they_were_made_from(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    for config, score in zip(configs, (0.5, 0.7, 0.6), strict=True):
        make(store, plan(config))
        add(record, config, score=score)

    collect(record, store=store, limits=Limits(keep_best=1))

    assert set(store.keys()) == keys_of(plan(configs[1]))


def test_a_stage_that_an_unfinished_trial_has_not_come_to_yet_stays(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    make(store, plan(configs[0]))
    add(record, configs[0])  # proposed: the record has no stage of it yet

    collected = collect(record, store=store, limits=EVERYTHING)

    assert set(store.keys()) == keys_of(plan(configs[0]))
    assert (collected.removed, collected.num_needed) == ((), 3)


def test_a_budget_takes_children_before_their_parents_and_only_as_many_as_it_must(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    for config, score in zip(configs, (0.5, 0.7, 0.6), strict=True):
        make(store, plan(config), num_bytes=10_000)
        add(record, config, score=score)
    before = sum(stage.num_bytes for stage in store.space.stages().values())

    collected = collect(record, store=store, limits=Limits(max_bytes=before - 15_000))

    assert len(collected.removed) == 2
    assert {removal.phase for removal in collected.removed} <= {"evaluation", "target"}
    assert collected.bytes_after <= before - 15_000
    assert collected.bytes_after == sum(stage.num_bytes for stage in store.space.stages().values())
    assert keys_of(plan(configs[1])) <= set(store.keys())


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    for config, score in zip(configs, (0.5, 0.7, 0.6), strict=True):
        make(store, plan(config))
        add(record, config, score=score)
    before = set(store.keys())

    said = collect(record, store=store, limits=Limits(keep_best=1, dry_run=True))

    assert set(store.keys()) == before
    done = collect(record, store=store, limits=Limits(keep_best=1))
    assert done.removed == said.removed
    assert len(done.removed) == 4


def test_a_stage_under_a_lease_or_in_use_stays(record: Record, store: StageStore, configs: list[TrialConfig]) -> None:
    stages = plan(configs[0])
    make(store, stages)
    other = StageStore(store.url)
    with other.using(), other.lease(stages[2].key):
        assert other.find(stages[1].key) is not None

        collected = collect(record, store=store, limits=EVERYTHING)

        assert (collected.removed, collected.num_busy) == ((), 1)
    assert set(store.keys()) == keys_of(stages)


def test_checkpoints_stay_while_a_trial_may_continue_from_them(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    wanted, unwanted = plan(configs[0])[0].key, "9" * 64
    add(record, configs[0])
    for key in (wanted, unwanted):
        folder = store.root / "work" / "state"
        folder.mkdir()
        (folder / "state").write_text("state")
        with store.lease(key):
            store.put_checkpoint(key, step=1, folder=folder)

    collected = collect(record, store=store, limits=EVERYTHING)

    assert [(removal.what, removal.name) for removal in collected.removed] == [("checkpoints", unwanted)]
    assert store.newest_checkpoint(wanted) is not None


def test_where_a_trials_needs_cannot_be_told_nothing_is_removed(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    make(store, plan(configs[0]))
    lost = configs[0].encoder.model_copy(update={"name": "nobody/has-this-encoder"})
    add(record, configs[0].model_copy(update={"encoder": lost}))

    with pytest.raises(
        InputError, match=r"trial 0 of 'demo' \(proposed\) needs cannot be computed.*nothing was deleted"
    ):
        collect(record, store=store, limits=EVERYTHING)

    assert set(store.keys()) == keys_of(plan(configs[0]))


@pytest.mark.slow
def test_a_trial_ends_as_it_would_while_another_process_frees_all_it_may(
    record: Record, configs: list[TrialConfig], tmp_path: Path
) -> None:
    """The trial is in no record, as one of `xstilts run`: only its session protects it."""
    engine = EngineConfig(threads_per_rank=1, device="cpu")
    config = configs[0].model_copy(update={"engine": engine})
    stop, freed = threading.Event(), []

    def free(store: StageStore) -> None:
        while not stop.wait(0.02):
            freed.append(collect(record, store=store, limits=EVERYTHING).num_busy)

    with contextlib.closing(LocalGroup(engine)) as group:
        alone = run_trial(config, resources=TrialResources(store=StageStore(tmp_path / "alone"), group=group))
        store = StageStore(tmp_path / "shared")
        thread = threading.Thread(target=free, args=(StageStore(store.url),))
        thread.start()
        try:
            disturbed = run_trial(config, resources=TrialResources(store=store, group=group))
        finally:
            stop.set()
            thread.join()

    assert disturbed.languages == alone.languages
    assert [stage.key for stage in disturbed.stages] == [stage.key for stage in alone.stages]
    assert max(freed) > 0
    assert collect(record, store=store, limits=EVERYTHING).bytes_after == 0


@pytest.fixture
def home(store: StageStore, configs: list[TrialConfig], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two finished trials."""
    folder = store.root.parent
    monkeypatch.setenv("XSTILTS_HOME", str(folder))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=2)
        for config, score in zip(configs[:2], (0.5, 0.7), strict=True):
            make(store, plan(config))
            add(record, config, score=score)
    return folder


@pytest.mark.usefixtures("home")
def test_list_shows_each_stage_below_its_parent_with_its_trials(
    configs: list[TrialConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["stages", "list", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert [line["depth"] for line in lines] == [0, 1, 2, 1, 2]
    assert (lines[0]["key"], lines[0]["trials"]) == (plan(configs[0])[0].key, {"demo": [0, 1]})

    assert exit_code(["stages", "list"]) == 0
    text = capsys.readouterr().out
    assert "5 stages, " in text
    assert max(map(len, text.splitlines())) <= 80


def test_verify_names_what_is_damaged_and_exits_with_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["stages", "verify"]) == 0
    model = next(iter(sorted((home / "store" / "stages").rglob("model.safetensors"))))
    model.write_bytes(b"W" + model.read_bytes()[1:])
    capsys.readouterr()

    assert exit_code(["stages", "verify", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["num_stages"] == 5
    assert answer["damaged"] == [{"key": model.parent.name, "problem": "model.safetensors has changed"}]


@pytest.mark.usefixtures("home")
def test_gc_reports_what_went(store: StageStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["stages", "gc", "--keep-best", "1", "--dry-run"]) == 0
    assert "Would free" in capsys.readouterr().out
    assert exit_code(["stages", "gc", "--keep-best", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["removed"]) == 2
    assert len(list(store.keys())) == 3


@pytest.mark.parametrize("command", [["list"], ["verify"], ["gc"]], ids=" ".join)
def test_no_store_is_a_clear_error_and_makes_none(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["stages", *command, "--store", str(tmp_path / "none")]) == 2
    assert "there is no store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_is_merged_stays_as_long_as_the_merge(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    tasks = {"commonsense_qa": 0.5, "nlvr": 0.5}
    merged = configs[0].model_copy(
        update={"intermediate": phase(mixture=tasks, vision=VISION, steps=4, merge=MergeConfig())}
    )
    stages = plan(merged)
    make(store, stages)
    make(store, plan(configs[1]))
    add(record, merged, score=0.5)

    collect(record, store=store, limits=Limits(keep_best=1))
    kept = set(store.keys())
    collect(record, store=store, limits=Limits(keep_best=0))

    assert kept == keys_of(stages)
    assert set(store.keys()) == set()
