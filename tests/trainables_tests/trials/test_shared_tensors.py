"""Trials with frozen parts, on real ranks: what is stored once gives what a whole stage gives."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainables_tests.tiny_jobs import engine, phase, trial
from trainables.config import MergeConfig, TrialConfig
from trainables.errors import CheckpointError
from trainables.models.encoder import load_encoder
from trainables.models.pretrained.encoder_folder import check_encoder_folder
from trainables.models.weights import read_place
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import Place, StageFacts, StageStore, StoredStage, bytes_of
from trainables.tensor_files import WHOLE, whole_pieces
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

REPOSITORY = Path(__file__).parents[3]
FROZEN = {"freeze_embeddings": True, "freeze_layers": 1}

PROGRAM = """
import sys
from pathlib import Path
from trainables.config import TrialConfig
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial
config = TrialConfig.model_validate_json(sys.argv[1])
run_trial(config, resources=TrialResources(store=StageStore(Path(sys.argv[2])), group=LocalGroup(config.engine)))
"""


class WholeStore(StageStore):
    """A store that keeps every stage whole, as stores did before."""

    def commit(self, key: str, *, folder: Path, facts: StageFacts, start: Place | None = None) -> StoredStage:
        """Commit a stage as if nothing were known of its start."""
        del start
        return super().commit(key, folder=folder, facts=facts)


def frozen_trial(encoder: Path, *, steps: int = 4, **fields: Any) -> TrialConfig:
    work = phase(mixture={"commonsense_qa": 1.0}, steps=steps, **FROZEN)
    return trial(encoder, **({"intermediate": work, "target": phase(steps=steps, **FROZEN)} | fields))


def run(config: TrialConfig, store: StageStore, group: LocalGroup) -> TrialResult:
    return run_trial(config, resources=TrialResources(store=store, group=group))


def stages_of(config: TrialConfig, store: StageStore) -> dict[str, StoredStage]:
    """Return the trial's stages with weights, by their keys."""
    plan = plan_stages(config, provenance=read_provenance(config))
    found = {stage.key: store.find(stage.key) for stage in plan if stage.phase != "evaluation"}
    return {key: stage for key, stage in found.items() if stage is not None}


def checksums(stages: dict[str, StoredStage]) -> dict[str, str]:
    """Return the checksum of each stage's whole file of weights."""
    return {key: hashlib.sha256(weights_of(stage)).hexdigest() for key, stage in stages.items()}


def weights_of(stage: StoredStage) -> bytes:
    return b"".join(whole_pieces(stage.place)) if stage.shared else (stage.folder / WHOLE).read_bytes()


@pytest.fixture(scope="module")
def whole(
    tiny_encoder: Path, tiny_world: None, tmp_path_factory: pytest.TempPathFactory, one_rank: LocalGroup
) -> tuple[TrialConfig, StageStore, TrialResult]:
    """A trial with frozen parts in a store that keeps every stage whole."""
    del tiny_world
    config, store = frozen_trial(tiny_encoder), WholeStore(tmp_path_factory.mktemp("whole") / "store")
    return config, store, run(config, store, one_rank)


def test_a_trial_gives_the_same_weights_and_scores_in_less_space(
    whole: tuple[TrialConfig, StageStore, TrialResult], tmp_path: Path, one_rank: LocalGroup
) -> None:
    config, before, expected = whole
    store = StageStore(tmp_path / "store")

    result = run(config, store, one_rank)

    assert result.languages == expected.languages
    assert result.evaluations == expected.evaluations
    made = stages_of(config, store)
    assert [stage.shared is not None for stage in made.values()] == [True, True]
    assert len({stage.shared for stage in made.values()}) == 1
    assert checksums(made) == checksums(stages_of(config, before))
    sizes = [bytes_of(one.space.stages().values()) for one in (store, before)]
    assert sizes[0] < 0.8 * sizes[1]
    assert all(store.space.verify(key) is None for key in made)


