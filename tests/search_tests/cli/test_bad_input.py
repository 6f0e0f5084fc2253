"""A user's mistake is one clear message and exit code 2, before any training, with nothing left behind."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.record import open_record
from tests.contracts.smallest import smallest_spec
from tests.search_tests.building import proposal, result
from trainables.data.sources.locator import locate_model

TRIAL = """
encoder: {name: miniature}
target: {mixture: {miniature_nli: 1.0}, steps: 1, num_dev_items: 0}
evaluation: {task: miniature_nli, num_items: 2}
engine: {device: cpu}
"""
SPEC = smallest_spec("bad")

SETTINGS = {
    "target.mixture={miniature_nlu: 1.0}": "did you mean 'miniature_nli'",
    "target.learning_rat=1e-3": "did you mean 'learning_rate'",
    "target.learning_rate=0": "greater than 0",
    "target.mixture={miniature_nli: 0.7}": "weights sum to 0.7",
    "evaluation.languages=[en, pt]": "no language 'pt'",
    "engine.zero_stage=5": "0, 1, 2 or 3",
    "engine={zero_stage: 2, offload: all}": "needs engine.zero_stage 3",
    "engine.device=cuda": "0 GPUs",
    "engine.num_workers=1000": "1000 ranks",
    "target.freeze_layers=1": "set freeze_embeddings",
    "target.max_length=512": "reads at most",
    "target.vision={tower: small}": "vision",
    "target.schedule={kind: linear, decay_fraction: 0.5}": "decay_fraction has no effect",
    "target.schedule={warmup_steps: 5, warmup_fraction: 0.3}": "warmup_fraction has no effect",
    "target.mixture={miniature_nli: 0.5, miniature_qa: 0.5}": "a target is one task",
    "target.mixture={miniature_text: 1.0}": "cannot be scored",
    "encoder.revision=abc": "'abc' has no effect",
    "encoder.name=/no/such/folder": "the folder does not exist",
    "encoder.name=owner/nothing": "set XSTILTS_MIRROR",
}
"""Setting of a trial -> part of the message, by `run` and `search` alike."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with a space in its name, to be in; nothing of the user's environment counts."""
    place = tmp_path / "a place"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("XSTILTS_MIRROR", "XSTILTS_HOME", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (place / "trial.yaml").write_text(TRIAL)
    (place / "spec.yaml").write_text(SPEC)
    return place


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the message of a command that is refused and leaves the folder as it was."""
    before = sorted(Path().rglob("*"))
    code = exit_code(arguments)
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert sorted(Path().rglob("*")) == before
    return captured.err


@pytest.mark.parametrize(("setting", "message"), SETTINGS.items(), ids=str)
def test_a_wrong_trial_is_refused_by_run(setting: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(["run", "trial.yaml", "--set", setting], capsys)


@pytest.mark.parametrize(("setting", "message"), SETTINGS.items(), ids=str)
def test_a_wrong_trial_is_refused_by_search(setting: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(["search", "spec.yaml", "--set", f"trial.{setting}"], capsys)


@pytest.mark.parametrize(
    ("vision", "message"),
    [
        ("{image_size: 50}", "50 is not a multiple of patch_size 8"),
        ("{tower: miniature, num_layers: 2}", "num_layers has no effect"),
        ("null", "needs a vision tower"),
    ],
)
def test_a_wrong_vision_tower_is_refused(vision: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    phase = f"intermediate={{mixture: {{miniature_entailment: 1.0}}, steps: 1, vision: {vision}}}"
    assert message in refused(["run", "trial.yaml", "--set", phase], capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "trials"], "path=value"),
        (["--set", "trialss=3"], "did you mean 'trials'"),
        (["--set", "sampler={name: random, num_startup: 3}"], "num_startup has no effect"),
        (["--set", "families={}"], "families"),
        (["--set", "search={target.learning_rate: {log: [1e-3, 1e-4]}}"], "low must be below high"),
        (["--set", "search={target.learning_rate: {choice: []}}"], "choice has no arms"),
        (["--trials", "0"], "x>=1"),
        (["--name", "../elsewhere"], "choose another"),
        (["--name", ""], "choose another"),
        (["--set", "trial.engine.threads_per_rank=1000"], "a trial needs 1000 CPUs"),
    ],
)
def test_a_wrong_sweep_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(["search", "spec.yaml", *arguments], capsys)


@pytest.mark.parametrize("command", ["search", "run", "spaces"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2", "correct this line"),
        (b"name: a\nname: b", "'name' occurs twice"),
        (b"", "does not hold a mapping"),
        (b"\x00\xff\xfe", "not UTF-8"),
        (b"1: 2", "the key 1 is not a text"),
    ],
)
def test_a_file_that_is_no_spec_is_refused(
    command: str, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file.yaml").write_bytes(content)
    assert message in refused([command, "file.yaml"], capsys)


@pytest.mark.parametrize("command", ["search", "run", "spaces"])
def test_a_folder_instead_of_a_file_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file.yaml").mkdir()
    assert "cannot be read" in refused([command, "file.yaml"], capsys)


@pytest.mark.parametrize("command", [["search", "spec.yaml"], ["run", "trial.yaml"]], ids=lambda words: words[0])
@pytest.mark.parametrize("store", ["file", "file/below", "half", "/proc/store", "gs://bucket/store"])
def test_a_store_that_cannot_be_written_is_refused(
    command: list[str], store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    Path("half").mkdir()
    Path("half", "stages").touch()
    assert "by --store" in refused([*command, "--store", store], capsys)


@pytest.mark.parametrize("command", [["search", "spec.yaml"], ["run", "trial.yaml"]], ids=lambda words: words[0])
def test_a_home_that_cannot_be_written_is_refused(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    monkeypatch.setenv("XSTILTS_HOME", "file/home")
    assert "'" + str(Path("file").absolute()) + "' is a file" in refused([*command, "--store", "store"], capsys)


@pytest.mark.parametrize("command", [["search", "spec.yaml"], ["run", "trial.yaml"]], ids=lambda words: words[0])
def test_a_mirror_that_does_not_exist_is_refused_even_where_nothing_is_read_from_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", "/no/such/mirror")
    assert "XSTILTS_MIRROR is '/no/such/mirror'" in refused([*command], capsys)


def _replace(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "it has no tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "it has no weights"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "pickled"),
        (_replace("model.safetensors", b"nonsense"), "the safetensors file is damaged"),
        (_replace("tokenizer.json", b"nonsense"), "tokenizer.json is not valid JSON"),
        (_replace("config.json", b"nonsense"), "config.json is not valid JSON"),
        (_replace("config.json", b"[]"), "config.json holds a list"),
        (_replace("config.json", b'{"model_type": "gpt2"}'), "model_type is 'gpt2'"),
    ],
    ids=["tokenizer", "weights", "pickle", "torn weights", "torn tokenizer", "torn config", "no config", "no encoder"],
)
def test_a_folder_that_is_no_encoder_is_refused(
    damage: Callable[[Path], object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(str(locate_model("miniature").path), "encoder")
    damage(Path("encoder"))
    assert message in refused(["run", "trial.yaml", "--set", "encoder.name=encoder"], capsys)


def _newer(path: Path) -> None:
    open_record(path).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE meta SET schema_version = 999")
    database.close()


@pytest.mark.parametrize(
    "command",
    [["status"], ["status", "a"], ["best", "a"], ["show", "a", "0"], ["export", "a", "0", "out"], ["resume", "a"]],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("no database " * 99), "is damaged"),
        (Path.mkdir, "record"),
        (str, "there is no record"),
        (lambda path: path.touch(), "holds no record"),
    ],
    ids=["text", "folder", "missing", "empty"],
)
def test_a_record_that_cannot_be_read_is_refused(
    command: list[str], make: Callable[[Path], object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(Path("a.db"))
    assert message in refused([*command, "--record", "a.db"], capsys)


def test_a_record_of_a_newer_schema_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    _newer(Path("a.db"))
    assert exit_code(["best", "a", "--record", "a.db"]) == 2
    assert "update xstilts" in capsys.readouterr().err


@pytest.fixture
def record(place: Path) -> Path:
    """A record with a sweep `demo`: trial 0 finished, trial 1 running."""
    with open_record(place / "r.db") as opened:
        opened.put_sweep("demo", spec={}, objective="average", planned_trials=2)
        for number in range(2):
            opened.propose("demo", proposal=proposal("text"))
            opened.start("demo", number=number)
        opened.finish("demo", number=0, result=result(0.5))
    return place / "r.db"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best", "demmo"], "did you mean 'demo'"),
        (["best", "demo", "--where", "1; drop table trials"], "--where"),
        (["best", "demo", "--where", "famly = 'text'"], "did you mean 'family'"),
        (["best", "demo", "--where", ""], "--where"),
        (["best", "demo", "--metric", "averag"], "did you mean 'average'"),
        (["show", "demo", "99"], "has no trial 99"),
        (["export", "demo", "1", "out"], "only a finished trial"),
        (["export", "demo", "0", "."], "already holds files"),
        (["export", "demo", "0", "trial.yaml/below"], "is a file"),
        (["export", "demo", "0", "out", "--store", "trial.yaml"], "is a file"),
    ],
)
def test_a_wrong_question_is_refused(
    record: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code([*arguments, "--record", str(record)]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("command", [["search", "spec.yaml"], ["run", "trial.yaml"]], ids=lambda words: words[0])
def test_the_answer_comes_before_ray_and_torch_are_imported(command: list[str]) -> None:
    arguments = [*command, "--store", "spec.yaml"]
    code = f"import sys; from search.cli.main import exit_code; code = exit_code({arguments!r})"
    heavy = "print(code, [name for name in ('ray', 'torch', 'optuna') if name in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; {heavy}"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert ended.stdout.strip() == "2 []"
