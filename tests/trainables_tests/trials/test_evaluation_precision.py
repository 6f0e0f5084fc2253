"""Evaluations in bfloat16 have keys of their own; those in float32 keep theirs, and their bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainables_tests.tiny_jobs import engine, trial
from trainables.config import EngineConfig, EvaluationConfig, TrialConfig
from trainables.evaluation.predictions import PREDICTIONS
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.micro_batches import in_passes
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

pytestmark = pytest.mark.usefixtures("tiny_world")


def keys(config: TrialConfig, **fields: Any) -> dict[str, str]:
    changed = config.model_copy(update={"engine": EngineConfig(**fields)})
    return {stage.phase: stage.key for stage in plan_stages(changed, provenance=read_provenance(changed))}


def test_only_the_evaluation_has_another_key_and_only_in_bfloat16(tiny_encoder: Path) -> None:
    config = trial(tiny_encoder)
    plain = keys(config)

    rounded = keys(config, evaluation_precision="bfloat16")

    assert keys(config, evaluation_precision="float32") == plain
    assert rounded["target"] == plain["target"]
    assert rounded["evaluation"] != plain["evaluation"]
    assert keys(config, precision="bfloat16", evaluation_precision="bfloat16")["evaluation"] != rounded["evaluation"]


@pytest.mark.slow
def test_a_trial_is_scored_in_the_precision_that_it_names(
    tiny_encoder: Path, one_rank: LocalGroup, tmp_path: Path
) -> None:
    def run(folder: str, **fields: Any) -> tuple[TrialResult, bytes]:
        store = StageStore(tmp_path / folder)
        config = trial(tiny_encoder, engine=engine(**fields))
        result = run_trial(config, resources=TrialResources(store=store, group=one_rank))
        scored = result.stages[-1]
        found = store.find(scored.key)
        assert found is not None
        return result, (found.folder / PREDICTIONS).read_bytes()

    plain, in_float32 = run("one")
    again, in_bfloat16 = run("one", evaluation_precision="bfloat16")
    _, once_more = run("two", evaluation_precision="float32")

    assert [stage.phase for stage in again.stages if not stage.reused] == ["evaluation"]
    assert in_float32 == once_more
    assert in_float32 != in_bfloat16
    assert again.average == pytest.approx(plain.average, abs=0.1)


@pytest.mark.parametrize(
    ("fields", "written", "expected"),
    [
        ({}, "auto", "auto"),
        ({"device": "cpu", "tokens_per_micro_batch": 8192}, "auto", "auto"),
        ({"device": "cuda"}, "auto", 4 * 4096),
        ({"device": "cuda", "tokens_per_micro_batch": 32_768}, "auto", 65_536),
        ({"device": "cuda", "tokens_per_micro_batch": 32_768}, 512, 512),
    ],
)
def test_passes_of_an_evaluation_are_larger_on_gpus_and_obey_what_is_written(
    fields: dict[str, Any], written: Any, expected: object
) -> None:
    work = in_passes(EvaluationConfig(tokens_per_micro_batch=written), engine=EngineConfig(**fields))

    assert work.tokens_per_micro_batch == expected
    assert work.pass_tokens == (4096 if expected == "auto" else expected)
