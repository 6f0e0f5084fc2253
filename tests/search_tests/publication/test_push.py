"""A model that is pushed has a card that the hub's client accepts, and predicts the same when it comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from search.cli.main import exit_code
from search.publication.licences import concern_of
from search.record import open_record
from tests.search_tests.building import proposal, result
from tests.stand_in_hub import StandInHub, serving
from trainables.tasks.registry import tasks

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "tests/golden/kept_sweep/home"

PREDICT = """
import sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
logits = model(**tokenizer("the red circle", "a circle is red", return_tensors="pt")).logits
print(logits.tolist(), model.config.id2label)
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[StandInHub]:
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(KEPT, tmp_path_factory.mktemp("kept") / "home")


def python(*words: str, hub: StandInHub, home: Path, token: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own: the hub's address is read at import."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XSTILTS_"))}
    # The stand-in has git-lfs and no Xet: the real hub serves both.
    places = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home.parent / "cache"), "HF_HUB_DISABLE_XET": "1"}
    ours = {"HF_TOKEN": token, "XSTILTS_HOME": str(home), "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-c", *words],
        env=kept | places | ours,
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def push(*words: str, hub: StandInHub, home: Path, token: str = "may-write") -> subprocess.CompletedProcess[str]:  # noqa: S107
    arguments = ["export", "kept", "0", *words]
    return python(f"from search.cli import main; main({arguments!r})", hub=hub, home=home, token=token)


@pytest.fixture(scope="module")
def pushed(hub: StandInHub, home: Path) -> str:
    """What the command printed that pushed a model, on both streams."""
    ended = push("model", "--push", "owner/model", hub=hub, home=home)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.slow
def test_the_licences_come_before_the_upload_and_no_token_is_printed(pushed: str, hub: StandInHub) -> None:
    assert pushed.index("miniature_nli: Apache-2.0") < pushed.index(f"{hub.url}/owner/model/commit/")
    assert "may-write" not in pushed
    assert hub.created.get("visibility") == "private" or hub.created.get("private") is True


@pytest.mark.slow
@pytest.mark.usefixtures("pushed")
def test_the_pushed_model_predicts_what_the_folder_predicts(hub: StandInHub, home: Path) -> None:
    here, there = (
        python(PREDICT, place, hub=hub, home=home, token="") for place in (str(home.parent / "model"), "owner/model")
    )
    assert here.returncode == there.returncode == 0, there.stdout
    assert here.stdout.splitlines()[-1] == there.stdout.splitlines()[-1]
    assert set(hub.files) >= {"README.md", "config.json", "model.safetensors", "tokenizer.json"}


@pytest.mark.slow
@pytest.mark.usefixtures("pushed")
def test_the_card_passes_the_checks_of_the_hubs_client(hub: StandInHub) -> None:
    text = hub.files["README.md"].decode()
    card = ModelCard(text, ignore_metadata_errors=False)
    found = card.data.eval_results or []
    name, results = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert {text} == set(hub.cards)  # the client sent it to the hub's own check
    assert (card.data.language, card.data.base_model) == (["de", "en"], "kept/encoder")
    assert [(one.dataset_type, one.metric_type, one.metric_value) for one in found] == [
        ("miniature_nli", "accuracy", 0.475),
        ("miniature_nli", "accuracy", 0.475),
    ]
    assert found[0].dataset_args == {"protocol": "zero-shot: no labels in de", "items": 40}
    assert eval_results_to_model_index(name, results)[0]["name"] == "kept-0"
    for part in ("Intended use", "Scores", "Selection", "Data and licences", "Lineage", "Configuration"):
        assert f"## {part}" in text
    assert str(ROOT) not in text


@pytest.mark.slow
def test_a_refused_upload_is_one_message_with_the_next_step(hub: StandInHub, home: Path) -> None:
    ended = push("other", "--push", "owner/other", hub=hub, home=home, token="may-read")  # noqa: S106
    assert (ended.returncode, "Traceback" in ended.stdout) == (2, False), ended.stdout
    assert "set HF_TOKEN to a token that can write" in ended.stdout
    assert "hf upload owner/other other" in " ".join(ended.stdout.split())
    assert (home.parent / "other/model.safetensors").exists()


def test_a_licence_that_forbids_it_stops_an_upload_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("sweep", spec={}, objective="average", planned_trials=1)
        number = record.propose("sweep", proposal=proposal("multimodal", task="flickr30k")).number
        record.start("sweep", number=number)
        record.finish("sweep", number=number, result=result())
    words = ["export", "sweep", "0", str(tmp_path / "model"), "--record", str(tmp_path / "record.db")]
    assert exit_code([*words, "--push", "owner/model"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "flickr30k: Research only" in said
    assert "add --despite-licences" in said
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "words", [["--push", "owner/name"], ["0", "model", "--public"], ["--csv", "t.csv", "--despite-licences"]]
)
def test_options_of_an_upload_need_a_model_to_upload(words: list[str]) -> None:
    assert exit_code(["export", "sweep", *words]) == 2


def test_every_licence_of_the_catalogue_is_understood() -> None:
    found = {name: concern_of(task.licence) for name, task in tasks().items()}
    assert {name for name, concern in found.items() if concern == "forbidden"} >= {"flickr30k", "snli_ve", "ccg"}
    assert {found["anli"], found["qqp"]} == {"not commercial"}
    assert {found["squad"], found["snli"]} == {"same licence"}
    assert {found["rte"], found["nlvr2"]} == {"unknown"}
    assert {found["hellaswag"], found["cosmos_qa"]} == {"none"}
    assert concern_of("not stated") == concern_of("-") == "unknown"
