"""Stages that share tensors: what the store is said to hold, what is freed, what is copied and exported.

A trial is trained once on a real rank; the other stages are files of the same shapes, which share tensors alike.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from search.cli.main import exit_code
from search.errors import InputError
from search.model_export import export_trial
from search.record import Proposal, Record, open_record
from search.stages import Limits, collect, copy_stage, list_stages
from tests.trainables_tests.stage_maker import FACTS
from tests.trainables_tests.tiny_jobs import phase, trial
from trainables.config import EngineConfig, TrialConfig
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import Stage, plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import StageRun, TrialResult
from trainables.stage_store import Place, StageStore, bytes_of
from trainables.tensor_files import OWN, WHOLE
from trainables.trials.trial import TrialResources, run_trial

RATES = (1e-4, 2e-4, 3e-4)
FROZEN = {"freeze_embeddings": True, "freeze_layers": 1, "steps": 4}


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "home" / "store")


@pytest.fixture
def configs(tiny_encoder: Path, tiny_world: None) -> list[TrialConfig]:
    """Three trials that share their intermediate stage, and freeze the same weights in both phases."""
    del tiny_world
    first = phase(mixture={"commonsense_qa": 1.0}, **FROZEN)
    return [
        trial(tiny_encoder, intermediate=first, target=phase(learning_rate=rate, **FROZEN), engine=engine())
        for rate in RATES
    ]


def engine() -> EngineConfig:
    return EngineConfig(threads_per_rank=1, device="cpu")


def plan(config: TrialConfig) -> tuple[Stage, ...]:
    return plan_stages(config, provenance=read_provenance(config))


def make(store: StageStore, config: TrialConfig) -> None:
    """Put a trial's stages into the store as if they had been trained: the upper layer has changed."""
    for number, stage in enumerate(plan(config)):
        if store.find(stage.key) is not None:
            continue
        begun = store.find(stage.parent) if stage.parent else None
        start = begun.place if begun else Place(Path(config.encoder.name))
        with store.lease(stage.key), store.work_folder(stage.key) as folder:
            if stage.phase != "evaluation":
                weights = load_file(Path(config.encoder.name) / WHOLE)
                weights = {name: one + number + 1 if ".layer.1." in name else one for name, one in weights.items()}
                save_file(weights, folder / WHOLE, metadata={"format": "pt"})
            shutil.copyfile(Path(config.encoder.name) / "config.json", folder / "config.json")
            facts = FACTS.model_copy(update={"phase": stage.phase, "parent": stage.parent})
            store.commit(stage.key, folder=folder, facts=facts, start=start)


def add(record: Record, config: TrialConfig, *, score: float) -> None:
    number = record.propose("demo", proposal=Proposal(family="text", assignment={}, config=config, seed=1)).number
    record.start("demo", number=number)
    stages = tuple(StageRun(phase=one.phase, key=one.key, steps=4, seconds=1.0, reused=False) for one in plan(config))
    result = TrialResult(languages={"en": score, "de": score}, num_items=10, task_scores={}, stages=stages)
    record.finish("demo", number=number, result=result)


