"""Every door to a vendor: the vendor raises what it raises, and the user sees one message of ours and an exit code.

Nothing is stood in for: each fault is one that people have, and the error is the vendor's own.
"""

from __future__ import annotations

import json
import re
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import distributed

from search.errors import RecordDamagedError, RecordMissingError, RecordUnusableError
from search.record import open_record
from search.sampler import PastTrial, make_sampler
from spaces.checks.sampler_limits import MOST_WHOLE_NUMBERS
from spaces.sweep_spec import SweepSpec, make_sweep_spec
from tests.contracts.smallest import SPEC
from tests.trainables_tests.tiny_jobs import phase
from trainables.config import EngineConfig, VisionConfig
from trainables.data.sources.loader import load_rows
from trainables.engine import Engine, EngineRequest, ProcessGroupConfig, join_process_group, leave_process_group
from trainables.errors import (
    CheckpointError,
    ConfigError,
    InputError,
    RunError,
    StoreUnusableError,
    TaskDataError,
    TrainablesError,
)
from trainables.models.encoder import load_encoder, load_tokenizer, read_config
from trainables.models.vision import build_vision_tower
from trainables.ranks.local_group import LOOPBACK, free_port
from trainables.stage_store import check_store
from trainables.tasks.registry import task

Damage = Callable[[Path], object]


@contextmanager
def refused_by(vendor: str, error: type[TrainablesError], *, saying: str) -> Iterator[None]:
    """Expect an error of ours that a vendor's own error led to; in one line, without its class alone."""
    with pytest.raises(error, match=saying) as caught:
        yield
    frames = [frame.filename for one in _chain(caught.value) for frame in traceback.extract_tb(one.__traceback__)]
    assert any(f"/site-packages/{vendor}/" in name for name in frames), frames
    assert "\n" not in str(caught.value)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def rewritten(name: str, **fields: Any) -> Damage:
    def rewrite(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | fields))

    return rewrite


