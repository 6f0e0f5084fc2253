"""What is checked before a trial starts: each mistake is one message with its field, the value and the next step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainables_tests.tiny_jobs import VISION, engine, phase, trial
from trainables.checks.preflight import check_trial
from trainables.config import EvaluationConfig, VisionConfig
from trainables.errors import CheckpointError, ConfigError, UnavailableError, UnknownTaskError

pytestmark = pytest.mark.usefixtures("tiny_world")

MINIATURE_TARGET: dict[str, Any] = {
    "target": phase(mixture={"miniature_nli": 1.0}),
    "evaluation": EvaluationConfig(task="miniature_nli", max_length=48),
}


@pytest.fixture
def encoder_copy(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


@pytest.fixture
def mirror_copy(tiny_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mirror in use, which a test may damage."""
    copy = Path(shutil.copytree(tiny_mirror, tmp_path / "mirror"))
    monkeypatch.setenv("XSTILTS_MIRROR", str(copy))
    return copy


@pytest.mark.parametrize(
    "fields",
    [
        {},
        MINIATURE_TARGET,
        {"intermediate": phase(mixture={"nlvr": 0.5, "commonsense_qa": 0.5}, vision=VISION)},
        {"intermediate": phase(mixture={"nlvr2": 1.0}, vision=VISION, max_length=56)},
        {"intermediate": phase(mixture={"flickr30k": 1.0}, vision=VISION, max_length=64)},
        {"pretraining": phase(mixture={"miniature_text": 1.0})},
        {"engine": engine(zero_stage=1, offload="optimizer")},
        {"engine": engine(zero_stage=3, offload="all")},
        {"target": phase(freeze_embeddings=True, freeze_layers=2)},
        {"target": phase(max_length=64)},
        {"evaluation": EvaluationConfig(languages=("sw",), max_length=64)},
    ],
    ids=[
        "real",
        "generated",
        "images",
        "pairs",
        "retrieval",
        "pretraining",
        "offload 1",
        "offload 3",
        "frozen",
        "longest",
        "longest scored",
    ],
)
def test_a_sound_trial_passes(fields: dict[str, Any], tiny_encoder: Path) -> None:
    check_trial(trial(tiny_encoder, **fields))


MISTAKES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a text and its image that do not fit together": (
        {"intermediate": phase(mixture={"nlvr": 1.0}, vision=VISION, max_length=61)},
        "intermediate.max_length",
        ["61", "4 image tokens are added", "at most 64 tokens in total", "set it to 60"],
    ),
    "a text and its two images that do not fit together": (
        {"intermediate": phase(mixture={"nlvr2": 1.0}, vision=VisionConfig(tower="miniature", freeze=True))},
        "intermediate.max_length",
        ["48", "32 image tokens", "set it to 32"],
    ),
    "images without a tower": (
        {"intermediate": phase(mixture={"nlvr": 1.0})},
        "intermediate.vision",
        ["'nlvr'", "set tower: small"],
    ),
    "a tower without images": (
        {"intermediate": phase(mixture={"mnli": 0.5, "commonsense_qa": 0.5}, vision=VISION)},
        "intermediate.vision",
        ["mnli, commonsense_qa", "remove vision"],
    ),
    "training on what is for evaluation": (
        {"intermediate": phase(mixture={"xnli": 1.0})},
        "intermediate.mixture",
        ["'xnli'", "choose a task"],
    ),
    "pretraining on labels": (
        {"pretraining": phase(mixture={"mnli": 1.0})},
        "pretraining.mixture",
        ["'mnli'", "sentence_pair", "masked_lm"],
    ),
    "a target of two tasks": (
        {"target": phase(mixture={"mnli": 0.5, "snli": 0.5})},
        "target.mixture",
        ["mnli, snli", "mix tasks in `intermediate`"],
    ),
    "a target of another kind": (
        {"target": phase(mixture={"commonsense_qa": 1.0})},
        "evaluation.task",
        ["'xnli'", "'commonsense_qa'", "both must have the same kind and labels"],
    ),
    "a language that the task lacks": (
        {"evaluation": EvaluationConfig(task="snli", languages=("en", "sw"))},
        "evaluation.languages",
        ["'snli'", "'sw'", "it has en"],
    ),
    "offloaded optimizer without sharding": (
        {"engine": engine(zero_stage=0, offload="optimizer")},
        "engine.offload",
        ["'optimizer'", "stage 1", "raise engine.zero_stage"],
    ),
    "offloaded parameters that are not sharded": (
        {"engine": engine(zero_stage=2, offload="all")},
        "engine.offload",
        ["'all'", "stage 3", "it is 2", "raise engine.zero_stage"],
    ),
    "more frozen layers than there are": (
        {"target": phase(freeze_embeddings=True, freeze_layers=3)},
        "target.freeze_layers",
        ["is 3", "2 or less"],
    ),
    "texts longer than the encoder reads": (
        {"target": phase(max_length=65)},
        "target.max_length",
        ["65", "at most 64 tokens", "set it to 64 or less"],
    ),
    "longer texts in the evaluation": (
        {"evaluation": EvaluationConfig(max_length=128)},
        "evaluation.max_length",
        ["128", "at most 64 tokens", "set it to 64 or less"],
    ),
}