def on_disk(store: StageStore) -> int:
    """Return the bytes of all files of stages, as the disk has them."""
    folders = (store.root / name for name in ("stages", "shared"))
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def test_the_sizes_that_are_printed_are_those_on_disk(
    store: StageStore, configs: list[TrialConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    for config in configs:
        make(store, config)

    lines = list_stages(store, record=None)

    shared = {line.shared: line.shared_bytes for line in lines if line.shared}
    assert len(shared) == 1
    assert sum(line.num_bytes for line in lines) + sum(shared.values()) == on_disk(store)
    assert bytes_of(store.space.stages().values()) == on_disk(store)
    assert exit_code(["stages", "list", "--store", store.url]) == 0
    assert "of them tensors that stages share" in capsys.readouterr().out


def test_a_dry_run_says_what_goes_and_no_kept_stage_loses_a_tensor(
    record: Record, store: StageStore, configs: list[TrialConfig]
) -> None:
    for config, score in zip(configs, (0.5, 0.7, 0.6), strict=True):
        make(store, config)
        add(record, config, score=score)
    before = on_disk(store)

    said = collect(record, store=StageStore(store.url, read_only=True), limits=Limits(keep_best=1, dry_run=True))
    assert on_disk(store) == before
    done = collect(record, store=store, limits=Limits(keep_best=1))

    assert done.removed == said.removed
    assert (done.bytes_before, done.bytes_after) == (before, on_disk(store))
    assert set(store.keys()) == {stage.key for stage in plan(configs[1])}
    assert [store.space.verify(key) for key in store.keys()] == [None] * 3  # noqa: SIM118  a store is not a dict
    none = collect(record, store=store, limits=Limits(keep_best=0))
    assert none.bytes_after == on_disk(store) == 0


def test_a_child_stays_whole_where_its_parent_is_removed(store: StageStore, configs: list[TrialConfig]) -> None:
    make(store, configs[0])
    intermediate, target, _ = plan(configs[0])

    assert store.space.remove(intermediate.key) > 0

    assert StageStore(store.url).space.verify(target.key) is None


def test_a_copied_stage_is_an_encoder_that_transformers_loads(
    store: StageStore, configs: list[TrialConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(store, configs[0])
    key = plan(configs[0])[1].key

    assert exit_code(["stages", "copy", key[:10], str(tmp_path / "copy"), "--store", store.url]) == 0

    assert key[:12] in capsys.readouterr().out
    found = store.find(key)
    assert found is not None
    assert not (tmp_path / "copy" / OWN).exists()
    assert (found.folder / OWN).exists()
    _, report = AutoModel.from_pretrained(tmp_path / "copy", add_pooling_layer=False, output_loading_info=True)
    assert not report["missing_keys"]


def test_what_cannot_be_copied_is_refused_with_the_next_step(
    store: StageStore, configs: list[TrialConfig], tmp_path: Path
) -> None:
    make(store, configs[0])

    with pytest.raises(InputError, match="3 stages have keys that start with it; give more digits"):
        copy_stage(store, key="", folder=tmp_path / "copy")
    with pytest.raises(InputError, match="no stage has it; `xstilts stages list` prints all"):
        copy_stage(store, key="x", folder=tmp_path / "copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="already holds files; give a new folder"):
        copy_stage(store, key="a", folder=tmp_path / "full")


@pytest.fixture
def finished(configs: list[TrialConfig], tmp_path: Path) -> Iterator[tuple[Record, StageStore, StageStore]]:
    """A record with a finished trial, the store that shares its tensors, and one that holds its stages whole."""
    shared, whole = StageStore(tmp_path / "shared"), StageStore(tmp_path / "whole")
    with contextlib.closing(LocalGroup(engine())) as group:
        result = run_trial(configs[0], resources=TrialResources(store=shared, group=group))
    for stage in plan(configs[0]):
        found = shared.find(stage.key)
        assert found is not None
        with whole.lease(stage.key), whole.work_folder(stage.key) as folder:
            copy_stage(shared, key=stage.key, folder=folder)
            whole.commit(stage.key, folder=folder, facts=found.facts)
    with open_record(str(tmp_path / "record.db")) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        proposed = Proposal(family="text", assignment={}, config=configs[0], seed=1)
        number = record.propose("demo", proposal=proposed).number
        record.start("demo", number=number)
        record.finish("demo", number=number, result=result)
        yield record, shared, whole


@pytest.mark.slow
def test_an_exported_model_is_that_of_whole_stages_bit_for_bit(
    finished: tuple[Record, StageStore, StageStore], tmp_path: Path
) -> None:
    record, *stores = finished
    for number, store in enumerate(stores):
        export_trial(record, sweep="demo", number=0, folder=tmp_path / f"model-{number}", store=store.url)

    models = [(tmp_path / f"model-{number}" / WHOLE).read_bytes() for number in range(2)]
    assert models[0] == models[1]
    digests = [{stage: found.digest for stage in store.keys() if (found := store.find(stage))} for store in stores]  # noqa: SIM118
    assert digests[0] == digests[1]
    assert on_disk(stores[0]) < on_disk(stores[1])
