"""Specs: what ships loads and binds; what is wrong is refused with the field's path."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import copy
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.errors import UnknownSweepSpecError
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import draw, enumerate_assignments, first_assignments
from spaces.space.tree import every_parameter
from spaces.sweep_spec import load_sweep_spec, make_space, make_sweep_spec, shipped_specs
from trainables.config import TrialConfig
from trainables.config.yaml_file import parse_yaml
from trainables.errors import ConfigError, InputError, YamlFileError

BASE = """
name: base
trials: 4
trial:
  encoder: {name: miniature}
  intermediate: {batch_size: 16}
  target: {mixture: {miniature_nli: 1.0}, steps: 100}
  evaluation: {task: miniature_nli, num_items: 20}
families:
  none: {}
  text:
    mixture: {choice: [miniature_qa, miniature_choice]}
    steps: {choice: [10, 20]}
  multimodal:
    mixture: miniature_entailment
    steps: 10
    vision: {choice: {small: {tower: small, num_layers: {int: [1, 3]}}, shipped: {tower: miniature, freeze: true}}}
  multitask:
    mixture:
      choice: {even: {miniature_qa: 0.5, miniature_choice: 0.5}, free: {simplex: [miniature_qa, miniature_choice]}}
    steps: {log: [10, 40]}
search:
  target.learning_rate: {log: [1e-4, 1e-2], default: 1e-3}
"""


def base() -> dict[str, Any]:
    return parse_yaml(BASE, name="base")


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the base document with one value changed; `/` parts the path since keys hold dots."""
    document = copy.deepcopy(base())
    *parents, last = path.split("/")
    inner = document
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return document


