"""A new sweep gets the defaults that save most steps; a sweep on record, and what a spec names, stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from spaces.fast_defaults import ChosenFields, Completed, named_fields, rung_cost_note, with_fast_defaults
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, load_sweep_spec, make_space, make_sweep_spec, recorded
from trainables.config.trial import Precision
from trainables.plan.schedule import has_trunk

DOCUMENT: dict[str, Any] = {
    "name": "plain",
    "trials": 8,
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 900},
        "evaluation": {"task": "miniature_nli"},
    },
    "families": {"none": {}, "text": {"mixture": {"miniature_qa": 1.0}, "steps": 100}},
    "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
}

AUTO: dict[str, Any] = {"engine.precision": "auto"}


def completed(
    fields: dict[str, Any] | None = None, *, settings: tuple[str, ...] = (), known: SweepSpec | None = None
) -> Completed:
    """Complete the plain spec with other fields."""
    written = make_sweep_spec(DOCUMENT | (fields or {}))
    named = named_fields(written, settings)
    return with_fast_defaults(with_settings(written, settings), named=named, known=known)


def targets(spec: SweepSpec) -> list[Any]:
    """Return the target phases of the families' defaults."""
    space = make_space(spec)
    return [bind(space, assignment).target for assignment in first_assignments(space)]


def test_a_spec_that_names_nothing_gets_all_of_them_and_they_are_listed() -> None:
    found = completed()

    assert found.spec.sampler.name == "stage_aware"
    assert (found.spec.rungs.num, found.spec.rungs.eta, found.spec.rungs.num_items) == (3, 3, 250)
    assert (found.spec.pruner.name, found.spec.pruner.keep_per_family) == ("successive_halving", 1)
    assert all(has_trunk(target.schedule) and target.schedule.warmup_steps == 10 for target in targets(found.spec))
    assert [field.split(":")[0] for field in found.fields] == ["sampler", "rungs", "trial.target.schedule", "pruner"]
    assert make_sweep_spec(recorded(found.spec)) == found.spec


@pytest.mark.parametrize(("steps", "num"), [(180, 3), (179, 2), (60, 2), (59, 1)])
def test_a_short_target_gets_fewer_rungs(steps: int, num: int) -> None:
    trial = DOCUMENT["trial"] | {"target": {"mixture": {"miniature_nli": 1.0}, "steps": steps}}

    found = completed({"trial": trial}).spec

    assert found.rungs.num == num
    assert found.pruner.keep_per_family == int(num > 1)


@pytest.mark.parametrize("fields", [{"sampler": {"name": "tpe"}}, {"pruner": {}}, {"rungs": {"num": 1}}])
def test_a_spec_that_names_one_of_them_is_left_alone(fields: dict[str, Any]) -> None:
    assert completed(fields) == Completed(spec=make_sweep_spec(DOCUMENT | fields))


def test_a_setting_names_a_field_too() -> None:
    assert completed(settings=("sampler.name=random",)).spec.sampler.name == "random"
    assert completed(settings=("seed=3",)).spec.sampler.name == "stage_aware"


def test_rungs_that_are_named_keep_a_trial_of_each_family_unless_the_spec_says_otherwise() -> None:
    rungs = {"rungs": {"num": 2}}

    assert completed(rungs).spec.pruner.keep_per_family == 1
    assert completed(rungs | {"pruner": {"keep_per_family": 0}}).spec.pruner.keep_per_family == 0
    assert completed(rungs | {"pruner": {"name": "none"}}).fields == ()


def test_several_objectives_get_none_of_them() -> None:
    assert completed({"objective": ["average", "steps"]}).fields == ()


@pytest.mark.parametrize("engine", [{}, {"engine": {"num_workers": 1}}, {"engine": {"precision": "auto"}}, AUTO])
def test_a_new_sweep_has_the_precision_of_its_devices(engine: dict[str, Any]) -> None:
    trial = {"trial": DOCUMENT["trial"] | engine}
    written = make_sweep_spec(DOCUMENT | trial)

    def complete(known: SweepSpec | None, precision: Precision | None) -> Completed:
        named = named_fields(written, ())
        chosen = ChosenFields(values={} if precision is None else {"precision": precision})
        return with_fast_defaults(written, named=named, known=known, of_devices=lambda: chosen)

    new = complete(None, "bfloat16")
    (first, *_) = first_assignments(make_space(new.spec))

    assert new.fields[-1] == "trial.engine.precision: bfloat16"
    assert bind(make_space(new.spec), first).engine.precision == "bfloat16"
    assert complete(new.spec, None).spec == new.spec
    on_cpu = complete(None, None)
    assert "precision" not in str(on_cpu.fields)
    assert complete(on_cpu.spec, "bfloat16").spec == on_cpu.spec


