"""Pickled weights: converted tensor by tensor in a process of its own, or refused without running anything."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from search.cli.main import cli, exit_code
from trainables.errors import CheckpointError
from trainables.models.conversion.converter import MANIFEST, PICKLE, PICKLE_INDEX, convert_folder
from trainables.models.encoder import load_encoder
from trainables.models.pretrained.encoder_folder import check_encoder_folder
from trainables.plan.starting_weights import folder_identity


class Planted:
    """Writes a file when a plain unpickler reads it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.touch, (self.file,))


@pytest.fixture
def weights(tiny_encoder: Path) -> dict[str, torch.Tensor]:
    tensors = load_file(tiny_encoder / "model.safetensors")
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}


@pytest.fixture
def pickled(tiny_encoder: Path, weights: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    """A checkpoint of a masked-LM model, as it was published before safetensors."""
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "owner" / "pickled"))
    (folder / "model.safetensors").unlink()
    named = {f"roberta.{name}": tensor for name, tensor in weights.items()}
    named["roberta.embeddings.position_ids"] = torch.arange(66)
    named["roberta.pooler.dense.weight"] = torch.ones(32, 32)
    named["lm_head.decoder.weight"] = named["roberta.embeddings.word_embeddings.weight"]
    torch.save(named, folder / PICKLE)
    return folder


def test_every_tensor_of_the_encoder_is_there_bit_for_bit(
    pickled: Path, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    folder = convert_folder(pickled, folder=tmp_path / "new", repository="owner/pickled", revision="abc")

    converted = load_file(folder / "model.safetensors")
    assert converted.keys() == weights.keys()
    assert all(torch.equal(converted[name], tensor) for name, tensor in weights.items())
    assert load_encoder(folder, dropout=0.0).hidden_size == 32
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["repository"], manifest["revision"]) == ("owner/pickled", "abc")
    assert manifest["pickles"].keys() == {PICKLE}
    assert manifest["tensors"].keys() == weights.keys()


@pytest.mark.slow
def test_the_identity_of_a_converted_encoder_is_that_of_its_weights(pickled: Path, tmp_path: Path) -> None:
    first = convert_folder(pickled, folder=tmp_path / "first", repository="one/name")
    second = convert_folder(pickled, folder=tmp_path / "second", repository="another/name")

    assert folder_identity(first) == folder_identity(second)


@pytest.mark.slow
def test_files_of_a_large_checkpoint_stay_several(
    pickled: Path, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    (pickled / PICKLE).unlink()
    files = {name: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, name in enumerate(weights)}
    for file in set(files.values()):
        torch.save({name: weights[name] for name in weights if files[name] == file}, pickled / file)
    (pickled / PICKLE_INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}))

    folder = convert_folder(pickled, folder=tmp_path / "new", repository="owner/large")

    assert len(list(folder.glob("model-*.safetensors"))) == 2
    state = load_encoder(folder, dropout=0.0).model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in weights.items())


def test_a_pickle_with_code_is_refused_and_runs_nothing(pickled: Path, tmp_path: Path) -> None:
    ran, control = tmp_path / "ran", tmp_path / "control"
    pickle.loads(pickle.dumps(Planted(control)))  # noqa: S301  shows that it would write the file
    torch.save({"roberta.embeddings.word_embeddings.weight": Planted(ran)}, pickled / PICKLE)

    with pytest.raises(CheckpointError, match=r"not plain weights .*UnpicklingError.*nothing of it was run"):
        convert_folder(pickled, folder=tmp_path / "new", repository="owner/evil")

    assert control.exists()
    assert not ran.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["control", "owner"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds list, not tensors by name"),
        ({"step": 3}, "holds 'step', which is not a tensor"),
    ],
)
def test_what_is_not_weights_is_refused(content: object, said: str, pickled: Path, tmp_path: Path) -> None:
    torch.save(content, pickled / PICKLE)

    with pytest.raises(CheckpointError, match=said):
        convert_folder(pickled, folder=tmp_path / "new", repository="owner/odd")


def test_safetensors_and_existing_folders_are_left_as_they_are(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="safetensors already; use the checkpoint as it is"):
        convert_folder(tiny_encoder, folder=tmp_path / "new", repository="owner/new")
    with pytest.raises(CheckpointError, match="exists already"):
        convert_folder(tiny_encoder, folder=tmp_path, repository="owner/new")


def test_the_command_converts_a_name_of_the_mirror_and_lists_what_is_here(
    pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "microsoft/mdeberta-v3-base"  # a name that the list knows; what the folder holds is another encoder
    shutil.copytree(pickled, tmp_path / "mirror/models" / name)
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    before = json.loads(CliRunner().invoke(cli, ["encoders", "--json"]).stdout)

    done = CliRunner().invoke(cli, ["encoders", "convert", name])

    assert done.exit_code == 0, done.output
    assert (tmp_path / "home/encoders" / name / "model.safetensors").is_file()
    after = json.loads(CliRunner().invoke(cli, ["encoders", "--json"]).stdout)
    assert [entry["here"] for entry in (*before, *after) if entry["name"] == name] == ["mirror", "converted"]
    assert "79.8" in CliRunner().invoke(cli, ["encoders"]).stdout


def test_a_refusal_is_the_users_mistake(tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["encoders", "convert", str(tiny_encoder)]) == 2
    assert "safetensors already" in capsys.readouterr().err


def test_the_hint_names_the_command(pickled: Path) -> None:
    with pytest.raises(CheckpointError, match="`xstilts encoders convert`"):
        check_encoder_folder(pickled)
