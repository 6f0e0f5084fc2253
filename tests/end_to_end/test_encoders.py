"""One sweep over encoders of every family: it finishes, is continued after a kill, and answers whether effects hold."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import Record, TrialRow, open_record
from tests.end_to_end.drivers import XSTILTS, Driver, Ended, environment
from tests.tiny_families import FIELDS, write_family
from trainables.data.sources.locator import locate_model
from trainables.models.encoder import load_tokenizer

pytestmark = pytest.mark.slow

BOTH = ("xlm-roberta", "deberta-v2", "modernbert")

SPEC: dict[str, Any] = {
    "name": "tiny",
    "sampler": {"name": "grid"},
    "trials": len(FIELDS) + len(BOTH),
    "concurrency": 2,
    "trial": {
        "intermediate": {"batch_size": 4, "max_length": 32, "num_dev_items": 0, "num_examples": 40},
        "target": {
            "mixture": {"miniature_nli": 1.0},
            "num_examples": 40,
            "steps": 4,
            "batch_size": 4,
            "max_length": 32,
            "num_dev_items": 0,
        },
        "evaluation": {"task": "miniature_nli", "languages": ["en", "de"], "num_items": 30, "max_length": 32},
        "engine": {"device": "cpu", "threads_per_rank": 1},
    },
    "families": {"none": {}, "text": {"mixture": "miniature_qa", "steps": 2}},
    "search": {"encoder": {"choice": list(FIELDS)}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home beside a spec and an encoder of each family, with the miniature's tokenizer and random weights."""
    folder = tmp_path_factory.mktemp("encoders")
    tokenizer: Any = load_tokenizer(Path(str(locate_model("miniature").path)))
    for family in FIELDS:
        write_family(folder / family, family, tokenizer=tokenizer)
    # Every encoder without intermediate training, and three with it.
    named = tuple(str(folder / family) for family in BOTH)
    spec = SPEC | {"constraints": [f"family = 'none' or encoder.name in {named}"]}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    return folder


def trials_of(home: Path) -> tuple[TrialRow, ...]:
    with open_record(home / "record.db", read_only=True) as record:
        return record.trials("tiny")


def num_finished(record: Record) -> int:
    return record.count_states("tiny").get("finished", 0)


@pytest.fixture(scope="module")
def killed(home: Path) -> Ended:
    driver = Driver(home, "search", str(home / "spec.yaml"))
    driver.wait_until(lambda record: num_finished(record) >= 3)
    return driver.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def finished(home: Path, killed: Ended) -> Ended:
    del killed
    return Driver(home, "search", str(home / "spec.yaml")).end()


def test_a_killed_sweep_over_encoders_ends_with_every_encoder_and_family(
    home: Path, killed: Ended, finished: Ended
) -> None:
    assert finished.exit_code == 0, finished.stderr
    trials = trials_of(home)
    names = Counter(Path(trial.trial_config.encoder.name).name for trial in trials)
    assert names == {family: 2 if family in BOTH else 1 for family in FIELDS}
    assert {trial.state for trial in trials} == {"finished"}
    before = {trial.number: trial.score for trial in killed.trials if trial.state == "finished"}
    assert len(before) >= 3
    assert before.items() <= {trial.number: trial.score for trial in trials}.items()


def test_the_sweep_answers_by_encoder(home: Path, finished: Ended) -> None:
    del finished
    command = [XSTILTS, "compare", "tiny", "--by", "encoder", "--baseline", BOTH[0], "--json"]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)

    assert {group["group"] for group in found["groups"]} == set(FIELDS)
    assert {one["family"] for one in found["interactions"]} == {"text"}
    compared = {one["baseline_encoder"] for one in found["interactions"]}
    assert {one["encoder"] for one in found["interactions"]} | compared == set(BOTH)
    assert {one["verdict"] for one in found["interactions"]} == {"undecided"}


def test_the_model_of_a_trial_is_exported_as_its_own_class(home: Path, finished: Ended) -> None:
    del finished
    trial = next(one for one in trials_of(home) if Path(one.trial_config.encoder.name).name == "modernbert")
    command = [XSTILTS, "export", "tiny", str(trial.number), str(home / "exported")]

    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    config = json.loads((home / "exported/config.json").read_text())
    assert config["architectures"] == ["ModernBertForSequenceClassification"]
    assert config["classifier_pooling"] == "mean"
