"""A trial is asked in every language with images, without them, and with other images; one without a tower without."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from PIL import Image

from search.cli.main import exit_code
from tests.tiny import write_repository
from trainables.evaluation.predictions import PREDICTIONS, read_predictions
from trainables.miniature.rows import rows
from trainables.stage_store import StageStore
from trainables.tasks.registry import task

pytestmark = pytest.mark.slow

LANGUAGES = ("en", "de", "fr")
XVNLI_LANGUAGES = ("en", "fr", "ru")
NUM_ITEMS = 150
SHORT = {"max_length": 64, "dropout": 0.0, "num_dev_items": 0}
TRAINED = {**SHORT, "learning_rate": 3e-3, "freeze_embeddings": True, "freeze_layers": 2}
TOWER = {"tower": "miniature", "freeze": True}


def trial(**fields: Any) -> dict[str, Any]:
    """Return a trial file on the miniature whose own target is short."""
    target = {**SHORT, "mixture": "miniature_nli", "steps": 2}
    evaluation = {"task": "miniature_nli", "languages": ["en"], "num_items": 10, "max_length": 64}
    engine = {"threads_per_rank": 1}
    return {"encoder": "miniature", "target": target, "evaluation": evaluation, "engine": engine, **fields}


def intermediate(mixture: str, *, steps: int) -> dict[str, Any]:
    return {**TRAINED, "mixture": mixture, "steps": steps, "vision": TOWER}


def further(mixtures: dict[str, str], *, steps: int, languages: tuple[str, ...] = LANGUAGES) -> dict[str, Any]:
    """Return further targets: evaluation task -> the English task that it is trained on."""
    evaluation = {"languages": list(languages), "num_items": NUM_ITEMS, "max_length": 64}
    return {
        name: {
            "target": {**TRAINED, "mixture": mixture, "steps": steps, "vision": {"tower": "intermediate"}},
            "evaluation": evaluation,
        }
        for name, mixture in mixtures.items()
    }


BOTH = {"miniature_visual_nli": "miniature_entailment", "miniature_captions": "miniature_retrieval"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(config: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (folder / "trial.yaml").write_text(yaml.safe_dump(config))
    capsys.readouterr()
    assert exit_code(["run", str(folder / "trial.yaml"), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def mean(scores: dict[str, float]) -> float:
    return fmean(scores.values())


@pytest.mark.usefixtures("home")
def test_images_are_used_in_languages_that_were_never_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = trial(intermediate=intermediate("miniature_entailment", steps=150), further=further(BOTH, steps=150))

    found = run(config, tmp_path, capsys)["evaluations"]

    labels, images = found["miniature_visual_nli"], found["miniature_captions"]
    assert list(labels) == ["accuracy", "accuracy_without_images", "accuracy_shuffled_images"]
    assert all(tuple(scores) == LANGUAGES for scores in labels.values())
    assert mean(labels["accuracy"]) > mean(labels["accuracy_shuffled_images"]) + 0.1
    assert mean(labels["accuracy"]) > mean(labels["accuracy_without_images"]) + 0.1
    assert set(images) == {"recall_at_1", "recall_at_1_without_images", "recall_at_1_shuffled_images"}
    assert set(images["recall_at_1_without_images"]) == {"de", "fr"}
    assert mean(images["recall_at_1"]) > 0.1 > mean(images["recall_at_1_shuffled_images"])
    assert mean(images["recall_at_1_without_images"]) > 0.1


@pytest.mark.usefixtures("home")
def test_a_trial_without_a_tower_is_asked_without_images_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(trial(further=further(BOTH, steps=2)), tmp_path, capsys)["evaluations"]

    assert list(found["miniature_visual_nli"]) == ["accuracy_without_images"]
    assert list(found["miniature_captions"]) == ["recall_at_1_without_images"]
    assert exit_code(["run", str(tmp_path / "trial.yaml")]) == 0
    said = capsys.readouterr().out
    assert all(f"{name} could not be asked with images" in said for name in BOTH)


@pytest.fixture
def xvnli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror with SNLI-VE, and IGLUE's files of XVNLI: scenes of the generated world in their layouts."""
    snli_ve = {split: _snli_ve(split, num_rows=num) for split, num in (("train", 2_000), ("validation", 50))}
    write_repository(tmp_path / "mirror/datasets/pingzhili/snli-ve", configs={"default": snli_ve})
    folder = tmp_path / "xvnli"
    for language in XVNLI_LANGUAGES:
        _write_xvnli(folder, language)
    monkeypatch.setenv("XSTILTS_XVNLI", str(folder))
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets-cache"))
    return folder


def _snli_ve(split: str, *, num_rows: int) -> dict[str, list[Any]]:
    found = rows("miniature_entailment", split=split)
    return {
        "image": [{"bytes": _file(image), "path": None} for image in found["image"][:num_rows]],
        "sentence": found["hypothesis"][:num_rows],
        "gold_label": [task("snli_ve").labels[label] for label in found["label"][:num_rows]],
    }


def _write_xvnli(folder: Path, language: str) -> None:
    found = rows("miniature_entailment", split="validation", language=language)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / language).mkdir(parents=True)
    lines: list[str] = []
    for number in range(NUM_ITEMS):
        name = str(70_000 + number)
        (folder / "images" / f"{name}.jpg").write_bytes(_file(found["image"][number]))
        line = {
            "gold_label": task("xvnli").labels[found["label"][number]],
            "sentence1": found["hypothesis"][number],
            "sentence2": found["hypothesis"][number],
            "captionID": f"{name}.jpg#2",
            "pairID": f"{name}.jpg#2r1c",
            "Flikr30kID": name,
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    (folder / "annotations" / language / "test.jsonl").write_text("".join(lines), encoding="utf-8")


def _file(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.mark.usefixtures("xvnli")
def test_xvnli_is_asked_in_its_own_layout(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored = further({"xvnli": "snli_ve"}, steps=150, languages=XVNLI_LANGUAGES)
    config = trial(intermediate=intermediate("snli_ve", steps=50), further=scored)

    result = run(config, tmp_path, capsys)

    metrics = result["evaluations"]["xvnli"]
    assert all(tuple(scores) == XVNLI_LANGUAGES for scores in metrics.values())
    assert mean(metrics["accuracy"]) > mean(metrics["accuracy_shuffled_images"]) + 0.05
    key = next(stage["key"] for stage in result["stages"] if stage["further"] == "xvnli" and stage["steps"] == 0)
    stage = StageStore(home / "store").find(key)
    assert stage is not None
    items = read_predictions(stage.folder / PREDICTIONS)["ru"]
    assert (items[0].item, items[0].unit) == ("70000.jpg#2r1c", "70000.jpg#2r1c")
