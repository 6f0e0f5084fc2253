"""Folders that a file names are relative to it, whatever the command's own place is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from search.trial_file import load_trial_file
from spaces.named_files.relative_folders import with_folders_beside
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.space.tree import every_setting
from spaces.sweep_spec import load_sweep_spec, make_space


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an encoder, a tower and texts, beside the one that the command is given in, which has others."""
    for place in ("project", "elsewhere"):
        for name in ("encoder", "towers/vit", "texts"):
            (tmp_path / place / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


PHASE = {
    "mixture": {"nlvr": 1.0},
    "steps": 1,
    "vision": {"tower": "towers/vit"},
    "beside": {"masked_lm": {"texts": "./texts", "languages": ["de"], "ratio": 0.5}},
}


@pytest.mark.parametrize("name", ["./encoder", "encoder", "../project/encoder", "./missing/../encoder"])
def test_a_trial_files_folders_are_beside_it(name: str, project: Path) -> None:
    further = {"xcopa": {"target": [{**PHASE, "mixture": {"nlvr": 1.0}}]}}
    document = {"encoder": {"name": name}, "intermediate": PHASE, "further": further}
    (project / "trial.yaml").write_text(yaml.safe_dump(document))

    config = load_trial_file(project / "trial.yaml")

    assert config.encoder.name == str(project / "encoder")
    for phase in (config.intermediate, config.further["xcopa"].target[0]):
        assert phase is not None
        assert phase.vision is not None
        assert phase.vision.tower == str(project / "towers/vit")
        assert phase.beside is not None
        assert phase.beside.masked_lm is not None
        assert phase.beside.masked_lm.texts == str(project / "texts")


def test_a_settings_folder_is_where_the_command_is_given(project: Path) -> None:
    (project / "trial.yaml").write_text("encoder: {name: ./encoder}")

    assert load_trial_file(project / "trial.yaml", settings=["encoder.name=./encoder"]).encoder.name == "./encoder"


@pytest.mark.parametrize("name", ["miniature", "FacebookAI/xlm-roberta-base", "/an/absolute/folder", "~/encoder"])
def test_other_names_stay(name: str, project: Path) -> None:
    (project / "trial.yaml").write_text(yaml.safe_dump({"encoder": {"name": name}}))

    assert load_trial_file(project / "trial.yaml").encoder.name == name


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({"encoder.name": "./encoder"}, "", {"encoder.name": "{}/encoder"}),
        ({"encoder": {"name": {"choice": ["./encoder", "miniature"]}}}, "", None),
        ({"name": "encoder", "description": "./encoder"}, "", {"name": "encoder", "description": "./encoder"}),
        ({"mixture": {"encoder": 1.0}}, "target", {"mixture": {"encoder": 1.0}}),
        ({"name": {"choice": {"a": "./encoder"}, "default": "a"}}, "encoder", None),
        ([1, None, "./encoder"], "languages", [1, None, "./encoder"]),
    ],
)
def test_only_fields_that_hold_folders_are_changed(
    document: JsonValue, path: str, expected: JsonValue, project: Path
) -> None:
    found = json.dumps(with_folders_beside(document, folder=project, path=path))

    if expected is None:
        assert f"{project}/encoder" in found
        assert '"./encoder"' not in found
    else:
        assert found == json.dumps(expected).replace("{}", str(project))


def test_a_specs_folders_are_beside_it_in_trials_families_and_choices(project: Path) -> None:
    spec = {
        "name": "a",
        "trials": 1,
        "trial": {"evaluation": {"task": "miniature_nli"}, "target": {"mixture": {"miniature_nli": 1.0}, "steps": 1}},
        "families": {
            "none": {},
            "multimodal": {
                "mixture": {"miniature_entailment": 1.0},
                "steps": 1,
                "vision": {"tower": {"choice": ["towers/vit", "small"]}},
            },
        },
        "search": {"encoder.name": {"choice": ["./encoder", "miniature"]}},
    }
    (project / "spec.yaml").write_text(yaml.safe_dump(spec))

    loaded = load_sweep_spec(project / "spec.yaml")

    space = make_space(loaded)
    named = {str(one.value) for one in every_setting(space.root) if one.field.endswith((".name", ".tower"))}
    assert named == {str(project / "encoder"), "miniature", str(project / "towers/vit"), "small"}
    assert bind(space, first_assignments(space)[0]).encoder.name == str(project / "encoder")
    assert with_settings(loaded, ["trials=2"]).search == loaded.search


def test_a_choice_of_encoders_is_relative_to_its_file_as_names_and_as_arms(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    named = {"search": {"encoder": {"choice": ["near", "owner/far"], "default": "near"}}}
    arms = {"search": {"encoder": {"choice": {"near": {"name": "near"}, "far": {"name": "owner/far"}}}}}

    near = str(tmp_path / "near")
    assert with_folders_beside(named, folder=tmp_path) == {
        "search": {"encoder": {"choice": [near, "owner/far"], "default": near}}
    }
    assert with_folders_beside(arms, folder=tmp_path) == {
        "search": {"encoder": {"choice": {"near": {"name": near}, "far": {"name": "owner/far"}}}}
    }
