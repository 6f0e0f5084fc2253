"""The user's settings for DeepSpeed: what is taken, what is refused by name, and what is in a stage's key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.trainables_tests.plan.test_stages import TRIAL, changed, keys
from trainables.checks.preflight import check_trial
from trainables.config import EngineConfig, TrialConfig
from trainables.config.deepspeed_settings import (
    DECISIVE,
    HARMLESS,
    OWNED,
    UNUSED,
    ZERO,
    Settings,
    decisive,
    merged,
    settings_problem,
)
from trainables.engine.settings import deepspeed_settings, refusal
from trainables.errors import ConfigError

NAMES = {*OWNED, *UNUSED, *HARMLESS, *DECISIVE}


def nested(path: str, value: Any) -> Settings:
    """Return settings that hold one value at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("path", OWNED)
def test_what_another_field_sets_is_refused_by_name_with_what_to_do(path: str) -> None:
    said = settings_problem(nested(path, 1))

    assert said is not None
    assert said.startswith(f"'{path}' is ")
    assert "only xstilts sets it" in said
    assert said.endswith(OWNED[path])


@pytest.mark.parametrize("path", sorted({*HARMLESS, *DECISIVE}))
def test_the_other_settings_are_taken(path: str) -> None:
    assert settings_problem(nested(path, {})) is None


@pytest.mark.parametrize("path", sorted(UNUSED))
def test_settings_of_parts_that_nothing_runs_are_refused(path: str) -> None:
    assert f"'{path}' would have no effect" in str(settings_problem(nested(path, True)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wall_clock_breakdwon": True}, "no setting 'wall_clock_breakdwon'; did you mean 'wall_clock_breakdown'"),
        ({ZERO: {"overlap_com": True}}, f"no setting '{ZERO}.overlap_com'; did you mean 'overlap_comm'"),
        ({"zero_optimisation": {"overlap_comm": True}}, "did you mean 'zero_optimization'"),
        ({ZERO: 2}, f"'{ZERO}' is 2, but must be a mapping"),
        ({"nebula": {}}, "no setting 'nebula'; correct or remove it"),
    ],
)
def test_a_setting_that_deepspeed_does_not_have_is_refused_with_near_ones(settings: Settings, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EngineConfig(deepspeed=settings)

    assert said in str(caught.value)


def test_every_setting_of_deepspeeds_own_models_is_known_here() -> None:
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    fields = DeepSpeedZeroConfig.model_fields
    theirs = {*fields, *(field.alias for field in fields.values() if field.alias)} - {"stage"}
    ours = {name.split(".")[1] for name in NAMES if name.startswith(f"{ZERO}.")} - {"stage"}

    assert ours == theirs
    assert not [
        name for name in NAMES if [name in group for group in (OWNED, UNUSED, HARMLESS, DECISIVE)].count(True) != 1
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({ZERO: {"reduce_bucket_size": "big"}}, "'reduce_bucket_size' is 'big'"),
        ({"comms_logger": {"enabled": True, "verbos": True}}, "'verbos' there; did you mean 'verbose'"),
        (
            {ZERO: {"offload_optimizer": {"pin_memry": True}}},
            "'offload_optimizer.pin_memry' there; did you mean 'pin_memory'",
        ),
        ({"communication_data_type": "bf17"}, "'bf16'"),
    ],
)
def test_values_are_checked_by_deepspeed_itself_before_anything_is_started(settings: Settings, said: str) -> None:
    refused = refusal(EngineConfig(zero_stage=2, offload="optimizer", deepspeed=settings))

    assert refused is not None
    assert said in refused
    assert "\n" not in refused


