"""The test split cannot be read: everything works but the last step of `confirm`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from search.confirm.diary import Diary
from search.record import open_record
from tests.end_to_end.drivers import XSTILTS, Driver, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

LANGUAGES = ("en", "de")


NUM_COPIES = 200
"""Of each validation row in the test split: enough to be interrupted in."""


def with_test_split(xnli: Path, *, is_readable: bool) -> None:
    """Give a copy of XNLI a test split: its validation rows again and again, or what no reader takes."""
    readme = xnli / "README.md"
    header = yaml.safe_load(readme.read_text().split("---\n")[1])
    for entry in header["configs"]:
        language = entry["config_name"]
        entry["data_files"] = [
            {"split": split, "path": f"{language}/{split}.parquet"} for split in ("validation", "test")
        ]
        test = xnli / language / "test.parquet"
        rows = pq.read_table(xnli / language / "validation.parquet")
        pq.write_table(pa.concat_tables([rows] * NUM_COPIES), test) if is_readable else test.write_bytes(b"locked")
    readme.write_text(f"---\n{yaml.safe_dump(header)}---\n")


@pytest.fixture(scope="module")
def xnli(tiny_world: None, tiny_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """A copy of the tiny mirror's XNLI whose test split is unreadable; its mirror is two folders up."""
    mirror = tmp_path_factory.mktemp("locked") / "mirror"
    shutil.copytree(tiny_mirror, mirror)
    with_test_split(mirror / "datasets/facebook/xnli", is_readable=False)
    return mirror / "datasets/facebook/xnli"


@pytest.fixture(scope="module")
def home(tiny_encoder: Path, xnli: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XSTILTS_HOME after a search, with the test split unreadable."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "tiny",
        "trials": 2,
        "concurrency": 2,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, "steps": 3, **phase},
            "evaluation": {"languages": list(LANGUAGES), "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 2}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(spec))
    ended = run(folder, xnli, "search", str(folder / "tiny.yaml"))
    assert ended.returncode == 0, ended.stderr
    return folder


def run(home: Path, xnli: Path, *command: str) -> subprocess.CompletedProcess[str]:
    variables = environment(home) | {"XSTILTS_MIRROR": str(xnli.parents[2])}
    return subprocess.run([XSTILTS, *command], env=variables, capture_output=True, text=True, check=False)


def stages(home: Path) -> dict[str, int]:
    """Return key -> time of the manifest of each complete stage."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (home / "store/stages").glob("*/*/manifest.json")}


def interrupted_after_one_trial(home: Path, xnli: Path, *command: str) -> dict[str, int]:
    """Interrupt a confirmation when a trial is scored on the test split; returns the stages that there are then."""
    before = stages(home)
    variables = environment(home) | {"XSTILTS_MIRROR": str(xnli.parents[2])}
    process = subprocess.Popen(
        [XSTILTS, *command], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(stages(home)) == len(before):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    ranks = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "the same command continues" in said
    assert psutil.wait_procs(ranks, timeout=20)[1] == []
    return stages(home)


def test_a_killed_confirmation_goes_on_with_its_own_trials(home: Path, xnli: Path) -> None:
    confirm = ("confirm", "tiny", "--top", "1", "--seeds", "3", "--no-test", "--json")
    variables = {"XSTILTS_MIRROR": str(xnli.parents[2])}
    driver = Driver(home, *confirm, sweep="tiny.confirmed", variables=variables)
    driver.wait_until(
        lambda record: (
            any(row.name == "tiny.confirmed" for row in record.sweeps())
            and bool(record.trials("tiny.confirmed", states=("finished",)))
        )
    )
    killed = driver.end(signal.SIGKILL)
    before = {trial.number: trial for trial in killed.trials if trial.state == "finished"}

    continued = run(home, xnli, *confirm)

    assert continued.returncode == 0, continued.stderr
    with open_record(home / "record.db", read_only=True) as record:
        after = {trial.number: trial for trial in record.trials("tiny.confirmed")}
        assert Diary(record=record, sweep="tiny.confirmed").num_openings == 0
    assert 0 < len(before) < len(after) == 6  # two configurations, three seeds
    assert {number: after[number] for number in before} == before
    assert {trial.state for trial in after.values()} == {"finished"}


def test_only_the_last_step_of_confirm_needs_the_test_split(home: Path, xnli: Path) -> None:
    confirm = ("confirm", "tiny", "--top", "1", "--seeds", "3", "--json")
    assert run(home, xnli, "best", "tiny").returncode == 0
    assert run(home, xnli, "compare", "tiny").returncode == 0

    locked = run(home, xnli, *confirm)
    assert locked.returncode == 2, locked.stderr
    assert "test.parquet" in locked.stderr
    assert json.loads(run(home, xnli, *confirm, "--no-test").stdout)["test"] is None
    assert json.loads(run(home, xnli, "compare", "tiny.confirmed", "--json").stdout)["protocol"]["selection"] == "fresh"

    with_test_split(xnli, is_readable=True)
    assert run(home, xnli, *confirm, "--no-test").returncode == 0  # the split's file is one of the data's
    before = stages(home)
    scored = interrupted_after_one_trial(home, xnli, *confirm)
    said = json.loads(run(home, xnli, *confirm).stdout)
    after = stages(home)
    assert {key: after[key] for key in scored} == scored
    assert len(after) == len(before) + 6  # two configurations, three seeds
    assert said["test"]["groups"][1]["num_intermediate_seeds"] == 3
    assert said["num_test_openings"] == 1
    assert json.loads(run(home, xnli, *confirm).stdout)["num_test_openings"] == 1
    again = json.loads(run(home, xnli, *confirm, "--again").stdout)
    assert again["num_test_openings"] == 2
    assert "opened 2 times" in again["test"]["notes"][0]
    with open_record(home / "record.db", read_only=True) as record:
        assert Diary(record=record, sweep="tiny.confirmed").num_openings == 2
        assert record.check() is not None  # the diary's events belong to the chain