INVALID = [
    ("unknown top-level field", "trails", 3, "trails", "did you mean 'trials'"),
    ("no trials", "trials", 0, "trials", "greater than or equal to 1"),
    ("trials as text", "trials", "many", "trials", "valid integer"),
    ("name with a slash", "name", "a/b", "name", "match pattern"),
    ("unknown objective", "objective", "mean", "objective", "average, english, worst, xtreme, xtreme_r"),
    ("unknown order", "order", "any", "order", "'completion' or 'fixed'"),
    ("negative seed", "seed", -1, "seed", "greater than or equal to 0"),
    ("no concurrency", "concurrency", 0, "concurrency", "greater than or equal to 1"),
    ("unknown sampler", "sampler/name", "tpee", "sampler.name", "did you mean 'tpe'"),
    ("unknown sampler field", "sampler/startup", 3, "sampler.startup", "did you mean 'num_startup'"),
    ("grid of a range", "sampler/name", "grid", "sampler.name", "finite"),
    ("no families", "families", {}, "families", "at least 1"),
    ("unknown family", "families/txt", {}, "families.txt", "did you mean 'text'"),
    ("family none with settings", "families/none/steps", 3, "families.none.steps", "no intermediate phase"),
    ("family as text", "families/text", "mnli", "families.text", "valid dictionary"),
    ("unknown phase", "trial/targt", {"steps": 3}, "trial.targt", "did you mean 'target'"),
    ("unknown field of a phase", "trial/target/step", 3, "trial.target.step", "did you mean 'steps'"),
    (
        "unknown field, searched",
        "search/target.lerning_rate",
        {"log": [1e-5, 1e-4]},
        "search.target.lerning_rate",
        "did you mean 'learning_rate'",
    ),
    ("unknown field of a family", "families/text/batchsize", 3, "families.text.batchsize", "did you mean 'batch_size'"),
    ("field below a value", "search/target.steps.more", 3, "search.target.steps.more", "set 'target.steps' as a whole"),
    ("parameter under trial", "trial/target/dropout", {"float": [0, 0.2]}, "trial.target.dropout", "fixed values"),
    (
        "fixed and searched",
        "trial/target/learning_rate",
        1e-5,
        "search.target.learning_rate",
        "trial.target.learning_rate",
    ),
    (
        "negative learning rate",
        "families/text/learning_rate",
        -1e-5,
        "families.text.learning_rate",
        "greater than 0",
    ),
    (
        "zero learning rate in a family",
        "families/text/learning_rate",
        0.0,
        "families.text.learning_rate",
        "greater than 0",
    ),
    (
        "zero learning rate in a choice",
        "families/text/learning_rate",
        {"choice": [1e-5, 0.0]},
        "families.text.learning_rate",
        "greater than 0",
    ),
    (
        "linear range from zero",
        "search/target.learning_rate",
        {"float": [0, 0.1]},
        "search.target.learning_rate",
        "greater than 0",
    ),
    ("log range from zero", "search/target.learning_rate", {"log": [0, 0.1]}, "search.target.learning_rate", "above 0"),
    (
        "range over the limit",
        "search/target.learning_rate",
        {"log": [1e-5, 2.0]},
        "search.target.learning_rate",
        "less than or equal to 1",
    ),
    ("dropout of one", "search/target.dropout", {"float": [0, 1]}, "search.target.dropout", "less than 1"),
    (
        "range backwards",
        "search/target.learning_rate",
        {"log": [1e-3, 1e-5]},
        "search.target.learning_rate",
        "low must be below high",
    ),
    (
        "range of one number",
        "search/target.learning_rate",
        {"log": [1e-3]},
        "search.target.learning_rate",
        "two finite numbers",
    ),
    (
        "range of text",
        "search/target.learning_rate",
        {"log": ["a", "b"]},
        "search.target.learning_rate",
        "two finite numbers",
    ),
    ("infinite range", "search/target.learning_rate", {"log": [1e-5, float("inf")]}, "search.target.learning_rate", ""),
    ("fractional steps", "families/text/steps", {"log": [10.5, 20]}, "families.text.steps", "whole numbers"),
    ("float range of steps", "families/text/steps", {"float": [10, 20.5]}, "families.text.steps", "valid integer"),
    (
        "default outside",
        "search/target.learning_rate",
        {"log": [1e-5, 1e-4], "default": 1},
        "search.target.learning_rate.default",
        "not in",
    ),
    (
        "default is no arm",
        "families/text/steps",
        {"choice": [10, 20], "default": 30},
        "families.text.steps.default",
        "not an arm",
    ),
    (
        "unknown kind",
        "search/target.learning_rate",
        {"logg": [1e-5, 1e-4]},
        "search.target.learning_rate",
        "did you mean 'log'",
    ),
    (
        "two kinds",
        "search/target.learning_rate",
        {"log": [1e-5, 1e-4], "choice": [1]},
        "search.target.learning_rate",
        "one kind",
    ),
    (
        "misspelt default",
        "families/text/steps",
        {"choice": [10], "defaut": 10},
        "families.text.steps",
        "did you mean 'default'",
    ),
    ("no arms", "families/text/steps", {"choice": []}, "families.text.steps", "no arms"),
    ("no arms, mapping", "families/text/mixture", {"choice": {}}, "families.text.mixture", "no arms"),
    ("choice of a scalar", "families/text/steps", {"choice": 3}, "families.text.steps", "list of values"),
    ("an arm twice", "families/text/steps", {"choice": [10, 10]}, "families.text.steps", "equal to an earlier arm"),
    ("an arm without a name", "families/text/mixture", {"choice": [{"mnli": 1.0}]}, "families.text.mixture", "no name"),
    ("unknown task", "families/text/mixture", "miniature_qq", "families.text.mixture", "did you mean 'miniature_qa'"),
    (
        "unknown task in an arm",
        "families/text/mixture",
        {"choice": ["miniature_qa", "mini_choice"]},
        "families.text.mixture",
        "unknown task",
    ),
    ("unknown target task", "trial/target/mixture", {"mnlii": 1.0}, "trial.target.mixture", "did you mean 'mnli'"),
    ("unknown evaluation task", "trial/evaluation/task", "xnly", "trial.evaluation.task", "did you mean 'xnli'"),
    (
        "weights over one",
        "families/multitask/mixture",
        {"miniature_qa": 0.7, "miniature_choice": 0.7},
        "families.multitask.mixture",
        "sum to 1.4",
    ),
    (
        "negative weight",
        "families/multitask/mixture",
        {"miniature_qa": 1.5, "miniature_choice": -0.5},
        "families.multitask.mixture",
        "above 0",
    ),
    ("empty mixture", "families/text/mixture", {}, "families.text.mixture", ""),
    (
        "simplex of one",
        "families/multitask/mixture",
        {"simplex": ["miniature_qa"]},
        "families.multitask.mixture",
        "two or more",
    ),
    (
        "simplex twice the same",
        "families/multitask/mixture",
        {"simplex": ["a", "a"]},
        "families.multitask.mixture",
        "twice",
    ),
    ("simplex of steps", "families/text/steps", {"simplex": ["a", "b"]}, "families.text.steps", "weights of tasks"),
    (
        "simplex default",
        "families/multitask/mixture",
        {"simplex": ["miniature_qa", "miniature_choice"], "default": {"miniature_qa": 1}},
        "families.multitask.mixture.default",
        "must sum to 1",
    ),
    ("subset too large", "families/text/mixture", {"subset": list("abcdefgh")}, "families.text.mixture", "at most 6"),
    ("unknown language", "trial/evaluation/languages", ["en", "jp"], "trial.evaluation.languages", "no language 'jp'"),
    ("language twice", "trial/evaluation/languages", ["en", "en"], "trial.evaluation.languages", "twice"),
    ("no languages", "trial/evaluation/languages", [], "trial.evaluation.languages", "at least 1"),
    (
        "family and tasks disagree",
        "families/text/mixture",
        "miniature_entailment",
        "families.text.mixture",
        "has images",
    ),
    (
        "text task under multitask",
        "families/multitask/mixture",
        "miniature_qa",
        "families.multitask.mixture",
        "family 'text'",
    ),
    ("vision without images", "families/text/vision", {"tower": "small"}, "families.text.vision", "no task"),
    (
        "images without vision",
        "families/multitask/mixture",
        {"miniature_qa": 0.5, "miniature_entailment": 0.5},
        "families.multitask.mixture",
        "set `vision`",
    ),
    ("steps and epochs", "families/text/epochs", 2.0, "families.text", "exactly one"),
    ("neither steps nor epochs", "families/control", {"mixture": "miniature_nli"}, "families.control", "exactly one"),
    ("no mixture", "families/control", {"steps": 3}, "families.control.mixture", "required"),
    (
        "frozen layers under trained embeddings",
        "search/target.freeze_layers",
        {"choice": [0, 2]},
        "trial.target",
        "freeze_embeddings",
    ),
    ("searched and fixed", "search/target.steps", {"choice": [1, 2]}, "search.target.steps", "trial.target.steps"),
    (
        "searched twice",
        "search/target",
        {"learning_rate": {"log": [1e-5, 1e-4]}},
        "search.target",
        "search.target.learning_rate",
    ),
    (
        "intermediate under search",
        "search/intermediate.steps",
        {"choice": [1, 2]},
        "search.intermediate.steps",
        "families",
    ),
    (
        "evaluation under search",
        "search/evaluation.num_items",
        {"choice": [1, 2]},
        "search.evaluation.num_items",
        "compared",
    ),
    ("engine under search", "search/engine.zero_stage", {"choice": [0, 2]}, "search.engine.zero_stage", "trial"),
    ("idle intermediate settings", "families", {"none": {}}, "trial.intermediate", "no effect"),
    ("unlocked test split", "trial/evaluation/split", "test", "trial.evaluation.split", "validation"),
    (
        "unknown field of an arm",
        "families/multimodal/vision",
        {"choice": {"a": {"towr": "small"}}},
        "families.multimodal.vision.choice.a.towr",
        "did you mean 'tower'",
    ),
]


