"""What ships in the package learns: zero-shot NLI in 15 languages, and an image task that needs its images.

Scores move by a point or two with the seed; the bounds leave several.
"""

from __future__ import annotations

import json

import pytest

from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig, ScheduleConfig, TrialConfig, VisionConfig
from trainables.config.trial import EncoderConfig
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    """A trial with images in its intermediate phase."""
    shared = {"max_length": 64, "dropout": 0.0, "freeze_embeddings": True, "freeze_layers": 2}
    schedule = ScheduleConfig(warmup_steps=30)
    config = TrialConfig(
        encoder=EncoderConfig(name="miniature"),
        intermediate=PhaseConfig(
            mixture={"miniature_entailment": 1.0},
            steps=500,
            learning_rate=3e-3,
            schedule=schedule,
            vision=VisionConfig(tower="miniature", freeze=True),
            **shared,
        ),
        target=PhaseConfig(mixture={"miniature_nli": 1.0}, steps=500, learning_rate=3e-3, schedule=schedule, **shared),
        evaluation=EvaluationConfig(task="miniature_nli", num_items=500, max_length=64),
        engine=EngineConfig(threads_per_rank=1),
    )
    group = LocalGroup(config.engine)
    try:
        return run_trial(
            config, resources=TrialResources(store=StageStore(tmp_path_factory.mktemp("store")), group=group)
        )
    finally:
        group.close()


def test_labels_of_english_alone_teach_all_fifteen_languages(result: TrialResult) -> None:
    assert len(result.languages) == 15
    assert result.average > 0.5
    assert result.worst > 0.4


def test_the_image_task_is_learnt_from_its_images(result: TrialResult) -> None:
    with_images = result.task_scores["miniature_entailment"]
    with_others = result.task_scores["miniature_entailment/shuffled_images"]
    assert with_images - with_others > 0.2


def test_the_package_holds_only_safetensors_and_says_what_it_is(pytestconfig: pytest.Config) -> None:
    assets = pytestconfig.rootpath / "trainables" / "miniature" / "assets"
    files = [path for path in assets.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}
    assert sum(path.stat().st_size for path in files) < 4_000_000
    assert json.loads((assets / "encoder" / "config.json").read_text())["model_type"] == "xlm-roberta"
