"""Each image arm of the shipped spec, and each of its controls, trains on rows in the layout of its repository."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.cli.main import exit_code
from spaces.sweep_spec import load_sweep_spec
from tests.contracts.samples import write_sample
from tests.trainables_tests.tiny_jobs import VISION, Bench, engine, phase
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.controls import base_of, controls_of
from trainables.tasks.registry import task


def mixtures(value: Any) -> Iterator[str]:
    """Yield every task that a family of a spec can train on."""
    if isinstance(value, dict):
        for name, body in value.items():
            if name == "mixture":
                yield from [body] if isinstance(body, str) else body["choice"]
            else:
                yield from mixtures(body)


FAMILIES = load_sweep_spec("multimodal").families
IMAGES = list(mixtures(FAMILIES["multimodal"]))
CONTROLS = list(mixtures(FAMILIES["control"]))
OTHERS = ("gqa", "multi30k")
"""Image tasks that are not in the spec: one is joined from two configurations, one is read from a user's folder."""


def test_there_are_four_kinds_of_image_arms_each_with_its_controls() -> None:
    assert len({task(name).kind for name in IMAGES}) == len(IMAGES) >= 4
    wanted = {f"{name}@{control}" for name in IMAGES for control in ("shuffled", "captions_only")}
    assert set(CONTROLS) == wanted | {"mnli@equal_compute"}


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, LocalGroup]]:
    folder = tmp_path_factory.mktemp("arms")
    for name in (*IMAGES, *OTHERS, "mnli"):
        write_sample(task(name), folder / "mirror", language="en")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XSTILTS_MIRROR", str(folder / "mirror"))
        patch.setenv("XSTILTS_MULTI30K", str(folder / "mirror/captions"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(folder / "datasets-cache"))
        with contextlib.closing(LocalGroup(engine())) as group:
            yield Bench(encoder=tiny_encoder, folder=folder), group


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IMAGES, *CONTROLS])
def test_an_arm_trains(name: str, bench: tuple[Bench, LocalGroup]) -> None:
    place, group = bench
    work = phase(mixture={name: 1.0}, steps=2, vision=VISION if task(name).has_images else None)

    trained = place.train(group, work)

    assert len(trained.losses) == 2
    assert all(map(math.isfinite, trained.losses))
    assert base_of(task(name)).has_images == (name in IMAGES or name.endswith("@shuffled"))


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("control", ["", "@shuffled", "@captions_only", "@equal_compute"])
def test_another_image_task_trains_with_each_control(name: str, control: str, bench: tuple[Bench, LocalGroup]) -> None:
    place, group = bench
    spec = task(f"{name}{control}")
    work = phase(mixture={spec.name: 1.0}, steps=2, num_dev_items=10, vision=VISION if spec.has_images else None)

    trained = place.train(group, work)

    assert control == "" or spec.name in controls_of(task(name))
    assert all(map(math.isfinite, trained.losses))
    dev = {"", "/shuffled_images"} if spec.has_images else {""}
    others = {f"/{language}" for language in spec.languages if language != "en" and spec.has_images}
    assert {score.removeprefix(spec.name) for score in trained.result.scores} == dev | others
    assert all(0 <= score <= 1 for score in trained.result.scores.values())


@pytest.mark.slow
def test_the_spec_saves_most_of_the_steps(
    bench: tuple[Bench, LocalGroup], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = bench[0].folder / "mirror"
    for name, language in (("snli", "en"), ("anli", "en"), *(("xnli", one) for one in task("xnli").languages)):
        write_sample(task(name), mirror, language=language)
    monkeypatch.setenv("XSTILTS_MIRROR", str(mirror))
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path))
    towers = ("families.multimodal", "families.control.choice.shuffled")
    lengths = ("trial.intermediate", "trial.target", "trial.evaluation")
    settings = ["trial.encoder.name=miniature", *(f"{place}.vision.tower=miniature" for place in towers)]
    settings += [f"{place}.max_length=64" for place in lengths]

    words = ["search", "multimodal", "--dry-run", "--json", *(word for one in settings for word in ("--set", one))]
    assert exit_code(words) == 0
    forecast = json.loads(capsys.readouterr().out)["forecast"]

    assert forecast["steps_paid"]["high"] < 0.4 * forecast["steps_to_end"]["low"]