@pytest.mark.parametrize(
    ("path", "value", "field", "words"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID]
)
def test_a_wrong_spec_is_refused_with_the_path_of_its_field(path: str, value: object, field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_sweep_spec(changed(path, value))

    message = str(caught.value)
    assert caught.value.field.startswith(field)
    assert words in message
    assert "pydantic" not in message
    assert "\n" not in message


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(["", "text", "miniature_qa", "a.b"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["choice", "log", "int", "simplex", "subset", "default", "a", "steps"]), inner, max_size=2
        ),
    ),
    max_leaves=5,
)
PLACES = [
    "name", "sampler", "trial", "families", "search", "trial/target", "trial/target/mixture", "trial/pretraining",
    "trial/intermediate", "trial/evaluation/languages", "trial/intermediate/schedule", "families/text",
    "families/none", "families/text/mixture", "families/text/steps", "families/multimodal/vision", "search/target",
    "search/target.learning_rate", "search/target.mixture", "search/pretraining", "search/", "trial/", "search/a.b",
]  # fmt: skip


@pytest.mark.slow
@given(st.sampled_from(PLACES), JSON)
@settings(max_examples=400, deadline=None)
def test_any_value_anywhere_is_accepted_or_refused_as_input(place: str, value: object) -> None:
    try:
        space = make_space(make_sweep_spec(changed(place, value)))
    except InputError:
        return
    bind(space, first_assignments(space)[0])