def narrowed(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"] = torch.zeros(61, 16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def torn(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


@pytest.mark.parametrize(
    ("damage", "saying"),
    [
        (rewritten("config.json", hidden_act="gleu"), "cannot load an encoder from .*gleu"),
        (rewritten("config.json", pad_token_id=999), "cannot load an encoder"),
        (rewritten("config.json", num_attention_heads=5), "not a multiple"),
        (narrowed, "cannot load an encoder from"),
        (torn("model.safetensors"), "SafetensorError.*the folder must hold"),
    ],
    ids=["activation", "padding", "heads", "shape", "torn"],
)
def test_transformers_and_an_encoder(damage: Damage, saying: str, folder: Path) -> None:
    damage(folder)

    with refused_by("transformers", CheckpointError, saying=saying):
        load_encoder(folder, dropout=0.0)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf{}", b"{", b'{"model_type": "xlm-roberta", "dtype": "float99"}'])
def test_transformers_and_a_configuration(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"config\.json|configuration"):
        read_config(folder)


@pytest.mark.parametrize("damage", [torn("model.safetensors"), rewritten("config.json", model_type="nosuchtype")])
def test_transformers_and_a_vision_tower(damage: Damage, tmp_path: Path) -> None:
    from trainables.data.sources.locator import locate_vision

    shutil.copytree(str(locate_vision("miniature").path), tmp_path / "tower")
    damage(tmp_path / "tower")

    with refused_by("transformers", CheckpointError, saying="cannot load a vision model"):
        build_vision_tower(VisionConfig(tower=str(tmp_path)), folder=tmp_path / "tower")


@pytest.mark.parametrize(
    ("damage", "saying"),
    [
        (torn("tokenizer.json"), "cannot load a tokenizer"),
        (rewritten("tokenizer.json", model={"type": "NoSuchModel", "vocab": {}}), "cannot load a tokenizer"),
        (rewritten("tokenizer.json", pre_tokenizer={"type": "NoSuchSplitter"}), "cannot load a tokenizer"),
        (rewritten("tokenizer.json", model={"type": "Unigram", "unk_id": 9, "vocab": [["a", 0.0]]}), "a tokenizer"),
    ],
    ids=["torn", "model", "splitter", "unknown piece"],
)
def test_tokenizers(damage: Damage, saying: str, folder: Path) -> None:
    damage(folder)

    with refused_by("transformers", CheckpointError, saying=saying):
        load_tokenizer(folder)


@pytest.fixture
def glue(tiny_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GLUE in a mirror that a test may damage."""
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XSTILTS_MIRROR", str(shutil.copytree(tiny_mirror, tmp_path / "mirror")))
    return tmp_path / "mirror/datasets/nyu-mll/glue"


def with_header(**header: Any) -> Damage:
    def write(folder: Path) -> None:
        known = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
        (folder / "README.md").write_text(f"---\n{yaml.safe_dump(known | header)}---\n")

    return write


def a_script(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "glue.py").write_text("raise SystemExit('this was run')")


TYPES = [{"name": "premise", "dtype": "int64"}, {"name": "hypothesis", "dtype": "string"}]


@pytest.mark.parametrize(
    ("damage", "saying"),
    [
        (torn("mnli/train.parquet"), "cannot load task 'mnli'.*correct the task or mirror"),
        (lambda it: (it / "README.md").write_text("---\nconfigs: [a\n---\n"), "while parsing a flow sequence"),
        (with_header(configs=[{"config_name": "b", "data_files": "mnli/*.parquet"}]), "'mnli' not found"),
        (with_header(dataset_info=[{"config_name": "mnli", "features": TYPES}]), "cannot load task 'mnli'"),
        (a_script, "scripts are no longer supported"),
        (lambda it: [path.unlink() for path in it.glob("*/*.parquet")], "cannot load task 'mnli'"),
    ],
    ids=["torn file", "torn README", "no configuration", "other columns", "script", "no files"],
)
def test_datasets(damage: Damage, saying: str, glue: Path) -> None:
    damage(glue)

    with refused_by("datasets", TaskDataError, saying=saying):
        load_rows(task("mnli"), split="train", language="en")


@pytest.mark.parametrize(
    ("url", "error", "saying"),
    [
        ("mysql+nosuchdriver://a/b", RecordUnusableError, "names no known database"),
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", RecordUnusableError, "cannot be reached"),
        ("://", RecordUnusableError, "names no known database"),
    ],
)
def test_sqlalchemy_and_a_url(url: str, error: type[InputError], saying: str) -> None:
    with refused_by("sqlalchemy", error, saying=saying), open_record(url):
        pass


@pytest.mark.parametrize(
    ("content", "error"), [(b"no database " * 99, RecordDamagedError), (b"", RecordMissingError)], ids=["text", "empty"]
)
def test_sqlalchemy_and_a_file(content: bytes, error: type[InputError], tmp_path: Path) -> None:
    (tmp_path / "record.db").write_bytes(content)

    with pytest.raises(error), open_record(tmp_path / "record.db", read_only=True):
        pass


def test_obstore_and_a_bucket_that_is_not_there(s3_endpoint: str) -> None:
    del s3_endpoint
    with pytest.raises(StoreUnusableError, match="NoSuchBucket"):
        check_store("s3://no-such-bucket/store")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "endpoint", "saying"),
    [
        ("s3://bucket/store", f"http://{LOOPBACK}:1", "cannot be used at http://127.0.0.1:1"),
        ("s3://bucket/a//b", f"http://{LOOPBACK}:1", "empty path segment.*--store"),
        ("s3://bucket/store", "not a url", "AWS_ENDPOINT_URL is 'not a url'"),
        ("s3://bucket/store", f"http://{LOOPBACK}:99999", "AWS_ENDPOINT_URL is 'http://127.0.0.1:99999'"),
        ("s3://a bucket/store", f"http://{LOOPBACK}:1", "a bucket's name has"),
    ],
)
def test_obstore_and_an_environment(url: str, endpoint: str, saying: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    with pytest.raises(StoreUnusableError, match=saying):
        check_store(url)


def optuna_spec(sampler: str, *, seeds: int) -> SweepSpec:
    """Return a spec that no check has seen."""
    search = {"target.seed": {"int": [0, seeds]}, "target.learning_rate": {"log": [1e-5, 1e-3]}}
    document = SPEC | {"sampler": {"name": sampler, "num_startup": 1}, "search": search}
    return SweepSpec.model_validate(document)


@pytest.mark.parametrize(
    ("seeds", "saying"),
    [
        (10**16, "MemoryError: Unable to allocate"),
        (10**17, "MemoryError: Unable to allocate"),
        (2**63 - 1, "(MemoryError|ValueError|OverflowError)"),
    ],
    ids=["memory", "more memory", "the largest that a spec may hold"],
)
def test_optuna(seeds: int, saying: str) -> None:
    proposes = make_sampler(optuna_spec("gp", seeds=seeds))
    history = [
        PastTrial(
            number=number,
            assignment={"family": "none", "target.seed": number, "target.learning_rate": 1e-4},
            state="finished",
            score=0.5,
        )
        for number in range(3)
    ]

    with refused_by("optuna", RunError, saying=rf"sampler 'gp' \(Optuna\) cannot propose trial 3: .*{saying}"):
        proposes.propose(3, history=history)


GP_REFUSAL = re.escape(
    "search.target.seed: {'int': [0, 2147483647]}: "
    "the range has 2,147,483,648 whole numbers; sampler 'gp' lists all of them for each proposal, "
    f"and the limit is {MOST_WHOLE_NUMBERS:,}; narrow the range, list some values as a choice, or use sampler tpe"
)


def test_what_optunas_gp_would_never_end_with_is_refused_before() -> None:
    with pytest.raises(ConfigError, match=GP_REFUSAL):
        make_sweep_spec(SPEC | {"sampler": {"name": "gp"}, "search": {"target.seed": {"int": [0, 2**31 - 1]}}})


@pytest.fixture
def alone() -> Iterator[None]:
    """This process as the only rank of a group."""
    join_process_group(
        ProcessGroupConfig(rank=0, num_ranks=1, local_rank=0, host=LOOPBACK, port=free_port(), threads=1, device="cpu")
    )
    assert distributed.is_initialized()
    yield
    leave_process_group()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "fields",
    [{"zero_stage": 7}, {"zero_stage": "two"}, {"zero_stage": -1}, {"zero_stage": 1.5}],
    ids=str,
)
def test_deepspeed(fields: dict[str, Any]) -> None:
    config = EngineConfig.model_construct(**(EngineConfig(device="cpu").model_dump() | fields))
    module = torch.nn.Linear(2, 2)
    request = EngineRequest(
        module=module,
        parameter_groups=[{"params": list(module.parameters()), "weight_decay": 0.0}],
        phase=phase(),
        config=config,
        device=torch.device("cpu"),
    )

    saying = f"^engine: DeepSpeed cannot train with zero_stage {fields['zero_stage']}"
    with refused_by("deepspeed", ConfigError, saying=saying):
        Engine(request)
