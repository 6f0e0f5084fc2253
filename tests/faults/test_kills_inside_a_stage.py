"""A trial that is killed in the middle of its stages, again and again, and what comes of it in the end."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainables_tests.tiny_jobs import VISION, engine, phase, trial
from trainables.config import TrialConfig
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

REPOSITORY = Path(__file__).parents[2]
NUM_KILLS = int(os.environ.get("XSTILTS_KILLS", "2"))
"""`make faults` raises it."""

PROGRAM = """
import sys
from pathlib import Path
from trainables.config import TrialConfig
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial
config = TrialConfig.model_validate_json(sys.argv[1])
place = TrialResources(store=StageStore(Path(sys.argv[2])), group=LocalGroup(config.engine))
result = run_trial(config, resources=place)
Path(sys.argv[3]).write_text(result.model_dump_json())
"""


@pytest.fixture
def config(tiny_encoder: Path) -> TrialConfig:
    return trial(
        tiny_encoder,
        intermediate=phase(mixture={"nlvr": 0.5, "commonsense_qa": 0.5}, vision=VISION, steps=60, dropout=0.1),
        target=phase(steps=100, dropout=0.1, weight_decay=0.1),
        engine=engine(checkpoint_seconds=0.01),
    )


def start(config: TrialConfig, store: Path) -> subprocess.Popen[bytes]:
    answer = store.with_suffix(".json")
    arguments = [config.model_dump_json(), str(store), str(answer)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], cwd=REPOSITORY)


def checkpoints(store: Path) -> set[Path]:
    return set(store.glob("checkpoints/*/*"))


def wait_for_another_checkpoint(process: subprocess.Popen[bytes], store: Path, *, than: set[Path]) -> None:
    deadline = time.monotonic() + 300
    while process.poll() is None and not checkpoints(store) - than:
        assert time.monotonic() < deadline, "no checkpoint was made"
        time.sleep(0.02)


def weights(result: TrialResult, store: Path) -> list[str]:
    """Return the checksum of each trained stage's encoder."""
    found = [StageStore(store).find(stage.key) for stage in result.stages if stage.phase != "evaluation"]
    return [hashlib.sha256((one.folder / "model.safetensors").read_bytes()).hexdigest() for one in found if one]


def test_a_trial_killed_inside_its_stages_ends_as_the_unbroken_one(config: TrialConfig, tmp_path: Path) -> None:
    group = LocalGroup(config.engine)
    unbroken = run_trial(config, resources=TrialResources(store=StageStore(tmp_path / "unbroken"), group=group))
    group.close()

    chance = random.Random(0)  # noqa: S311  (kill times are no secrets)
    store = tmp_path / "killed"
    exits: list[int] = []
    for _ in range(NUM_KILLS):
        seen = checkpoints(store)
        process = start(config, store)
        wait_for_another_checkpoint(process, store, than=seen)
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        exits.append(process.wait())
    assert start(config, store).wait() == 0
    result = TrialResult.model_validate_json(store.with_suffix(".json").read_text())

    assert -signal.SIGKILL in exits
    assert weights(result, store) == weights(unbroken, tmp_path / "unbroken")
    assert result.languages == unbroken.languages
    assert result.trained == unbroken.trained
    assert [stage.steps for stage in result.stages] == [60, 100, 0]
    assert checkpoints(store) == set()
