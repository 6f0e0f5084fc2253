"""Keys of stages: what decides a stage's content is in its key, and nothing else is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.config import (
    AdapterConfig,
    BesideConfig,
    EncoderConfig,
    EngineConfig,
    EvaluationConfig,
    PhaseConfig,
    SamplingConfig,
    ScheduleConfig,
    TrialConfig,
    VisionConfig,
)
from trainables.models.families.by_name import FAMILIES
from trainables.plan.stage_plan import Provenance, Stage, plan_stages
from trainables.tasks.spec import GeneratedSource, HubSource, KindName, MaskingPolicy, TaskSpec

GOLDEN = Path(__file__).parents[2] / "golden" / "stage_keys.json"


def spec_of(name: str, *, kind: KindName, **fields: Any) -> TaskSpec:
    fixed = {
        "source": HubSource(repository=f"owner/{name}", revision="0" * 40),
        "splits": {"train": ("train",), "validation": ("validation",)},
        "columns": {"premise": "premise", "hypothesis": "hypothesis", "label": "label"},
        "labels": ("entailment", "neutral", "contradiction"),
        "licence": "CC0",
        "citation": "nobody 2026",
    }
    return TaskSpec(name=name, kind=kind, **(fixed | fields))


# These are the test's own, never the catalogue's: a golden key must not move when the catalogue is corrected.
SPECS = {
    "nli": spec_of("nli", kind="sentence_pair", languages=("en", "de")),
    "choice": spec_of("choice", kind="multiple_choice"),
    "pictures": spec_of("pictures", kind="image_classification"),
    "words": spec_of(
        "words",
        kind="masked_lm",
        source=GeneratedSource(generator="words", version=3),
        columns={"text": "text"},
        labels=(),
        masking=MaskingPolicy(),
        metric="masked_accuracy",
    ),
}
PROVENANCE = Provenance(
    encoder="e" * 64, specs=SPECS, data={name: f"rows of {name}" for name in SPECS}, vision={"tower": "v" * 64}
)
EVALUATION = EvaluationConfig(task="nli", languages=("en", "de"))
TARGET = PhaseConfig(mixture={"nli": 1.0}, epochs=2)
INTERMEDIATE = PhaseConfig(mixture={"choice": 0.25, "nli": 0.75}, steps=100)
TRIAL = TrialConfig(intermediate=INTERMEDIATE, target=TARGET, evaluation=EVALUATION)

GOLDEN_TRIALS = {
    "baseline": TrialConfig(target=TARGET, evaluation=EVALUATION),
    "every phase": TrialConfig(
        pretraining=PhaseConfig(mixture={"words": 1.0}, steps=1000, seed=4),
        intermediate=INTERMEDIATE,
        target=TARGET,
        evaluation=EVALUATION,
    ),
    "nothing at its default": TrialConfig(
        encoder=EncoderConfig(name="owner/encoder", revision="1" * 40),
        intermediate=PhaseConfig(
            mixture={"pictures": 1.0},
            steps=70,
            batch_size=24,
            learning_rate=3e-5,
            weight_decay=0.01,
            adam_beta2=0.98,
            adam_epsilon=1e-6,
            max_gradient_norm=None,
            schedule=ScheduleConfig(kind="warmup_stable_decay", warmup_steps=7, decay_fraction=0.3),
            max_length=64,
            dropout=0.0,
            pooling="first",
            freeze_embeddings=True,
            freeze_layers=2,
            num_examples=500,
            num_dev_items=50,
            vision=VisionConfig(tower="tower", freeze=True),
            seed=11,
        ),
        target=TARGET,
        evaluation=EvaluationConfig(task="nli", languages=("de",), num_items=100, max_length=64),
        engine=EngineConfig(precision="bfloat16"),
    ),
}


def keys(config: TrialConfig, *, provenance: Provenance = PROVENANCE) -> dict[str, str]:
    return {stage.phase: stage.key for stage in plan_stages(config, provenance=provenance)}


def from_encoder(family: str) -> Provenance:
    """Return where a trial of an encoder of a family starts; other weights are another identity."""
    return PROVENANCE.model_copy(update={"encoder": hashlib.sha256(family.encode()).hexdigest()})


def changed(config: TrialConfig, phase: str, **fields: Any) -> TrialConfig:
    """Return the trial with fields of one of its parts replaced."""
    part = getattr(config, phase)
    return config.model_copy(update={phase: part.model_copy(update=fields)})


def test_keys_stay_what_they_were_when_stores_were_filled_with_them() -> None:
    # A stage key may change only with a reason: whoever changes this file makes every user's stages anew.
    found = {name: keys(config) for name, config in GOLDEN_TRIALS.items()}
    found |= {f"encoder of {family}": keys(TRIAL, provenance=from_encoder(family)) for family in FAMILIES}

    assert found == json.loads(GOLDEN.read_text())


def test_a_trials_stages_are_its_phases_in_order_each_from_the_one_before() -> None:
    stages = plan_stages(GOLDEN_TRIALS["every phase"], provenance=PROVENANCE)

    assert [stage.phase for stage in stages] == ["pretraining", "intermediate", "target", "evaluation"]
    assert [stage.parent for stage in stages] == [None, *(stage.key for stage in stages[:-1])]


def test_a_baseline_has_no_intermediate_stage() -> None:
    assert list(keys(GOLDEN_TRIALS["baseline"])) == ["target", "evaluation"]


@pytest.mark.parametrize(
    "engine",
    [
        EngineConfig(num_workers=8),
        EngineConfig(zero_stage=3),
        EngineConfig(threads_per_rank=2),
        EngineConfig(tokens_per_micro_batch=512),
        EngineConfig(gradient_checkpointing=True),
        EngineConfig(zero_stage=3, offload="all"),
        EngineConfig(device="cpu"),
    ],
    ids=["ranks", "zero stage", "threads", "micro-batch", "checkpointing", "offload", "device"],
)
def test_keys_do_not_depend_on_how_the_work_is_spread(engine: EngineConfig) -> None:
    assert keys(TRIAL.model_copy(update={"engine": engine})) == keys(TRIAL)


def test_the_micro_batch_of_the_evaluation_is_not_in_its_key() -> None:
    assert keys(changed(TRIAL, "evaluation", tokens_per_micro_batch=64)) == keys(TRIAL)


def test_the_precision_decides_what_is_trained() -> None:
    half = keys(changed(TRIAL, "engine", precision="bfloat16"))

    assert set(half.values()).isdisjoint(keys(TRIAL).values())


OTHER_VALUES: dict[str, Any] = {
    "mixture": {"choice": 0.5, "nli": 0.5},
    "teacher": "some/clip",
    "steps": 101,
    "batch_size": 16,
    "learning_rate": 2e-5,
    "weight_decay": 0.1,
    "adam_beta2": 0.98,
    "adam_epsilon": 1e-6,
    "max_gradient_norm": None,
    "schedule": ScheduleConfig(kind="constant"),
    "max_length": 64,
    "dropout": 0.0,
    "pooling": "first",
    "freeze_embeddings": True,
    "num_examples": 10,
    "num_dev_items": 0,
    "vision": VisionConfig(),
    "seed": 1,
    "beside": BesideConfig(translations=("de",)),
    "head_seed": 1,
    "adapter": AdapterConfig(),
}


@pytest.mark.parametrize(("field", "value"), OTHER_VALUES.items(), ids=OTHER_VALUES.keys())
def test_every_field_of_a_phase_is_in_its_key_and_in_those_that_follow(field: str, value: object) -> None:
    other = keys(changed(TRIAL, "intermediate", **{field: value}))

    assert set(other.values()).isdisjoint(keys(TRIAL).values())


def test_sampling_is_in_the_key_and_uniform_sampling_is_the_stage_of_equal_weights() -> None:
    equal = changed(TRIAL, "intermediate", mixture={"choice": 0.5, "nli": 0.5})
    capped = changed(equal, "intermediate", sampling=SamplingConfig(kind="proportional", cap=5))

    assert keys(changed(equal, "intermediate", sampling=SamplingConfig(kind="uniform"))) == keys(equal)
    assert set(keys(capped).values()).isdisjoint(keys(equal).values())


def test_epochs_and_frozen_layers_are_in_the_key_too() -> None:
    frozen = changed(TRIAL, "target", freeze_embeddings=True)

    found = [
        keys(changed(frozen, "target", **fields))["target"]
        for fields in ({}, {"epochs": 3}, {"freeze_layers": 1}, {"frozen_dropout": False})
    ]

    assert len(set(found)) == 4


def test_no_field_of_a_phase_is_left_out_above() -> None:
    combined = {"merge", "average"}  # see test_combinations
    others = {"epochs", "freeze_layers", "frozen_dropout", "sampling"} | combined
    assert set(OTHER_VALUES) | others == set(PhaseConfig.model_fields)


@pytest.mark.parametrize(
    "fields",
    [{"languages": ("en",)}, {"num_items": 5}, {"max_length": 64}, {"task": "words"}],
    ids=["languages", "items", "length", "task"],
)
def test_another_evaluation_is_scored_anew_and_trains_nothing(fields: dict[str, Any]) -> None:
    before, after = keys(TRIAL), keys(changed(TRIAL, "evaluation", **fields))

    assert (after["intermediate"], after["target"]) == (before["intermediate"], before["target"])
    assert after["evaluation"] != before["evaluation"]


def test_trials_with_the_same_intermediate_phase_share_its_stage() -> None:
    before, after = keys(TRIAL), keys(changed(TRIAL, "target", learning_rate=3e-5))

    assert after["intermediate"] == before["intermediate"]
    assert after["target"] != before["target"]


def test_a_phase_alone_and_the_same_phase_after_another_are_different_stages() -> None:
    assert keys(TRIAL)["target"] != keys(TRIAL.model_copy(update={"intermediate": None}))["target"]


def test_the_same_work_as_intermediate_and_as_target_phase_is_not_one_stage() -> None:
    trial = TrialConfig(intermediate=TARGET, target=TARGET, evaluation=EVALUATION)

    found = keys(trial.model_copy(update={"intermediate": None}))

    assert keys(trial)["intermediate"] != found["target"]


@pytest.mark.parametrize(
    "fields",
    [{"encoder": "f" * 64}, {"data": PROVENANCE.data | {"choice": "other rows"}}],
    ids=["encoder", "rows"],
)
def test_other_inputs_make_every_stage_anew(fields: dict[str, Any]) -> None:
    other = keys(TRIAL, provenance=PROVENANCE.model_copy(update=fields))

    assert set(other.values()).isdisjoint(keys(TRIAL).values())


def test_another_vision_tower_of_the_same_name_makes_its_stage_anew() -> None:
    config = GOLDEN_TRIALS["nothing at its default"]
    other = PROVENANCE.model_copy(update={"vision": {"tower": "w" * 64}})

    assert keys(config, provenance=other)["intermediate"] != keys(config)["intermediate"]


def test_rows_of_a_later_phase_leave_the_earlier_stage_alone() -> None:
    config = changed(TRIAL, "intermediate", mixture={"choice": 1.0})
    other = PROVENANCE.model_copy(update={"data": PROVENANCE.data | {"nli": "other rows"}})

    assert keys(config, provenance=other)["intermediate"] == keys(config)["intermediate"]
    assert keys(config, provenance=other)["target"] != keys(config)["target"]


def with_spec(**fields: Any) -> Provenance:
    """Return the provenance with fields of the task `nli` replaced."""
    specs = SPECS | {"nli": SPECS["nli"].model_copy(update=fields)}
    return PROVENANCE.model_copy(update={"specs": specs})


@pytest.mark.parametrize(
    "fields",
    [{"licence": "MIT"}, {"citation": "somebody"}, {"notes": "new"}, {"languages": ("en", "de", "sw")}],
    ids=["licence", "citation", "notes", "languages"],
)
def test_prose_about_a_task_is_not_in_a_key(fields: dict[str, Any]) -> None:
    assert keys(TRIAL, provenance=with_spec(**fields)) == keys(TRIAL)


@pytest.mark.parametrize(
    "fields",
    [{"version": 2}, {"columns": {"premise": "other"}}, {"splits": {"train": ("a", "b")}}, {"labels": ("a", "b", "c")}],
    ids=["version", "columns", "splits", "labels"],
)
def test_what_decides_a_tasks_examples_is_in_the_key(fields: dict[str, Any]) -> None:
    other = keys(TRIAL, provenance=with_spec(**fields))

    assert set(other.values()).isdisjoint(keys(TRIAL).values())


TAGGING = {"kind": "tagging", "columns": {"tokens": "tokens", "tags": "tags"}}
SPANS = {"kind": "span_qa", "labels": ()}


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({**TAGGING, "labels": ("NOUN", "VERB")}, 2),
        ({**TAGGING, "labels": ("NOUN", "VERB"), "metric": "seqeval_f1"}, 2),
        ({**TAGGING, "labels": ("O", "B-X", "I-X", "L-X", "U-X")}, 2),
        ({**TAGGING, "labels": ("O", "BX", "IX")}, 2),
        ({**TAGGING, "labels": ("O", "B-X", "I-X", "E-X", "S-X")}, 1),
        ({**TAGGING, "labels": ("O", "B", "I")}, 1),
        ({**TAGGING, "labels": ("OTHER", "B-X")}, 1),
        ({**SPANS, "metric": "f1"}, 2),
        ({**SPANS, "metric": "exact_match", "unanswerable": True}, 2),
        ({**SPANS, "metric": "mlqa_f1"}, 1),
        ({}, 1),
    ],
)
def test_scores_that_were_computed_otherwise_are_computed_anew_and_train_nothing(
    fields: dict[str, Any], version: int
) -> None:
    """Spans of plain tags, and SQuAD's scores of answers without words, once had other values."""
    words = SPECS["words"].model_copy(update=fields)
    assert words.scores_version == version
    provenance = PROVENANCE.model_copy(update={"specs": SPECS | {"words": words}})
    found = keys(changed(TRIAL, "evaluation", task="words"), provenance=provenance)
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(TaskSpec, "scores_version", 1)
        before = keys(changed(TRIAL, "evaluation", task="words"), provenance=provenance)
    assert found["target"] == before["target"]
    assert (found["evaluation"] == before["evaluation"]) == (version == 1)