def test_the_base_of_the_corpus_is_right() -> None:
    assert make_sweep_spec(base()).name == "base"


@pytest.mark.parametrize("name", shipped_specs())
def test_a_shipped_spec_loads_and_its_trials_bind(name: str) -> None:
    spec = load_sweep_spec(name)
    space = make_space(spec)
    generator = random.Random(0)

    configs = [
        bind(space, point)
        for point in [*first_assignments(space), *(draw(space, generator=generator) for _ in range(30))]
    ]

    assert spec.name == name
    assert configs[0].intermediate is None
    assert all(TrialConfig.model_validate_json(config.model_dump_json()) == config for config in configs)


def test_a_spec_is_checked_within_milliseconds() -> None:
    document = base()
    make_sweep_spec(document)
    started = time.process_time()
    make_sweep_spec(document)

    assert time.process_time() - started < 0.2


def test_the_first_trials_are_the_families_at_their_defaults() -> None:
    first = first_assignments(make_space(make_sweep_spec(base())))

    assert [point["family"] for point in first] == ["none", "text", "multimodal", "multitask"]
    assert first[1] == {
        "family": "text",
        "intermediate.text.mixture": "miniature_qa",
        "intermediate.text.steps": 10,
        "target.learning_rate": 1e-3,
    }


def test_an_arm_has_its_own_parameters_and_paths() -> None:
    paths = [parameter.path for parameter in every_parameter(make_space(make_sweep_spec(base())).root)]

    assert "intermediate.multimodal.vision.small.num_layers" in paths
    assert "intermediate.multitask.mixture.free" in paths


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_binding_puts_every_assigned_number_into_its_field(seed: int) -> None:
    space = make_space(make_sweep_spec(base()))
    assignment = draw(space, generator=random.Random(seed))

    bound = bind(space, assignment).model_dump()

    for parameter in every_parameter(space.root):
        if parameter.path in assignment and not hasattr(parameter, "arms"):
            value: Any = bound
            for part in parameter.field.split("."):
                value = value[part]
            assert value == assignment[parameter.path]
    assert (bound["intermediate"] is None) == (assignment["family"] == "none")


def test_shared_settings_reach_the_families_and_family_settings_win() -> None:
    space = make_space(make_sweep_spec(changed("families/text/batch_size", 8)))
    first = [bind(space, point) for point in first_assignments(space)]

    assert [config.intermediate and config.intermediate.batch_size for config in first] == [None, 8, 16, 16]


def test_an_inactive_parameter_is_refused_when_bound() -> None:
    space = make_space(make_sweep_spec(base()))
    point = {**first_assignments(space)[0], "intermediate.text.steps": 10}

    with pytest.raises(ConfigError, match=r"intermediate\.text\.steps: is not an active parameter"):
        bind(space, point)


def test_a_subset_is_every_set_of_its_tasks() -> None:
    document = changed(
        "families", {"control": {"mixture": {"subset": ["miniature_qa", "miniature_choice"]}, "steps": 3}}
    )
    space = make_space(make_sweep_spec(document))

    labels = [arm.label for arm in next(p for p in every_parameter(space.root) if p.path.endswith("mixture")).arms]

    assert labels == ["miniature_qa", "miniature_choice", "miniature_qa+miniature_choice"]


