"""Adapters in sweep specs: their fields are searched, each decides the key of a stage, and some phases refuse them."""

from __future__ import annotations

from typing import Any

import pytest

from search.stages.keep_policy import StageSizes
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import make_space, make_sweep_spec
from tests.trainables_tests.plan.test_stages import PROVENANCE, TRIAL, changed
from trainables.checks.combinations import check_combinations
from trainables.config import AdapterConfig, PhaseConfig, TrialConfig
from trainables.errors import ConfigError
from trainables.plan.stage_plan import plan_stages

ADAPTER = AdapterConfig()
OTHERS = {"rank": 4, "alpha": 8.0, "dropout": 0.5, "targets": "all"}


def spec_with(**intermediate: Any) -> dict[str, Any]:
    return {
        "name": "adapted",
        "trials": 4,
        "trial": {
            "encoder": {"name": "miniature"},
            "target": {"mixture": "miniature_nli", "steps": 5},
            "evaluation": {"task": "miniature_nli"},
        },
        "families": {"text": {"mixture": "miniature_qa", "steps": 5, **intermediate}},
    }


def keys(config: TrialConfig) -> list[str]:
    return [stage.key for stage in plan_stages(config, provenance=PROVENANCE)]


def test_a_field_of_an_adapter_is_searched() -> None:
    space = make_space(make_sweep_spec(spec_with(adapter={"rank": {"choice": [4, 16]}, "targets": "attention"})))
    assignment = default_assignment(space)
    (path,) = (name for name in assignment if name.endswith("adapter.rank"))

    found = [bind(space, {**assignment, path: rank}).intermediate for rank in (4, 16)]

    adapters = [one.adapter for one in found if one is not None]
    assert adapters == [AdapterConfig(rank=rank, targets="attention") for rank in (4, 16)]


@pytest.mark.parametrize(("field", "value"), OTHERS.items(), ids=OTHERS)
def test_each_field_of_an_adapter_decides_the_keys_from_its_stage_on(field: str, value: Any) -> None:
    whole, usual = keys(TRIAL), keys(changed(TRIAL, "intermediate", adapter=ADAPTER))
    other = keys(changed(TRIAL, "intermediate", adapter=ADAPTER.model_copy(update={field: value})))

    assert not {*whole} & {*usual}
    assert not {*usual} & {*other}


def test_a_forecast_takes_an_adapter_for_as_small_as_it_is() -> None:
    config = {"model_type": "xlm-roberta", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
    sizes = StageSizes(weight_bytes=1_000_000, encoder=config)
    plan = plan_stages(changed(TRIAL, "intermediate", adapter=ADAPTER), provenance=PROVENANCE)

    found = {stage.phase: sizes.of(stage) for stage in plan}

    assert found == {"intermediate": 2 * 2 * 8 * (64 + 64) * 4, "target": 1_000_000, "evaluation": 0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"adapter": {}, "average": {"seeds": 2}}, "adapter and average exclude each other"),
        (
            {"adapter": {}, "freeze_embeddings": True, "frozen_dropout": False},
            "with an adapter, freeze_embeddings alone has no effect, and frozen_dropout neither",
        ),
    ],
    ids=["average", "frozen"],
)
def test_what_an_adapter_excludes_is_refused(fields: dict[str, Any], words: str) -> None:
    document = spec_with()
    document["trial"]["target"] |= fields

    with pytest.raises(ConfigError, match=words):
        make_sweep_spec(document)


def test_a_space_over_full_training_and_adapters_may_freeze_the_embeddings() -> None:
    document = spec_with()
    document["trial"]["target"]["freeze_embeddings"] = True
    document["search"] = {"target.adapter": {"choice": {"full": None, "lora": {"rank": 4}}}}
    space = make_space(make_sweep_spec(document))
    assignment = default_assignment(space)

    full, adapted = (bind(space, {**assignment, "target.adapter": name}).target for name in ("full", "lora"))

    assert full.freeze_embeddings
    alone = {**adapted.model_dump(), "freeze_embeddings": False}
    assert adapted == PhaseConfig.model_validate(alone), "an adapter freezes the encoder as it is: the same stage"


def test_a_merge_of_adapters_is_refused() -> None:
    merge = {"merge": ["miniature_qa", "miniature_choice"]}
    document = spec_with()
    document["families"] = {"merged": {"mixture": merge, "steps": 5, "adapter": {}}}

    with pytest.raises(ConfigError, match="adapter and merge exclude each other"):
        make_sweep_spec(document)


def test_pretraining_trains_all_weights() -> None:
    config = changed(TRIAL.model_copy(update={"pretraining": TRIAL.target}), "pretraining", adapter=ADAPTER)

    with pytest.raises(ConfigError, match=r"pretraining\.adapter: is allowed only in the intermediate phase"):
        check_combinations(config)