@given(order=st.permutations(sorted(INTERMEDIATE.model_dump(mode="json"))), names=st.permutations(["choice", "nli"]))
def test_keys_do_not_depend_on_the_order_in_which_fields_were_written(order: list[str], names: list[str]) -> None:
    written = INTERMEDIATE.model_dump(mode="json")
    shuffled = {field: written[field] for field in order}
    shuffled["mixture"] = {name: INTERMEDIATE.mixture[name] for name in names}
    config = TRIAL.model_copy(update={"intermediate": PhaseConfig.model_validate(shuffled)})

    assert keys(config) == keys(TRIAL)


@given(seeds=st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=5, unique=True))
def test_every_seed_has_its_own_stages(seeds: list[int]) -> None:
    found = {keys(changed(TRIAL, "intermediate", seed=seed))["intermediate"] for seed in seeds}

    assert len(found) == len(seeds)


def test_a_plan_survives_the_trip_through_json() -> None:
    stages = plan_stages(GOLDEN_TRIALS["nothing at its default"], provenance=PROVENANCE)

    assert [Stage.model_validate_json(stage.model_dump_json()) for stage in stages] == list(stages)


def test_a_vision_tower_in_a_folder_counts_by_its_content_and_not_its_path() -> None:
    def key(tower: str, *, identity: str) -> str:
        work = PhaseConfig(mixture={"pictures": 1.0}, steps=1, vision=VisionConfig(tower=tower, freeze=True))
        provenance = PROVENANCE.model_copy(update={"vision": {tower: identity}})
        return plan_stages(TRIAL.model_copy(update={"intermediate": work}), provenance=provenance)[0].key

    assert key("/here/tower", identity="a" * 64) == key("/there/clip", identity="a" * 64)
    assert key("/here/tower", identity="a" * 64) != key("/here/tower", identity="b" * 64)
