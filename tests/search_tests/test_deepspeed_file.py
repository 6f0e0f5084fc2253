"""DeepSpeed's settings in a file of their own: read once, relative to whoever names it, and kept whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.cluster.submission import Submission, pack
from search.errors import InputError
from search.trial_file import load_trial_file
from spaces.overrides import with_files_read, with_settings
from spaces.space.binder import bind
from spaces.sweep_spec import load_sweep_spec, make_space, make_sweep_spec, recorded
from trainables.errors import ConfigError, YamlFileError

SETTINGS = {"wall_clock_breakdown": True, "zero_optimization": {"reduce_bucket_size": 5e6}}
SPEC = """
name: tuned
trials: 1
trial:
  {engine}
families:
  none: {{}}
"""


def write(folder: Path, *, name: str = "ds.json") -> Path:
    """Write the settings as DeepSpeed's own JSON, with tabs, which YAML would refuse."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(SETTINGS, indent="\t"))
    return path


@pytest.mark.parametrize(
    "engine", ["engine: {deepspeed: conf/ds.json}", "engine.deepspeed: conf/ds.json"], ids=["nested", "dotted"]
)
def test_a_spec_names_a_file_relative_to_itself_and_keeps_what_it_holds(engine: str, tmp_path: Path) -> None:
    write(tmp_path, name="conf/ds.json")
    (tmp_path / "spec.yaml").write_text(SPEC.format(engine=engine))

    spec = load_sweep_spec(tmp_path / "spec.yaml")
    (tmp_path / "conf/ds.json").unlink()

    again = make_sweep_spec(recorded(spec))
    assert bind(make_space(again), {"family": "none"}).engine.deepspeed == SETTINGS


def test_a_trial_file_names_one_relative_to_itself(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "trial.yaml").write_text("engine:\n  deepspeed: ds.json\n")

    assert load_trial_file(tmp_path / "trial.yaml").engine.deepspeed == SETTINGS


def test_settings_can_be_written_out(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_text("engine:\n  deepspeed: {zero_optimization: {reduce_bucket_size: 5e6}}\n")

    found = load_trial_file(tmp_path / "trial.yaml", settings=["engine.deepspeed.wall_clock_breakdown=true"])

    assert found.engine.deepspeed == SETTINGS


def test_on_the_command_line_a_file_is_relative_to_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/trial.yaml").write_text("encoder: {name: miniature}\n")

    of_trial = load_trial_file(Path("elsewhere/trial.yaml"), settings=["engine.deepspeed=ds.json"])
    of_spec = with_settings(load_sweep_spec("demo"), ["trial.engine.deepspeed=ds.json"])

    sent = with_files_read(["trials=2", "trial.engine.deepspeed=ds.json"])
    (tmp_path / "ds.json").unlink()
    there = with_settings(load_sweep_spec("demo"), sent)

    assert there == with_settings(of_spec, ["trials=2"])
    assert of_trial.engine.deepspeed == SETTINGS
    assert of_spec.trial["engine"]["deepspeed"] == SETTINGS  # pyright: ignore[reportIndexIssue, reportCallIssue, reportArgumentType]


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (None, YamlFileError, "ds.json.*cannot be read: No such file"),
        ('{"a": 1,}', YamlFileError, r"ds.json:1:9:.*correct this line"),
        ('{"a": 1, "a": 2}', YamlFileError, "'a' occurs twice"),
        ("[1]", ConfigError, "must hold a mapping"),
        ('{"train_batch_size": 8}', ConfigError, "engine.deepspeed: 'train_batch_size' is 8, but only xstilts sets it"),
        ('{"optimizer": {"type": "Adam"}}', ConfigError, "'optimizer' is {'type': 'Adam'}, but only xstilts sets it"),
        ('{"zero_optimization": {"stage": 3}}', ConfigError, "'zero_optimization.stage'.*set engine.zero_stage"),
        ('{"fp16": {"enabled": true}}', ConfigError, "'fp16'.*set engine.precision"),
    ],
)
def test_a_file_that_cannot_be_taken_is_one_clear_message(
    content: str | None, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "ds.json").write_text(content)
    (tmp_path / "trial.yaml").write_text("engine:\n  deepspeed: ds.json\n")
    (tmp_path / "spec.yaml").write_text(SPEC.format(engine="engine: {deepspeed: ds.json}"))

    with pytest.raises(kind, match=said):
        load_trial_file(tmp_path / "trial.yaml")
    with pytest.raises(kind, match=said):
        load_sweep_spec(tmp_path / "spec.yaml")


def test_a_submission_sends_the_file_along(tmp_path: Path) -> None:
    write(tmp_path, name="conf/ds.json")
    (tmp_path / "spec.yaml").write_text(SPEC.format(engine="engine: {deepspeed: conf/ds.json}"))
    (tmp_path / "sent").mkdir()

    name = pack(Submission(spec=str(tmp_path / "spec.yaml"), name="x"), folder=tmp_path / "sent")

    assert load_sweep_spec(tmp_path / "sent" / name).trial == load_sweep_spec(tmp_path / "spec.yaml").trial


def test_a_submission_sends_no_file_from_outside_the_specs_folder(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/spec.yaml").write_text(SPEC.format(engine="engine: {deepspeed: ../ds.json}"))

    with pytest.raises(InputError, match=r"ds.json.*outside the spec's folder"):
        pack(Submission(spec=str(tmp_path / "specs/spec.yaml"), name="x"), folder=tmp_path)