ON_GPUS = ChosenFields(
    values={"precision": "bfloat16", "zero_stage": 3, "offload": "optimizer"},
    reasons={"zero_stage": "a rank needs 12.0 of 24 GB"},
)


@pytest.mark.parametrize(
    "named", [{"precision": "float32"}, {"zero_stage": 1}, {"offload": "none"}, {"zero_stage": 2, "offload": "none"}]
)
@pytest.mark.parametrize("is_dotted", [False, True])
def test_a_field_of_the_engine_that_is_named_is_obeyed(named: dict[str, Any], *, is_dotted: bool) -> None:
    engine = {f"engine.{name}": value for name, value in named.items()} if is_dotted else {"engine": named}
    written = make_sweep_spec(DOCUMENT | {"trial": DOCUMENT["trial"] | engine})

    found = with_fast_defaults(written, named=(), known=None, of_devices=lambda: ON_GPUS)

    (first, *_) = first_assignments(make_space(found.spec))
    engine_fields = bind(make_space(found.spec), first).engine.model_dump(include=set(ON_GPUS.values))
    assert engine_fields == {**ON_GPUS.values, **named}
    assert not any(f"engine.{name}" in field for field in found.fields for name in named)


def test_what_the_devices_decide_is_listed_with_its_reason_and_stays_when_they_change() -> None:
    written = make_sweep_spec(DOCUMENT)
    new = with_fast_defaults(written, named=(), known=None, of_devices=lambda: ON_GPUS)

    again = with_fast_defaults(written, named=(), known=new.spec, of_devices=lambda: pytest.fail("asked"))

    assert "trial.engine.zero_stage: 3 (a rank needs 12.0 of 24 GB)" in new.fields
    assert again.spec == new.spec


def test_devices_are_not_looked_at_where_the_spec_names_everything() -> None:
    named = {"precision": "float32", "evaluation_precision": "float32", "zero_stage": 0, "offload": "none"}
    engine = {"engine": named | {"gradient_checkpointing": False, "tokens_per_micro_batch": 64}}
    written = make_sweep_spec(DOCUMENT | {"trial": DOCUMENT["trial"] | engine})

    found = with_fast_defaults(written, named=(), known=None, of_devices=lambda: pytest.fail("asked"))

    assert "engine" not in str(found.fields)


def test_a_sweep_on_record_keeps_what_it_has() -> None:
    known = make_sweep_spec(DOCUMENT)

    assert completed(known=known) == Completed(spec=known)
    fast = completed().spec
    assert completed(known=fast) == Completed(spec=fast)
    assert completed({"seed": 5}, known=fast).spec == make_sweep_spec(
        fast.model_copy(update={"seed": 5}).model_dump(mode="json")
    )


def test_a_shipped_spec_does_not_change_a_sweep_of_an_earlier_version() -> None:
    now = load_sweep_spec("text")
    old_target = {"mixture": {"mnli": 1.0}, "epochs": 2}
    before = now.model_dump(mode="json") | {"sampler": {"name": "tpe", "num_startup": 12}, "rungs": {}, "pruner": {}}
    before["trial"] = {**before["trial"], "target": old_target}
    known = make_sweep_spec(before)

    found = with_fast_defaults(now, named=named_fields(None, ()), known=known, is_shipped=True)

    assert found == Completed(spec=known)


@pytest.mark.parametrize("name", ["demo", "text", "multimodal", "multitask"])
def test_the_shipped_specs_name_them(name: str) -> None:
    spec = load_sweep_spec(name)

    assert with_fast_defaults(spec, named=named_fields(spec, ()), known=None) == Completed(spec=spec)
    assert (spec.sampler.name, spec.rungs.num, spec.pruner.keep_per_family) == ("stage_aware", 3, 1)
    assert spec.rungs.num_items is not None
    assert rung_cost_note(spec) is None


def test_the_paper_keeps_its_recipe() -> None:
    spec = load_sweep_spec("paper")

    assert with_fast_defaults(spec, named=named_fields(spec, ()), known=None) == Completed(spec=spec)
    assert (spec.sampler.name, spec.rungs.num, targets(spec)[0].schedule.kind) == ("grid", 1, "linear")


def test_rungs_of_the_literatures_schedule_explain_their_cost() -> None:
    target = {"mixture": {"miniature_nli": 1.0}, "steps": 900, "schedule": {"kind": "linear"}}

    found = completed({"trial": DOCUMENT["trial"] | {"target": target}}).spec

    assert targets(found)[0].schedule.kind == "linear"
    assert "trains its target phase 1.44 times. With kind: warmup_stable_decay" in (rung_cost_note(found) or "")