@pytest.mark.parametrize(
    ("engine", "field", "said"),
    [
        ({"reduction": "bfloat16"}, "engine.reduction", "change engine.precision, or remove engine.reduction"),
        (
            {"precision": "bfloat16", "deepspeed": {"communication_data_type": "bf16"}},
            "engine.deepspeed",
            "set engine.reduction",
        ),
        (
            {"zero_stage": 1, "deepspeed": {ZERO: {"overlap_comm": True}}},
            "engine.deepspeed",
            "set engine.zero_stage to 2",
        ),
        (
            {"zero_stage": 3, "precision": "bfloat16", "deepspeed": {ZERO: {"zero_quantized_weights": True}}},
            "engine.deepspeed",
            "set it to float32",
        ),
        ({"deepspeed": {"log_level": {"a": 1}, ZERO: {"sub_group_size": -1}}}, "engine.deepspeed", "sub_group_size"),
    ],
)
def test_settings_that_do_not_go_with_another_field_are_refused(
    engine: dict[str, Any], field: str, said: str, tiny_trial: TrialConfig
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_trial(tiny_trial.model_copy(update={"engine": EngineConfig(device="cpu", **engine)}))

    assert caught.value.field == field


@pytest.fixture
def tiny_trial(tiny_world: None, tiny_encoder: Any) -> TrialConfig:
    from tests.trainables_tests.tiny_jobs import trial

    del tiny_world
    return trial(tiny_encoder)


def test_ours_stands_over_the_users_and_the_users_over_our_defaults() -> None:
    config = EngineConfig(
        zero_stage=2,
        offload="optimizer",
        deepspeed={
            "steps_per_print": 10,
            ZERO: {"overlap_comm": False, "offload_optimizer": {"pin_memory": True}, "round_robin_gradients": True},
        },
    )

    made = deepspeed_settings(config, num_ranks=2, max_gradient_norm=None, on_cuda=True)

    assert made["steps_per_print"] == 10
    assert made[ZERO] == {
        "stage": 2,
        "overlap_comm": False,
        "reduce_bucket_size": 50_000_000,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "round_robin_gradients": True,
    }


@pytest.mark.parametrize(
    ("zero_stage", "on_cuda", "overlaps"),
    [(0, True, False), (1, True, None), (2, True, True), (3, True, None), (0, False, False), (2, False, None)],
)
def test_gradients_are_sent_during_the_backward_pass_on_gpus_where_deepspeed_can(
    zero_stage: Any, *, on_cuda: bool, overlaps: bool | None
) -> None:
    made = deepspeed_settings(EngineConfig(zero_stage=zero_stage), num_ranks=2, max_gradient_norm=1.0, on_cuda=on_cuda)

    assert made[ZERO].get("overlap_comm") == overlaps
    assert ("reduce_bucket_size" in made[ZERO]) == (on_cuda and zero_stage > 0)


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("precision", "reduction", "modules", "at_stage_0"),
    [
        ("float32", "float32", None, None),
        ("bfloat16", "float32", [], None),
        ("bfloat16", "bfloat16", None, "bf16"),
    ],
)
def test_one_field_decides_what_gradients_are_summed_in_at_every_stage(
    zero_stage: Any, precision: Any, reduction: Any, modules: list[str] | None, at_stage_0: str | None
) -> None:
    config = EngineConfig(zero_stage=zero_stage, precision=precision, reduction=reduction)

    made = deepspeed_settings(config, num_ranks=2, max_gradient_norm=1.0)

    assert made["torch_autocast"].get("lower_precision_safe_modules") == modules
    assert made.get("communication_data_type") == (at_stage_0 if zero_stage == 0 else None)


def test_merging_leaves_both_as_they_were() -> None:
    theirs: Settings = {"a": {"b": 1, "c": 2}, "d": {"e": 1}}

    assert merged(theirs, ours={"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}
    assert theirs == {"a": {"b": 1, "c": 2}, "d": {"e": 1}}


@pytest.mark.parametrize("path", sorted(HARMLESS))
def test_a_setting_that_changes_no_numbers_is_not_in_a_stages_key(path: str) -> None:
    engine = EngineConfig(deepspeed=nested(path, {}))

    assert keys(TRIAL.model_copy(update={"engine": engine})) == keys(TRIAL)
    assert decisive(engine.deepspeed) == {}


@pytest.mark.parametrize("path", sorted(DECISIVE))
def test_any_other_setting_is_in_the_key_of_every_stage_that_trains(path: str) -> None:
    before = keys(TRIAL)
    engines = [EngineConfig(deepspeed=nested(path, value)) for value in (1, 2)]

    found = [keys(TRIAL.model_copy(update={"engine": engine})) for engine in engines]

    assert set(before.values()).isdisjoint(found[0].values())
    assert set(found[0].values()).isdisjoint(found[1].values())


def test_summing_in_bfloat16_makes_stages_of_its_own_and_summing_in_float32_those_of_before() -> None:
    half = changed(TRIAL, "engine", precision="bfloat16")
    rounded = changed(half, "engine", reduction="bfloat16")

    assert keys(changed(half, "engine", reduction="float32")) == keys(half)
    assert set(keys(rounded).values()).isdisjoint(keys(half).values())


def test_what_decides_of_an_engine_is_what_is_in_the_key() -> None:
    engine = EngineConfig(
        num_workers=4,
        zero_stage=2,
        precision="bfloat16",
        evaluation_precision="bfloat16",
        reduction="bfloat16",
        stored_weights="float16",
        deepspeed={"wall_clock_breakdown": True, "prescale_gradients": True, ZERO: {"overlap_comm": True}},
    )

    assert engine.deciding() == EngineConfig(
        precision="bfloat16",
        evaluation_precision="bfloat16",
        reduction="bfloat16",
        stored_weights="float16",
        deepspeed={"prescale_gradients": True},
    )
    trial = TRIAL.model_copy(update={"engine": engine})
    assert keys(trial) == keys(TRIAL.model_copy(update={"engine": engine.deciding()}))