def test_settings_from_the_command_line_replace_values() -> None:
    spec = with_settings(
        make_sweep_spec(base()),
        [
            "trials=8",
            "trial.target.steps=500",
            "search.target.learning_rate=2e-4",
            "families.text.steps={choice: [5]}",
            "families.text.dropout=0.0",
            "sampler.name=random",
        ],
    )
    config = bind(make_space(spec), first_assignments(make_space(spec))[1])

    assert (spec.trials, spec.sampler.name) == (8, "random")
    assert (config.target.steps, config.target.learning_rate) == (500, 2e-4)
    assert config.intermediate is not None
    assert (config.intermediate.steps, config.intermediate.dropout) == (5, 0.0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("trails=3", "did you mean 'trials'"),
        ("trial.target.step=3", "did you mean 'steps'"),
        ("sampler.nme=tpe", "did you mean 'name'"),
        ("families.txt.steps=3", "did you mean 'text'"),
        ("search.target.dropot=0.1", "did you mean 'dropout'"),
        ("trials.more=3", "has no parts"),
        ("trials", "path=value"),
        ("=3", "path=value"),
        ("trials=[", "correct"),
        ("trials=0", "greater than or equal"),
    ],
)
def test_a_wrong_setting_is_refused(setting: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        with_settings(make_sweep_spec(base()), [setting])


def test_an_unknown_name_lists_near_matches() -> None:
    with pytest.raises(UnknownSweepSpecError, match="did you mean 'demo'"):
        load_sweep_spec("dmo")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name: a\nname: b\n", ":2:1", "'name' occurs twice"),
        ("trial:\n  target: {steps: 1, steps: 2}\n", ":2:22", "'steps' occurs twice"),
        ("name: [a\ntrials: 3\n", ":2:7", ""),
        ("\tname: a\n", ":1:1", "cannot start any token"),
        ("- a\n- b\n", "", "does not hold a mapping"),
        ("", "", "does not hold a mapping"),
        ("name: !!python/name:os.system a\n", ":1:7", "could not determine a constructor"),
    ],
)
def test_a_file_that_is_not_a_spec_is_refused_at_its_line(tmp_path: Path, text: str, place: str, words: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)

    with pytest.raises(YamlFileError) as caught:
        load_sweep_spec(path)

    assert f"spec.yaml{place}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_missing_file_and_a_file_of_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(YamlFileError, match="No such file"):
        load_sweep_spec(tmp_path / "none.yaml")
    with pytest.raises(YamlFileError, match="not UTF-8"):
        load_sweep_spec(tmp_path / "bytes.yaml")


def test_an_exponent_without_a_point_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        BASE.replace("target.learning_rate: {log: [1e-4, 1e-2], default: 1e-3}", "target.learning_rate: 1e-5")
    )

    spec = load_sweep_spec(path)

    assert spec.search["target.learning_rate"] == 1e-5


def test_a_spec_survives_yaml() -> None:
    spec = make_sweep_spec(base())

    assert make_sweep_spec(yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json")))) == spec


def test_an_arm_may_be_named_off_and_leave_a_phase_out(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        BASE + "  pretraining: {choice: {off: null, on: {mixture: miniature_qa, steps: {choice: [5, 6]}}}}\n"
    )

    space = make_space(load_sweep_spec(path))
    first = first_assignments(space)[0]

    assert bind(space, first).pretraining is None
    pretrained = bind(space, {**first, "pretraining": "on", "pretraining.on.steps": 6}).pretraining
    assert pretrained is not None
    assert pretrained.steps == 6


def test_an_encoder_is_an_arm_by_its_name_and_constraints_give_it_its_own_learning_rates() -> None:
    document = base() | {"families": {"none": {}}}
    del document["trial"]["encoder"], document["trial"]["intermediate"]
    spec = make_sweep_spec(
        document
        | {
            "search": {
                "encoder": {"choice": ["owner/one", "owner/two"]},
                "target.learning_rate": {"choice": [2e-5, 1e-5]},
            },
            "constraints": ["encoder.name = 'owner/one' or target.learning_rate = 2e-5"],
        }
    )
    space = make_space(spec)

    points = {
        (config.encoder.name, config.target.learning_rate)
        for config in (bind(space, point) for point in enumerate_assignments(space))
    }

    assert points == {("owner/one", 2e-5), ("owner/one", 1e-5), ("owner/two", 2e-5)}