@pytest.mark.parametrize(("fields", "field", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_field_value_and_next_step(
    fields: dict[str, Any], field: str, said: list[str], tiny_encoder: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_trial(trial(tiny_encoder, **fields))

    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert [part for part in said if part not in str(caught.value)] == []


def test_an_unknown_task_is_told_with_near_matches(tiny_encoder: Path) -> None:
    with pytest.raises(UnknownTaskError, match=r"'mnil'; did you mean .*'mnli'.*`xstilts tasks`"):
        check_trial(trial(tiny_encoder, target=phase(mixture={"mnil": 1.0})))


def test_an_unknown_evaluation_task_is_told(tiny_encoder: Path) -> None:
    with pytest.raises(UnknownTaskError, match="'xnl'; did you mean 'xnli'"):
        check_trial(trial(tiny_encoder, evaluation=EvaluationConfig(task="xnl")))


def test_a_vision_tower_without_configuration_is_told(tiny_encoder: Path, tmp_path: Path) -> None:
    tower = VisionConfig(tower=str(tmp_path))

    with pytest.raises(
        ConfigError, match=r"intermediate\.vision\.tower: .*no config\.json; give the folder of a vision checkpoint"
    ):
        check_trial(trial(tiny_encoder, intermediate=phase(mixture={"nlvr": 1.0}, vision=tower)))


def test_a_vision_tower_that_is_nowhere_is_told(tiny_encoder: Path) -> None:
    tower = VisionConfig(tower="owner/no-such-tower")

    with pytest.raises(UnavailableError, match=r"'owner/no-such-tower'.*set XSTILTS_MIRROR"):
        check_trial(trial(tiny_encoder, intermediate=phase(mixture={"nlvr": 1.0}, vision=tower)))


def test_an_encoder_that_is_nowhere_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"'owner/no-such-encoder'.*set XSTILTS_MIRROR"):
        check_trial(trial(Path("owner/no-such-encoder")))


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("config.json", r"it has no configuration.*config\.json; add the file"),
        ("model.safetensors", r"it has no weights.*model\.safetensors.*add the file"),
        ("tokenizer.json", r"it has no tokenizer.*tokenizer\.json.*add the file"),
    ],
)
def test_an_encoder_that_lacks_a_part_is_told(missing: str, what: str, encoder_copy: Path) -> None:
    (encoder_copy / missing).unlink()

    with pytest.raises(CheckpointError, match=what):
        check_trial(trial(encoder_copy))


def test_pickled_weights_are_refused(encoder_copy: Path) -> None:
    (encoder_copy / "model.safetensors").rename(encoder_copy / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"pickle can run any code.*save_pretrained"):
        check_trial(trial(encoder_copy))


def test_data_that_is_nowhere_is_told(tiny_encoder: Path, mirror_copy: Path) -> None:
    shutil.rmtree(mirror_copy / "datasets/nyu-mll")

    with pytest.raises(UnavailableError, match=r"'nyu-mll/glue'.*HF_HUB_OFFLINE.*set XSTILTS_MIRROR"):
        check_trial(trial(tiny_encoder))


def test_a_mirror_that_lacks_a_configuration_is_told(tiny_encoder: Path, mirror_copy: Path) -> None:
    shutil.rmtree(mirror_copy / "datasets/facebook/xnli/de")

    with pytest.raises(ConfigError, match=r"xnli: .*'facebook/xnli' has no configuration 'de'; complete it"):
        check_trial(trial(tiny_encoder))


def test_a_mirror_needs_only_the_languages_that_are_scored(tiny_encoder: Path, mirror_copy: Path) -> None:
    shutil.rmtree(mirror_copy / "datasets/facebook/xnli/sw")

    check_trial(trial(tiny_encoder))


def test_a_mirror_that_is_no_folder_is_told(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", "/no/such/mirror")

    with pytest.raises(UnavailableError, match=r"'/no/such/mirror'.*correct or unset it"):
        check_trial(trial(tiny_encoder))


def test_checking_a_trial_imports_nothing_heavy(tiny_encoder: Path) -> None:
    intermediate = phase(mixture={"nlvr": 1.0}, vision=VISION)
    config = trial(tiny_encoder, intermediate=intermediate).model_dump_json()
    program = (
        "import sys; from trainables.checks.preflight import check_trial; from trainables.config import TrialConfig; "
        "check_trial(TrialConfig.model_validate_json(sys.stdin.read())); "
        "print(sorted({'torch', 'transformers', 'datasets', 'ray', 'deepspeed', 'optuna'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        input=config,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == "[]"
