"""Specs, settings and requests of Python are those of the command line."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import yaml

import search
from search.home import find_home
from search.interface.requests import Wishes, new_request, plain, setting_texts
from search.record import open_record
from spaces.overrides import with_settings
from spaces.sweep_spec import SweepSpec, load_sweep_spec, recorded, shipped_specs
from trainables.ranks import precision


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("name", sorted(shipped_specs()))
def test_a_spec_that_was_written_as_yaml_is_read_again(name: str, tmp_path: Path) -> None:
    spec = search.load_spec(name)
    file = tmp_path / "again.yaml"
    file.write_text(search.to_yaml(spec))
    again = search.load_spec(file)

    assert again == spec
    assert again.model_fields_set == spec.model_fields_set
    assert list(again.families) == list(spec.families)
    assert search.to_yaml(again) == search.to_yaml(spec)


def test_a_spec_made_in_python_is_the_spec_of_its_yaml(tmp_path: Path) -> None:
    made = search.SweepSpec(
        name="mine",
        trials=3,
        trial={"encoder": {"name": "miniature"}, "target": {"mixture": "miniature_nli", "steps": 10}},
        families={"none": {}, "text": {"mixture": "miniature_qa", "steps": 5}},
        search={"target.learning_rate": {"log": [1e-3, 1e-2]}},
    )
    file = tmp_path / "mine.yaml"
    file.write_text(search.to_yaml(made))

    assert search.load_spec(made) == search.load_spec(file)
    assert yaml.safe_load(file.read_text())["search"] == {"target.learning_rate": {"log": [0.001, 0.01]}}
    assert new_request(made, Wishes()).spec == new_request(file, Wishes()).spec


def test_a_trial_that_was_written_as_yaml_is_read_again(tmp_path: Path) -> None:
    from search.interface.single_trial import trial_of

    trial = trial_of({"encoder": {"name": "miniature"}, "target": {"mixture": "miniature_nli", "steps": 7}})
    file = tmp_path / "trial.yaml"
    file.write_text(search.to_yaml(trial))

    assert trial_of(file) == trial == trial_of(trial)
    assert trial_of(trial, settings=setting_texts({"target.steps": 9}), seed=4).target.seed == 4


def test_values_of_python_are_the_settings_of_the_command() -> None:
    texts = setting_texts({"seed": 3, "trial.target.weight_decay": 1e-05, "objective": ("average", "seconds")})
    asked = new_request("demo", Wishes(settings=texts[:2]))
    typed = new_request("demo", Wishes(settings=("seed=3", "trial.target.weight_decay=1e-5")))

    assert texts == ("seed=3", "trial.target.weight_decay=1e-05", 'objective=["average","seconds"]')
    assert asked.spec == typed.spec
    assert asked.defaults == typed.defaults


def test_what_no_spec_can_hold_is_refused() -> None:
    with pytest.raises(search.InputError, match="it is a object; use numbers"):
        plain({"seed": object()})
    with pytest.raises(search.InputError, match="use finite numbers"):
        setting_texts({"seed": float("nan")})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dmo", "did you mean 'demo'"),
        ({"name": "mine", "trials": 0, "families": {"none": {}}}, "trials"),
        ({"name": "mine", "trials": 1, "families": {"nine": {}}}, "none"),
        (Path("nowhere.yaml"), "nowhere.yaml"),
    ],
    ids=["name", "number", "family", "file"],
)
def test_a_wrong_spec_starts_nothing(spec: object, message: str, home: Path) -> None:
    with pytest.raises(search.InputError, match=message):
        search.launch(spec)  # pyright: ignore[reportArgumentType]
    assert not home.exists()


def test_a_misspelt_override_names_the_field() -> None:
    with pytest.raises(search.InputError, match="did you mean 'seed'"):
        search.launch("demo", sede=3)


def test_paths_of_a_spec_in_python_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "encoder").mkdir()
    document = load_sweep_spec("demo").model_dump(mode="json", exclude_unset=True)
    document["trial"]["encoder"] = {"name": "encoder"}

    assert search.load_spec(document).trial["encoder"] == {"name": os.path.normpath(tmp_path / "encoder")}


@pytest.fixture
def of_another_version(home: Path) -> SweepSpec:
    """The spec of a sweep `demo` on record, which another version shipped with fewer target steps."""
    known = with_settings(load_sweep_spec("demo"), ["trial.target.steps=300", "families.text.steps=700"])
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec=recorded(known), objective="average", planned_trials=12)
    assert home.is_dir()
    return known


def test_a_sweep_of_a_shipped_spec_stays_as_it_is_on_record(
    of_another_version: SweepSpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        precision, "multiplies_bfloat16", lambda: False
    )  # a new sweep gets no default of this processor
    request = new_request("demo", Wishes())
    said = " ".join(capsys.readouterr().err.split())

    assert request.spec == of_another_version
    assert said.startswith("Sweep demo continues with the spec in its record. The spec demo of this version differs")
    assert "differs from it in families.text.steps, trial.target.steps. To change the sweep, give --set" in said
    assert new_request("demo", Wishes(name="beside")).spec == load_sweep_spec("demo")


def test_a_shipped_spec_that_does_not_fit_the_rungs_on_record_leaves_the_sweep_as_it_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = ["trial.target.steps=20000", "rungs.num=6"]
    known = with_settings(load_sweep_spec("demo"), longer)
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec=recorded(known), objective="average", planned_trials=12)

    assert new_request("demo", Wishes()).spec == known
    assert "Sweep demo continues with the spec in its record" in " ".join(capsys.readouterr().err.split())
    assert home.is_dir()


def test_settings_still_change_a_sweep_of_a_shipped_spec(of_another_version: SweepSpec) -> None:
    request = new_request("demo", Wishes(settings=("trial.target.steps=500",)))

    assert request.spec == with_settings(of_another_version, ["trial.target.steps=500"])


@pytest.mark.usefixtures("of_another_version")
def test_a_file_of_the_users_own_changes_the_sweep_of_its_name(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(search.to_yaml(load_sweep_spec("demo")))

    assert new_request(own, Wishes()).spec.trial == load_sweep_spec("demo").trial


def test_a_sweep_in_another_thread_is_refused_with_a_way_out() -> None:
    raised: list[BaseException] = []

    def launch() -> None:
        try:
            search.launch("demo")
        except search.InputError as error:
            raised.append(error)

    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()

    assert "set detach=True" in str(raised[0])