@pytest.mark.parametrize("zero_stage", [0, 2, 3])
def test_two_ranks_train_from_and_score_a_stage_that_shares_tensors(
    whole: tuple[TrialConfig, StageStore, TrialResult],
    tiny_encoder: Path,
    tmp_path: Path,
    two_ranks: LocalGroup,
    zero_stage: int,
) -> None:
    config = frozen_trial(tiny_encoder, engine=engine(num_workers=2, zero_stage=zero_stage))
    del whole

    results = [
        run(config, kind(tmp_path / kind.__name__), two_ranks)  # each has an intermediate stage of its own
        for kind in (WholeStore, StageStore)
    ]

    assert results[0].languages == results[1].languages
    stores = [StageStore(tmp_path / kind.__name__) for kind in (WholeStore, StageStore)]
    tensors = [
        {(key, name): tensor for key, stage in stages_of(config, store).items() for name, tensor in of(stage).items()}
        for store in stores
    ]
    assert tensors[0].keys() == tensors[1].keys()
    assert max(float((tensors[0][name] - tensors[1][name]).abs().max()) for name in tensors[0]) < 1e-6


def of(stage: StoredStage) -> dict[str, torch.Tensor]:
    return read_place(stage.place)


def test_a_merge_of_stages_that_share_tensors_is_that_of_whole_ones(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    merged = phase(
        mixture={"commonsense_qa": 0.5, "mnli": 0.5}, steps=4, merge=MergeConfig(method="ties", density=0.5), **FROZEN
    )
    config = frozen_trial(tiny_encoder, intermediate=merged)

    results = [run(config, kind(tmp_path / kind.__name__), one_rank) for kind in (WholeStore, StageStore)]

    stores = [StageStore(tmp_path / kind.__name__) for kind in (WholeStore, StageStore)]
    assert results[0].languages == results[1].languages
    assert checksums(stages_of(config, stores[0])) == checksums(stages_of(config, stores[1]))
    assert {stage.shared is not None for stage in stages_of(config, stores[1]).values()} == {True}


def test_an_encoder_that_is_loaded_is_the_one_that_was_trained(
    whole: tuple[TrialConfig, StageStore, TrialResult], tmp_path: Path, one_rank: LocalGroup
) -> None:
    config, before, _ = whole
    store = StageStore(tmp_path / "store")
    run(config, store, one_rank)

    for key, stage in stages_of(config, store).items():
        loaded = load_encoder(stage.place, dropout=0.0)
        expected = load_encoder(stages_of(config, before)[key].folder, dropout=0.0)
        assert loaded.model.config.to_dict() | {"_name_or_path": ""} == expected.model.config.to_dict() | {
            "_name_or_path": ""
        }
        states = loaded.model.state_dict(), expected.model.state_dict()
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert states[0].keys() == load_file(stages_of(config, before)[key].folder / WHOLE).keys()


def test_the_folder_of_such_a_stage_is_refused_as_an_encoder_with_the_next_step(
    whole: tuple[TrialConfig, StageStore, TrialResult], tmp_path: Path, one_rank: LocalGroup
) -> None:
    config, _, _ = whole
    store = StageStore(tmp_path / "store")
    run(config, store, one_rank)
    folder = next(iter(stages_of(config, store).values())).folder

    with pytest.raises(CheckpointError, match=rf"xstilts stages copy {folder.name[:12]} FOLDER"):
        check_encoder_folder(folder)


def test_a_trial_killed_inside_its_target_stage_ends_as_the_unbroken_one(
    tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup
) -> None:
    fast = engine(checkpoint_seconds=0.01)
    config = frozen_trial(tiny_encoder, steps=100, engine=fast)
    unbroken = WholeStore(tmp_path / "unbroken")
    expected = run(config, unbroken, one_rank)
    (target,) = [key for key, one in stages_of(config, unbroken).items() if one.facts.phase == "target"]

    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, config.model_dump_json(), str(tmp_path / "store")], cwd=REPOSITORY
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and not list((tmp_path / "store").glob(f"checkpoints/{target}/*")):
        assert time.monotonic() < deadline, "no checkpoint was made"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = StageStore(tmp_path / "store")
    result = run(config, store, one_rank)

    assert result.languages == expected.languages
    assert checksums(stages_of(config, store)) == checksums(stages_of(config, unbroken))
    assert {stage.shared is not None for stage in stages_of(config, store).values()} == {True}
