"""Bits that flip anywhere in a finished sweep's home: caches, stages and record. No score is ever wrong.

XSTILTS_FLIPS is how many bits are flipped (200 unless told; `make faults` flips 1,000).
"""

# ruff: noqa: S311  random damage is no secret
from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.query import best
from search.record import Proposal, open_record
from search.stages import verify_cache, verify_stages
from tests.trainables_tests.tiny_jobs import phase, trial
from tests.trainables_tests.training.test_vision_features import write_tower
from trainables.config import TrialConfig, VisionConfig
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NUM_FLIPS = int(os.environ.get("XSTILTS_FLIPS", "200"))
KEY = "ab" + "0" * 62
FLIPS_A_ROUND = 20
"""Flips before the sweep is used again: enough to meet stage, parent and cache together."""


@pytest.fixture(scope="module")
def config(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialConfig:
    """A trial of three stages that reads encoded splits and features of images."""
    vision = VisionConfig(tower=str(write_tower(tmp_path_factory.mktemp("tower"))), freeze=True)
    work = phase(mixture={"nlvr": 0.5, "commonsense_qa": 0.5}, vision=vision, steps=3)
    return trial(tiny_encoder, intermediate=work, target=phase(steps=3))


@pytest.fixture(scope="module")
def group(config: TrialConfig, tiny_world: None) -> Iterator[LocalGroup]:
    del tiny_world
    with contextlib.closing(LocalGroup(config.engine)) as ranks:
        yield ranks


def ran(home: Path, config: TrialConfig, group: LocalGroup) -> TrialResult:
    return run_trial(config, resources=TrialResources(store=StageStore(home / "store"), group=group))


def remember(home: Path, config: TrialConfig, result: TrialResult) -> None:
    """Write the record of the sweep, and close it in order."""
    with open_record(home / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=Proposal(family="text", assignment={}, config=config, seed=1))
        record.start("demo", number=0)
        record.measure("demo", number=0, result=result)
        record.finish("demo", number=0, rung=1, result=result)


def on_record(home: Path) -> list[object]:
    with open_record(home / "record.db") as record:
        return [best(record, sweep="demo", top=5), record.events("demo")]


def damaged(home: Path) -> set[str]:
    """Return what `stages verify` names, as folders below the home."""
    store = StageStore(home / "store")
    stages = {f"store/stages/{one.key[:2]}/{one.key}" for one in verify_stages(store) if one.problem}
    return stages | {f"store/cache/{one.name}" for one in verify_cache(store) if one.problem}


def flip_bits(home: Path, chance: random.Random, *, num_flips: int) -> list[Path]:
    """Flip one bit in each of some files; at most one of them is a copy of the record.

    Returns the stages and caches that they belong to, which can hold them in folders of their own.
    """
    patterns = ("store/stages/*/*/**/*", "store/cache/encoded/**/*", "store/cache/vision/**/*")
    files = [path for pattern in patterns for path in sorted(home.glob(pattern)) if path.is_file()]
    files = [path for path in files if path.suffix != ".lock"]
    of_record = sorted(path for path in home.glob("record.db*/**/*") if path.is_file() and path.name != "lock")
    of_record += sorted(path for path in home.glob("record.db*") if path.is_file())
    flipped = [chance.choice(of_record), *(chance.choice(files) for _ in range(num_flips - 1))]
    for path in flipped:
        content = bytearray(path.read_bytes())
        bit = 1 << chance.randrange(8)
        if content:
            content[chance.randrange(len(content))] ^= bit
        else:  # an empty file has no bit: it gets a byte
            content.append(bit)
        path.write_bytes(content)
    return [Path(*path.relative_to(home).parts[:4]) for path in set(flipped[1:]) if flipped.count(path) == 1]


def test_empty_files_and_files_in_folders_are_flipped_too(tmp_path: Path) -> None:
    stage = tmp_path / "store/stages/ab" / KEY
    for name in ("inner/deep/file", "empty"):
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).touch()
    (tmp_path / "record.db").write_bytes(b"record")

    found = flip_bits(tmp_path, random.Random(0), num_flips=8)

    assert {folder.as_posix() for folder in found} <= {f"store/stages/ab/{KEY}"}
    assert all((stage / name).stat().st_size for name in ("inner/deep/file", "empty"))


def test_flipped_bits_change_no_score_and_are_made_again(
    config: TrialConfig, group: LocalGroup, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    result = ran(whole, config, group)
    remember(whole, config, result)
    wanted = on_record(whole)
    assert {folder.parent.name for folder in (whole / "store/cache").glob("*/*")} == {"encoded", "vision"}
    chance, unnoticed, wrong = random.Random(11), list[str](), list[str]()

    for number in range(-(-NUM_FLIPS // FLIPS_A_ROUND)):
        home = tmp_path / str(number)
        shutil.copytree(whole, home)
        flipped = flip_bits(home, chance, num_flips=min(FLIPS_A_ROUND, NUM_FLIPS - number * FLIPS_A_ROUND))
        unnoticed += sorted({folder.as_posix() for folder in flipped} - damaged(home))
        again = ran(home, config, group)
        wrong += [f"round {number}"] * (again.languages != result.languages or again.trained != result.trained)
        wrong += [f"record in round {number}"] * (on_record(home) != wanted)
        if damaged(home):  # caches that no damaged stage needed
            shutil.rmtree(home / "store/stages")
            assert ran(home, config, group).languages == result.languages
        assert damaged(home) == set()
        shutil.rmtree(home)

    assert (wrong, unnoticed) == ([], [])
