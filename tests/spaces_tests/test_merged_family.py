"""Merges and averages, as a sweep spec writes them."""

from __future__ import annotations

from typing import Any

import pytest

from spaces.fixed_trial import trial_config
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.space.tree import every_parameter
from spaces.sweep_spec import make_space, make_sweep_spec
from tests.spaces_tests.test_mixtures import document, intermediate
from trainables.config.yaml_file import parse_yaml
from trainables.errors import ConfigError

TASKS = "[miniature_qa, miniature_choice]"


def parameters(text: str) -> dict[str, str]:
    """Return path -> class of the parameters of the family `merged`."""
    space = make_space(make_sweep_spec(document(merged=text)))
    found = every_parameter(space.root)
    return {one.path: type(one).__name__ for one in found if one.path != "family"}


def test_merged_tasks_have_equal_weights_if_none_are_given() -> None:
    phase = intermediate("merged", f"{{mixture: {{merge: {TASKS}, method: ties}}}}")

    assert phase.mixture == {"miniature_qa": 0.5, "miniature_choice": 0.5}
    assert phase.merge is not None
    assert (phase.merge.method, phase.merge.density) == ("ties", None)


def test_weights_method_and_scaling_of_a_merge_can_be_searched() -> None:
    text = f"""
      mixture:
        merge: {TASKS}
        weights: simplex
        method: {{choice: [task_arithmetic, ties]}}
        scaling: {{float: [0.3, 2.0]}}
    """

    assert parameters(text) == {
        "intermediate.merged.mixture": "SimplexParameter",
        "intermediate.merged.mixture.merge.method": "ChoiceParameter",
        "intermediate.merged.mixture.merge.scaling": "FloatParameter",
    }
    phase = intermediate("merged", text)
    assert phase.merge is not None
    assert (phase.merge.method, phase.merge.scaling) == ("task_arithmetic", 1.15)


def test_the_long_form_is_the_same_phase() -> None:
    short = f"{{mixture: {{merge: {TASKS}, weights: {{miniature_qa: 0.9, miniature_choice: 0.1}}, method: ties}}}}"
    long = "{mixture: {miniature_qa: 0.9, miniature_choice: 0.1}, merge: {method: ties}}"

    assert intermediate("merged", short) == intermediate("merged", long)


def test_a_choice_can_have_a_merge_as_an_arm() -> None:
    text = f"{{mixture: {{choice: {{all: {{merge: {TASKS}}}, one: {{merge: [miniature_qa]}}}}}}}}"

    space = make_space(make_sweep_spec(document(merged=text)))
    one = default_assignment(space, family="merged") | {"intermediate.merged.mixture": "one"}

    phase = bind(space, one).intermediate
    assert phase is not None
    assert (phase.mixture, phase.merge is not None) == ({"miniature_qa": 1.0}, True)


def test_a_trial_file_has_the_same_short_form() -> None:
    fields = parse_yaml(f"{{intermediate: {{mixture: {{merge: {TASKS}}}, steps: 5}}}}", name="trial")
    assert isinstance(fields, dict)

    config = trial_config(fields)

    assert config.intermediate is not None
    assert config.intermediate.merge is not None


@pytest.mark.parametrize(
    ("family", "text", "message"),
    [
        ("multitask", f"{{mixture: {{merge: {TASKS}}}}}", "is of family 'merged', not 'multitask'"),
        ("merged", "{mixture: {miniature_qa: 0.5, miniature_choice: 0.5}}", "is of family 'multitask', not 'merged'"),
        ("merged", f"{{mixture: {{merge: {TASKS}, methods: ties}}}}", "no field 'methods'.*did you mean 'method'"),
        ("merged", f"{{mixture: {{merge: {TASKS}, weights: equal}}}}", "'equal' is not one of these"),
        ("merged", "{mixture: {merge: miniature_qa}}", "merge is 'miniature_qa'; it takes a list of one or more"),
        ("merged", f"{{mixture: {{merge: {TASKS}, scaling: 2.0}}}}", "scaling has no effect on method linear"),
        ("merged", f"{{mixture: {{merge: {TASKS}}}, average: {{seeds: 3}}}}", "average.*: is allowed only in a target"),
        ("merged", f"{{mixture: {{merge: {TASKS}}}, steps: 0}}", "steps: 0"),
    ],
)
def test_a_wrong_merge_is_refused(family: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_sweep_spec(document(**{family: text}))


def test_only_the_intermediate_phase_is_merged() -> None:
    spec: dict[str, Any] = document(text="{mixture: miniature_qa}")
    spec["trial"]["target"] |= {"merge": {}}

    with pytest.raises(ConfigError, match=r"target.merge: .*is allowed only in the intermediate phase"):
        make_sweep_spec(spec)


def test_the_number_of_averaged_runs_can_be_searched() -> None:
    spec: dict[str, Any] = document(text="{mixture: miniature_qa}")
    spec["search"] = {"target.average.seeds": {"choice": [2, 5]}}
    space = make_space(make_sweep_spec(spec))

    average = bind(space, default_assignment(space)).target.average

    assert average is not None
    assert (average.seeds, average.select) == (2, "uniform")
