"""A sweep that searches the rank of adapters, through the command line, and the export of one of its trials."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification

from search.record import open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, environment
from trainables.models.encoder import load_encoder
from trainables.plan.starting_weights import encoder_folder
from trainables.stage_store import StageStore

pytestmark = pytest.mark.slow

PHASE = {"batch_size": 8, "max_length": 64, "dropout": 0.0, "num_dev_items": 0, "steps": 3, "learning_rate": 1e-2}
RANKS = [2, 4]
SPEC: dict[str, Any] = {
    "name": "tiny",
    "trials": 2,
    "concurrency": 1,
    "sampler": {"name": "grid"},
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": "miniature_nli", **PHASE, "adapter": {"rank": 3}},
        "evaluation": {"task": "miniature_nli", "num_items": 20, "max_length": 64},
        "engine": {"threads_per_rank": 1, "device": "cpu"},
    },
    "families": {"text": {"mixture": "miniature_qa", **PHASE, "adapter": {"rank": {"choice": RANKS}}}},
}


def answer(home: Path, *words: str) -> Any:
    command = [XSTILTS, *words, "--json"]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_ranks_are_searched_and_an_exported_model_has_both_adapters(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    forecast = answer(tmp_path, "search", str(tmp_path / "tiny.yaml"), "--dry-run")["forecast"]

    answer(tmp_path, "search", str(tmp_path / "tiny.yaml"))
    answer(tmp_path, "export", "tiny", "0", str(tmp_path / "model"))

    with open_record(tmp_path / "record.db", read_only=True) as record:
        trials = record.trials("tiny")
        stages = record.stages("tiny", number=0)
    assert {one.state for one in trials} == {"finished"}
    found = [one.trial_config.intermediate for one in trials]
    assert sorted(one.adapter.rank for one in found if one is not None and one.adapter is not None) == RANKS
    store = StageStore(tmp_path / "store", read_only=True)
    trained = {name: store.find(one.key) for one in stages if (name := one.phase) != "evaluation"}
    assert sum(one.num_bytes for one in store.space.stages().values()) < 1_000_000
    assert forecast["peak_bytes"]["expected"] < 200_000
    folders = [stage.folder for name in ("intermediate", "target") if (stage := trained[name]) is not None]
    merged = load_encoder(encoder_folder("miniature", revision=None), dropout=0.0, adapters=folders)
    exported = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    layer = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(exported.base_model.get_parameter(layer), merged.model.get_parameter(layer))
