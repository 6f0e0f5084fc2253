"""One grammar: what `trial` of a sweep spec takes, a trial file takes, and both take what `xstilts show` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from search.trial_file import load_trial_file
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import load_sweep_spec, make_space
from tests.own_task import write_own_task
from trainables.config import TrialConfig
from trainables.errors import ConfigError
from trainables.tasks import registry

BASE: dict[str, Any] = {
    "encoder.name": "miniature",
    "intermediate.mixture": {"miniature_qa": 1.0},
    "intermediate.steps": 5,
    "target.mixture": {"miniature_nli": 1.0},
    "target.steps": 10,
    "evaluation.task": "miniature_nli",
}
TWO_TASKS = {"intermediate.mixture": ["miniature_qa", "miniature_choice"]}
MERGED = ["miniature_qa", "miniature_choice"]
IMAGES = {"intermediate.mixture": "miniature_entailment"}
DECAY = {"schedule.kind": "warmup_stable_decay"}

PHASE: dict[str, list[dict[str, Any]]] = {
    "mixture": [
        {"mixture": "miniature_nli"},
        {"mixture": {"miniature_nli": 1}},
        {"mixture": ["miniature_qa", "miniature_choice"], "sampling": {"kind": "uniform"}},
        {"mixture": ["miniature_qa", "miniature_choice"]},
        {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}},
        {"mixture": {"miniature_qa": "all"}},
    ],
    "steps": [{"steps": 7}, {"steps": 7.0}, {"steps": {"int": [1, 9]}}],
    "epochs": [{"steps": None, "epochs": 2}, {"steps": None, "epochs": 0.5}, {"epochs": 2}],
    "batch_size": [{"batch_size": 8}],
    "learning_rate": [{"learning_rate": 1e-4}, {"learning_rate": 1}, {"learning_rate": "1e-4"}],
    "weight_decay": [{"weight_decay": 0}],
    "adam_beta2": [{"adam_beta2": 0.98}],
    "adam_epsilon": [{"adam_epsilon": 1e-6}],
    "max_gradient_norm": [{"max_gradient_norm": None}, {"max_gradient_norm": 2}],
    "schedule.kind": [{"schedule.kind": "constant"}, {"schedule": {"kind": "constant"}}, {"schedule": "constant"}],
    "schedule.warmup_fraction": [{"schedule.warmup_fraction": 0}],
    "schedule.warmup_steps": [{"schedule.warmup_steps": 3}, {"schedule": {"warmup_steps": None}}],
    "schedule.decay_fraction": [{"schedule.decay_fraction": 0.5, **DECAY}, {"schedule.decay_fraction": 0.5}],
    "max_length": [{"max_length": 64}, {"max_length": "64"}],
    "dropout": [{"dropout": 0}],
    "pooling": [{"pooling": "first"}, {"pooling": "middle"}],
    "freeze_embeddings": [{"freeze_embeddings": True}, {"freeze_embeddings": 1}],
    "freeze_layers": [{"freeze_layers": 1, "freeze_embeddings": True}],
    "frozen_dropout": [{"frozen_dropout": False, "freeze_embeddings": True}, {"frozen_dropout": False}],
    "num_examples": [{"num_examples": 50}, {"num_examples": None}],
    "num_dev_items": [{"num_dev_items": 0}],
    "teacher": [{"teacher": None}, {"teacher": 3}],
    "seed": [{"seed": 3}],
    "head_seed": [{"head_seed": 3}],
    "average.seeds": [{"average": {"seeds": 2}}, {"average.seeds": 2}, {"average": 2}],
    "average.last": [{"average": {"last": 3}}, {"average": {"last": 3, "seeds": 3}}],
    "average.every": [{"average": {"last": 3, "every": 0.2}}, {"average": {"seeds": 2, "every": 0.2}}],
    "average.select": [{"average": {"seeds": 2, "select": "greedy"}}, {"average.select": "greedy", "average.seeds": 2}],
    "adapter.kind": [{"adapter": {"kind": "lora"}}, {"adapter.kind": "lora"}, {"adapter": "lora"}, {"adapter": {}}],
    "adapter.rank": [{"adapter.rank": 4}, {"adapter.rank": {"choice": [4, 8]}}, {"adapter": {"rank": 0}}],
    "adapter.alpha": [{"adapter.alpha": 32}, {"adapter": {"alpha": "32"}}],
    "adapter.dropout": [{"adapter.dropout": 0.1}, {"adapter.dropout": 1}],
    "adapter.targets": [{"adapter.targets": "all"}, {"adapter.targets": ["query"]}],
}
"""Field of a phase -> ways to write it, right and wrong."""

FORMS: dict[str, list[dict[str, Any]]] = {
    "encoder.name": [{"encoder": {"name": "miniature"}}, {"encoder.name": "./encoder"}, {"encoder": "miniature"}],
    "encoder": [{"encoder": "./encoder"}, {"encoder": {"choice": ["miniature"]}}, {"encoder": ["miniature"]}],
    "encoder.revision": [{"encoder.revision": None}],
    "pretraining": [{"pretraining": None}, {"pretraining": {}}],
    **{f"target.{field}": [{"target": form} for form in forms] for field, forms in PHASE.items()},
    **{
        f"intermediate.{field}": [{f"intermediate.{key}": value for key, value in form.items()} for form in forms]
        for field, forms in PHASE.items()
        if not field.startswith("average.")
    },
    "intermediate.teacher": [
        {"intermediate.teacher": "some/clip", "intermediate.mixture": "miniature_distillation"},
        {"intermediate": {"teacher": None}},
    ],
    "target": [{"target": {}}, {"target": {"epochs": 3}}, {"target.steps": {"int": [1, 9]}}, {"target": "mnli"}],
    "a field twice": [
        {"target": {"steps": 3}, "target.steps": 3},
        {"encoder": {"name": "miniature"}, "encoder.name": "x"},
    ],
    "no field": [{"target.stepz": 3}, {"targets": {}}],
    "intermediate.merge.method": [
        {"intermediate.mixture": {"merge": MERGED}},
        {"intermediate.mixture": {"merge": MERGED, "method": "linear"}},
        {"intermediate.mixture": {"merge": dict.fromkeys(MERGED, 0.5), "method": "ties"}},
        {"intermediate.mixture": MERGED, "intermediate.merge": {"method": "ties"}},
        {"intermediate.mixture": MERGED, "intermediate.merge.method": "sum"},
    ],
    "intermediate.merge.scaling": [
        {"intermediate.mixture": {"merge": MERGED, "method": "task_arithmetic", "scaling": 2}},
    ],
    "intermediate.merge.density": [{"intermediate.mixture": {"merge": MERGED, "method": "ties", "density": 0.5}}],
    "intermediate.merge.parts": [
        {"intermediate.mixture": {"merge": MERGED, "parts": {"miniature_qa": {"steps": 9}}}},
        {"intermediate.mixture": {"merge": MERGED, "parts": {"mnli": {"steps": 9}}}},
    ],
    "intermediate.sampling.kind": [{"intermediate.sampling.kind": "uniform", **TWO_TASKS}],
    "intermediate.sampling.cap": [
        {"intermediate.sampling": {"kind": "proportional", "cap": 9}, **TWO_TASKS},
        {"intermediate.sampling.cap": 9, **TWO_TASKS},
    ],
    "intermediate.sampling.temperature": [
        {"intermediate.sampling": {"kind": "temperature", "temperature": 2}, **TWO_TASKS}
    ],
    "intermediate.beside.translations": [{"intermediate.beside.translations": ["en"]}, {"intermediate.beside": None}],
    "intermediate.vision.tower": [
        {"intermediate.vision.tower": "miniature", **IMAGES},
        {"intermediate.vision": {}, **IMAGES},
        {"intermediate.vision": "small", **IMAGES},
    ],
    "intermediate.vision.freeze": [
        {"intermediate.vision": {"tower": "miniature", "freeze": True}, **IMAGES},
        {"intermediate.vision.freeze": True, **IMAGES},
    ],
    **{
        f"intermediate.vision.{field}": [{f"intermediate.vision.{field}": value, **IMAGES}]
        for field, value in {"num_layers": 1, "hidden_size": 32, "image_size": 32, "patch_size": 16}.items()
    },
    "evaluation.task": [{"evaluation": {"task": "miniature_nli"}}, {"evaluation.task": 3}],
    "evaluation.split": [{"evaluation.split": "validation"}, {"evaluation.split": "test"}],
    "evaluation.languages": [{"evaluation.languages": ["en", "de"]}, {"evaluation.languages": "en"}],
    "evaluation.num_items": [{"evaluation.num_items": 9}, {"evaluation.num_items": None}],
    "evaluation.max_length": [{"evaluation.max_length": 64}],
    "evaluation.tokens_per_micro_batch": [
        {"evaluation.tokens_per_micro_batch": 128},
        {"evaluation.tokens_per_micro_batch": "auto"},
    ],
    "evaluation.layer": [{"evaluation.layer": None}],
    "evaluation.similarity": [{"evaluation.similarity": "cosine"}],
    "further": [
        {"further": "xtreme"},
        {"further": "xtrem"},
        {"further": ["paws_x", "xnli"]},
        {"further": {"paws_x": None, "xnli": {"target": {"mixture": "mnli", "steps": 3}}}},
        {"further": {"xnli": {"target": [{"mixture": {"mnli": 1}, "epochs": 1}], "evaluation": {"num_items": 2}}}},
    ],
    "engine.num_workers": [{"engine.num_workers": 2}],
    "engine.zero_stage": [{"engine": {"zero_stage": 2}}, {"engine.zero_stage": "auto"}, {"engine.zero_stage": 4}],
    "engine.precision": [{"engine.precision": "bfloat16"}, {"engine.precision": "bf16"}],
    "engine.evaluation_precision": [{"engine.evaluation_precision": "bfloat16"}, {"engine.evaluation_precision": True}],
    "engine.stored_weights": [{"engine.stored_weights": "float16"}],
    "engine.threads_per_rank": [{"engine.threads_per_rank": None}],
    "engine.tokens_per_micro_batch": [
        {"engine.tokens_per_micro_batch": 128},
        {"engine.tokens_per_micro_batch": "auto"},
        {"engine.tokens_per_micro_batch": 63},
        {"engine.tokens_per_micro_batch": True},
    ],
    "engine.gradient_checkpointing": [
        {"engine.gradient_checkpointing": True},
        {"engine.gradient_checkpointing": "auto"},
    ],
    "engine.checkpoint_seconds": [{"engine.checkpoint_seconds": 5}, {"engine.checkpoint_seconds": "auto"}],
    "engine.compile": [{"engine.compile": "off"}, {"engine.compile": "on"}],
    "engine.prefix_cache": [{"engine.prefix_cache": "off"}, {"engine.prefix_cache": "on"}],
    "engine.prefix_cache_gib": [{"engine.prefix_cache_gib": 0.5}, {"engine.prefix_cache_gib": 0}],
    "engine.hang_seconds": [{"engine.hang_seconds": 5}],
    "engine.reduction": [{"engine.reduction": "float32"}],
    "engine.offload": [{"engine.offload": "none"}, {"engine.offload": "auto"}, {"engine.offload": None}],
    "engine.deepspeed": [
        {"engine": {"deepspeed": "ds.json"}},
        {"engine.deepspeed": "ds.json"},
        {"engine.deepspeed": {"wall_clock_breakdown": True}},
        {"engine.deepspeed": {"zero_optimization": {"stage": 2}}},
    ],
    "engine.device": [{"engine.device": "cpu"}],
    "engine.gpus_per_worker": [{"engine.gpus_per_worker": 1}],
    "engine.accelerator_type": [{"engine.accelerator_type": None}],
}
"""Field of a trial -> ways to write it, right and wrong."""

ELSEWHERE = (
    *("target.sampling", "target.merge", "target.beside", "target.vision"),
    *("intermediate.average", "intermediate.beside.masked_lm", "pretraining."),
)
"""Fields with the class of a field in the table, or without a valid value in the miniature."""


def leaves(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = next((kind for kind in get_args(field.annotation) if kind is not type(None)), field.annotation)
        at = f"{path}.{name}" if path else name
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, at)
        else:
            yield at


def merged(form: dict[str, Any]) -> dict[str, Any]:
    """Return the base without what a form writes itself, and the form."""
    written = {f"{name}.{part}" for name, value in form.items() if isinstance(value, dict) for part in value}
    return {name: value for name, value in BASE.items() if name not in {*form, *written}} | form


def of_trial_file(fields: dict[str, Any], folder: Path) -> TrialConfig | str:
    (folder / "trial.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    try:
        return load_trial_file(folder / "trial.yaml")
    except ConfigError as error:
        return error.field


def of_sweep(fields: dict[str, Any], folder: Path) -> TrialConfig | str:
    mixture = fields.get("intermediate.mixture")
    family = {list: "multitask", str: "multimodal" if mixture == "miniature_entailment" else "text"}.get(type(mixture))
    family = "none" if fields.get("intermediate", 0) is None else family or "text"
    if (isinstance(mixture, dict) and "merge" in mixture) or any("intermediate.merge" in name for name in fields):
        family = "merged"
    spec = {"name": "one", "trials": 1, "trial": fields, "families": {family: {}}}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    try:
        space = make_space(load_sweep_spec(folder / "spec.yaml"))
        return bind(space, default_assignment(space))
    except ConfigError as error:
        return re.sub(r"^families\.\w+", "intermediate", error.field.removeprefix("trial."))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ds.json").write_text('{"wall_clock_breakdown": true}')
    return tmp_path


def test_the_table_has_every_field() -> None:
    missing = [path for path in leaves(TrialConfig) if path not in FORMS and not path.startswith(ELSEWHERE)]

    assert missing == []


@pytest.mark.parametrize("field", FORMS)
def test_a_trial_file_and_a_sweep_spec_take_the_same_forms(field: str, folder: Path) -> None:
    for form in FORMS[field]:
        fields = merged(form)

        assert of_trial_file(fields, folder) == of_sweep(fields, folder), form


@pytest.mark.parametrize("further", [{}, ["xquad"]], ids=["without further targets", "with further targets"])
@pytest.mark.parametrize("intermediate", [None, {"mixture": "farben", "steps": 3}], ids=["none", "text"])
def test_both_take_what_show_prints(intermediate: Any, further: Any, folder: Path) -> None:
    write_own_task(folder)
    written = merged({"tasks": ["farben.task.yaml"], "further": further})
    written = {name: value for name, value in written.items() if not name.startswith("intermediate.")}
    config = of_trial_file(written | {"intermediate": intermediate}, folder)
    assert isinstance(config, TrialConfig)
    task = registry.task("farben").model_dump(mode="json")
    printed = config.model_dump(mode="json") | {"tasks": {"farben": task}}

    assert of_trial_file(printed, folder) == config
    assert of_sweep(printed, folder) == config


@pytest.mark.parametrize(
    "setting", ["target.mixture=mnli", "target.mixture={mnli: 1}", "target={mixture: mnli, steps: 10}"]
)
def test_a_setting_of_a_trial_has_the_same_forms(setting: str, folder: Path) -> None:
    (folder / "trial.yaml").write_text("target.steps: 10\n")

    config = load_trial_file(folder / "trial.yaml", settings=[setting])

    assert (config.target.mixture, config.target.steps, config.target.epochs) == ({"mnli": 1.0}, 10, None)


def test_an_encoder_is_written_as_its_name(folder: Path) -> None:
    fields = {name: value for name, value in BASE.items() if name != "encoder.name"}

    named = [of_trial_file({**fields, "encoder": name}, folder) for name in ("miniature", "./mine")]

    assert [config.encoder.name for config in named if isinstance(config, TrialConfig)] == [
        "miniature",
        str(folder / "mine"),
    ]


def test_a_parameter_in_a_trial_file_is_refused_with_its_place(folder: Path) -> None:
    found = of_trial_file({"target.learning_rate": {"log": [1e-5, 1e-3]}}, folder)

    assert found == "target.learning_rate"
