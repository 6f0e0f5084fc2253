"""A new sweep gets the defaults that save most steps; a sweep on record, and what a spec names, stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from spaces.fast_defaults import Completed, named_fields, rung_cost_note, with_fast_defaults
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

    def complete(known: SweepSpec | None, precision: Precision) -> Completed:
        named = named_fields(written, ())
        return with_fast_defaults(written, named=named, known=known, precision=lambda: precision)

    new = complete(None, "bfloat16")
    (first, *_) = first_assignments(make_space(new.spec))

    assert new.fields[-1] == "trial.engine.precision: bfloat16"
    assert bind(make_space(new.spec), first).engine.precision == "bfloat16"
    assert complete(new.spec, "float32").spec == new.spec
    on_cpu = complete(None, "float32")
    assert "precision" not in str(on_cpu.fields)
    assert complete(on_cpu.spec, "bfloat16").spec == on_cpu.spec


@pytest.mark.parametrize("engine", [{"engine": {"precision": "float32"}}, {"engine.precision": "float32"}])
def test_a_precision_that_is_named_is_obeyed(engine: dict[str, Any]) -> None:
    written = make_sweep_spec(DOCUMENT | {"trial": DOCUMENT["trial"] | engine})

    found = with_fast_defaults(written, named=(), known=None, precision=lambda: pytest.fail("asked"))

    assert "precision" not in str(found.fields)


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
