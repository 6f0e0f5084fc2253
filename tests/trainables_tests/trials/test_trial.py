"""Trials on real ranks: sharing of stages, ranks that die, parents that die, data that is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, VISION, engine, phase, trial
from trainables.config import TrialConfig
from trainables.data.encoded_split import EncodedRequest, EncodedTask, PixelFormat, TokenizerSource, open_encoded_task
from trainables.data.shuffled_splits import with_shuffled_images
from trainables.errors import InputError
from trainables.models.encoder import load_tokenizer
from trainables.monitoring.progress import ProgressFile
from trainables.ranks.local_group import LocalGroup
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageStore
from trainables.tasks.registry import register, task
from trainables.tasks.spec import HubSource
from trainables.trials.trial import TrialResources, run_trial

pytestmark = pytest.mark.usefixtures("tiny_world")

INTERMEDIATE = phase(mixture={"nlvr": 0.5, "commonsense_qa": 0.5}, vision=VISION, steps=4, num_dev_items=8)
ENDLESS = phase(steps=10_000_000)
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "store")


def run(config: TrialConfig, store: StageStore, group: LocalGroup) -> TrialResult:
    return run_trial(config, resources=TrialResources(store=store, group=group))


def rank_processes(parent: int) -> list[psutil.Process]:
    """Return the rank processes that a process has started."""
    children = psutil.Process(parent).children()
    return [child for child in children if "trainables.ranks.rank_process" in child.cmdline()]


def wait_for_a_step(progress: Path) -> None:
    """Wait until a trial has reported a step."""
    deadline = time.monotonic() + 300
    while (report := ProgressFile(progress).read()) is None or report.step < 1:
        assert time.monotonic() < deadline, "the trial has not begun to train"
        time.sleep(0.1)


def test_a_second_trial_reuses_the_intermediate_stage_and_pays_only_for_the_rest(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup
) -> None:
    first = run(trial(tiny_encoder, intermediate=INTERMEDIATE), store, one_rank)

    other_target = phase(steps=4, learning_rate=5e-4)
    second = run(trial(tiny_encoder, intermediate=INTERMEDIATE, target=other_target), store, one_rank)

    assert [stage.reused for stage in first.stages] == [False, False, False]
    assert [stage.reused for stage in second.stages] == [True, False, False]
    assert second.stages[0].key == first.stages[0].key
    assert first.cost_paid_seconds == first.cost_if_alone_seconds
    assert second.cost_paid_seconds == sum(stage.seconds for stage in second.stages[1:])
    assert 0 < second.cost_paid_seconds < second.cost_if_alone_seconds


def test_a_finished_trial_is_collected_without_ranks(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup
) -> None:
    config = trial(tiny_encoder)
    made = run(config, store, one_rank)
    idle = LocalGroup(config.engine)

    collected = run(config, store, idle)

    assert collected.languages == made.languages
    assert [stage.reused for stage in collected.stages] == [True, True]
    assert collected.cost_paid_seconds == 0
    assert idle._ranks == []


def test_a_trial_says_what_it_scored_and_tells_of_each_stage(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup
) -> None:
    told: list[StageRun] = []
    config = trial(tiny_encoder, intermediate=INTERMEDIATE, target=phase(steps=4, num_dev_items=8))

    result = run_trial(config, resources=TrialResources(store=store, group=one_rank, on_stage=told.append))

    assert set(result.languages) == {"en", "de"}
    assert result.num_items == 12
    assert set(result.task_scores) == {"nlvr", "nlvr/shuffled_images", "commonsense_qa", "mnli"}
    assert all(0 <= score <= 1 for score in [*result.languages.values(), *result.task_scores.values()])
    assert [(stage.phase, stage.steps) for stage in result.stages] == [
        ("intermediate", 4),
        ("target", 4),
        ("evaluation", 0),
    ]
    assert told == list(result.stages)


def test_the_target_starts_from_what_the_intermediate_phase_made(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup
) -> None:
    alone = run(trial(tiny_encoder), store, one_rank)
    after = run(trial(tiny_encoder, intermediate=INTERMEDIATE), store, one_rank)

    weights = [store.find(result.stages[-2].key) for result in (alone, after)]
    contents = [(stage.folder / "model.safetensors").read_bytes() for stage in weights if stage]
    assert len(contents) == 2
    assert contents[0] != contents[1]


def test_images_that_cannot_be_decoded_are_in_the_stages_facts_and_in_a_warning(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup, caplog: pytest.LogCaptureFixture
) -> None:
    register(task("nlvr").model_copy(update={"name": "tiny_cut", "source": HubSource(repository="tiny/broken")}))
    intermediate = phase(steps=2, mixture={"tiny_cut": 1.0}, vision=VISION)

    result = run(trial(tiny_encoder, intermediate=intermediate), store, one_rank)

    stage = store.find(result.stages[0].key)
    assert stage is not None
    assert (stage.facts.tasks["tiny_cut"].num_unreadable, stage.facts.tasks["tiny_cut"].size) == (3, 117)
    assert "3 examples of tiny_cut are left out: their images cannot be decoded; the other 117 are used" in caplog.text


def test_wrong_data_reaches_the_caller_as_its_own_mistake(
    tiny_encoder: Path, store: StageStore, one_rank: LocalGroup
) -> None:
    columns = {"premise": "no_such_column", "hypothesis": "hypothesis", "label": "label"}
    register(task("mnli").model_copy(update={"name": "tiny_broken", "columns": columns}))

    with pytest.raises(InputError, match=r"'tiny_broken'.*no column 'no_such_column'.*correct the task's `columns`"):
        run(trial(tiny_encoder, target=phase(mixture={"tiny_broken": 1.0})), store, one_rank)

    assert list(store.keys()) == []
    assert list((store.root / "work").iterdir()) == []


@pytest.mark.slow
def test_ranks_end_with_their_parent_and_its_stage_can_be_made(
    tiny_encoder: Path, store: StageStore, tmp_path: Path
) -> None:
    progress = tmp_path / "progress.json"
    config = trial(tiny_encoder, target=ENDLESS, engine=engine(num_workers=2))
    program = (
        "import sys; from pathlib import Path; from trainables.config import TrialConfig; "
        "from trainables.ranks.local_group import LocalGroup; from trainables.stage_store import StageStore; "
        "from trainables.trials.trial import TrialResources, run_trial; "
        "config = TrialConfig.model_validate_json(sys.argv[1]); "
        "place = TrialResources(store=StageStore(Path(sys.argv[2])), group=LocalGroup(config.engine), "
        "progress=Path(sys.argv[3])); run_trial(config, resources=place)"
    )
    arguments = [config.model_dump_json(), str(store.root), str(progress)]
    parent = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=REPOSITORY)
    wait_for_a_step(progress)
    ranks = rank_processes(parent.pid)
    (lease,) = (store.root / "leases").iterdir()

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    _, alive = psutil.wait_procs(ranks, timeout=30)
    assert (len(ranks), alive) == (2, [])
    with store.lease(lease.name):  # would wait for ever if somebody still held it
        assert store.find(lease.name) is None


@pytest.fixture(scope="module")
def pictures(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> EncodedTask:
    """The tiny nlvr: no two of its images are equal."""
    return open_encoded_task(
        EncodedRequest(
            spec=task("nlvr"),
            split="train",
            tokenizer=TokenizerSource(tokenizer=load_tokenizer(tiny_encoder), fingerprint="tiny"),
            max_length=MAX_LENGTH,
            cache=tmp_path_factory.mktemp("pictures"),
            pixels=PixelFormat(image_size=16),
        )
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31 - 1))
def test_shuffling_moves_every_image_and_nothing_else(seed: int, pictures: EncodedTask) -> None:
    shuffled = with_shuffled_images(pictures, seed=seed)

    before, after = list(pictures.columns["image"]), list(shuffled.columns["image"])
    assert [row for row, (old, new) in enumerate(zip(before, after, strict=True)) if old == new] == []
    assert sorted(map(str, after)) == sorted(map(str, before))
    assert list(shuffled.columns["label"]) == list(pictures.columns["label"])
    assert [list(ids) for ids in shuffled.columns["input_ids"]] == [list(ids) for ids in pictures.columns["input_ids"]]


def test_shuffling_is_decided_by_its_seed_and_leaves_the_task_alone(pictures: EncodedTask) -> None:
    before = list(pictures.columns["image"])

    first, again, other = (list(with_shuffled_images(pictures, seed=seed).columns["image"]) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert list(pictures.columns["image"]) == before
