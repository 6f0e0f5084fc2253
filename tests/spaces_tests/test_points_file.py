"""Points of sampler `given` in a file of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from spaces.sweep_spec import load_sweep_spec, make_space
from trainables.errors import ConfigError

SPEC = {
    "name": "listed",
    "trials": 3,
    "trial": {
        "encoder": "miniature",
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 10},
        "evaluation": {"task": "miniature_nli"},
    },
    "families": {
        "none": {},
        "text": {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}, "steps": 5},
        "multitask": {"mixture": {"simplex": ["miniature_qa", "miniature_choice"]}, "steps": 5},
    },
    "search": {"target.learning_rate": {"log": [1e-5, 1e-2]}, "target.seed": {"int": [0, 100]}},
}

POINTS: list[dict[str, Any]] = [
    {"name": "plain", "assignment": {"family": "none", "target.learning_rate": 3e-5, "target.seed": 7}},
    {
        "name": "point 2",
        "assignment": {"family": "text", "intermediate.text.mixture": "miniature_qa", "target.learning_rate": 1e-4},
    },
    {
        "name": "both",
        "assignment": {
            "family": "multitask",
            "intermediate.multitask.mixture": {"miniature_qa": 0.25, "miniature_choice": 0.75},
            "target.learning_rate": 0.001,
        },
    },
]

CSV = """\
name,family,intermediate.text.mixture,intermediate.multitask.mixture,target.learning_rate,target.seed
plain,none,,,3e-5,7

,text,miniature_qa,,1e-4,
both,multitask,,"{""miniature_qa"": 0.25, ""miniature_choice"": 0.75}",0.001,
"""


def written(folder: Path, *, points: object, **files: str | bytes) -> Path:
    """Write a spec beside the file that it names; returns the spec's path."""
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump({**SPEC, "sampler": {"name": "given", "points": points}}))
    return spec


def lines(points: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(json.dumps({"name": one["name"], **one["assignment"]}) for one in points)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a mark of Excel"])
def test_a_csv_file_means_the_same_as_a_list(tmp_path: Path, mark: str) -> None:
    listed = load_sweep_spec(written(tmp_path, points=POINTS))
    assert load_sweep_spec(written(tmp_path, points="points.csv", points_csv=mark + CSV)) == listed


def test_a_jsonl_file_means_the_same_as_a_list(tmp_path: Path) -> None:
    listed = load_sweep_spec(written(tmp_path, points=POINTS))
    assert load_sweep_spec(written(tmp_path, points="points.jsonl", points_jsonl=lines(POINTS))) == listed


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_name_can_hold_any_character(tmp_path: Path, end: str) -> None:
    name = "x\u2028y"
    table = end.join(["name,family,target.learning_rate", f'"{name}",none,1e-4', ""])
    row = json.dumps({"name": name, "family": "none", "target.learning_rate": 1e-4}, ensure_ascii=False)

    of_table = load_sweep_spec(written(tmp_path, points="points.csv", points_csv=table))
    of_lines = load_sweep_spec(written(tmp_path, points="points.jsonl", points_jsonl=row + end))

    assert of_table == of_lines
    assert of_table.sampler.points[0].name == name


def test_a_long_list_is_read(tmp_path: Path) -> None:
    rows = "".join(f"none,{1e-5 + number * 1e-8}\n" for number in range(50_000))
    spec = load_sweep_spec(written(tmp_path, points="points.csv", points_csv=f"family,target.learning_rate\n{rows}"))
    assert len(spec.sampler.points) == 50_000
    assert spec.sampler.points[-1].name == "point 50000"
    assert make_space(spec)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("points.csv", "family,target.learning_rate\nnone\n", "line 2 has 1 cells, and the first line has 2"),
        ("points.csv", "family,family\nnone,none\n", "'family' in two columns"),
        ("points.csv", 'family\n"none\n', "line 2 cannot be read as csv"),
        ("points.csv", '"family"x,target.learning_rate\nnone,1\n', "line 1 cannot be read as csv"),
        ("points.csv", "family,target.learning_rate\n", "has no points"),
        ("points.csv", "", "has no points"),
        ("points.csv", b"family\n\xff\xfe\n", "not UTF-8"),
        ("points.csv", "family,target.learning_rate\nnone,NaN\n", "NaN"),
        ("points.csv", "family,target.learning_rate\nnone,2\n", "sampler.points.0.assignment"),
        ("points.csv", "family,target.learnin_rate\nnone,1e-4\n", "'point 1' has no value for 'target.learning_rate'"),
        ("points.csv", "family,target.learning_rate,target.step\nnone,1e-4,3\n", "'target.step', which is not a param"),
        ("points.jsonl", "[1]\n", "line 1 is no object"),
        ("points.jsonl", '{"family": "none"\n', "line 1 is not JSON"),
        ("points.jsonl", '{"family": "none", "target.learning_rate": Infinity}\n', "line 1 is not JSON"),
        ("points.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("points.txt", "", "neither a .csv nor a .jsonl file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, file: str, content: str | bytes, message: str) -> None:
    spec = written(tmp_path, points=file, **{file.replace(".", "_"): content})
    with pytest.raises(ConfigError) as refused:
        load_sweep_spec(spec)
    assert message in str(refused.value)
    assert str(refused.value).startswith("sampler.points")


@pytest.mark.parametrize("name", ["missing.csv", "folder.csv"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=rf"sampler\.points: '{name}' cannot be read"):
        load_sweep_spec(written(tmp_path, points=name))
