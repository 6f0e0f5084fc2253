"""Constraints and `when`: how they are read, what they are refused for, and what holds of spaces that have them."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import ast
import dataclasses
import json
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from search.cli.main import exit_code
from spaces.expressions import ExpressionError
from spaces.space.adoption import Misfit, adopt
from spaces.space.binder import bind
from spaces.space.conditions import violated
from spaces.space.enumeration import draw, enumerate_assignments, first_assignments, size
from spaces.space.expression_values import parse_condition
from spaces.space.tree import Space
from spaces.space.walk import answers, contains, walk
from spaces.sweep_spec import make_space, make_sweep_spec
from tests.spaces_tests.conditional_spaces import conditional_spaces
from trainables.errors import ConfigError

FIELDS = {"a": 3, "b": 0.5, "c": "x", "d": True, "e": -2}


def look(name: str) -> object:
    return FIELDS.get(name)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a * 2 + 1 <= 7", True),
        ("1 + a * 2 > 7", False),
        ("(1 + a) * 2 == 8", True),
        ("a - 1 - 1 = 1", True),
        ("12 / a / 2 == 2", True),
        ("a-1 == 2", True),
        ("-e == 2 and -(a) < 0", True),
        ("b < 1e-3 or c == 'x'", True),
        ("not (b < 1e-3 or c == 'x')", False),
        ('not b < 1e-3 and c != "y"', True),
        ("a in (1, 2, 3) and c not in ('y', 'z')", True),
        ("d == true and a >= 3", True),
        ("a > 100 and b > 0 or c = 'x'", True),
        ("missing > 3", None),
        ("a > 100 or missing > 3", None),
    ],
)
def test_an_expression_means_what_it_says(text: str, holds: object) -> None:
    assert parse_condition(text).holds(look) is holds


@given(st.recursive(st.integers(0, 9).map(str), lambda e: st.tuples(e, st.sampled_from("+-*"), e).map(" ".join)))
def test_arithmetic_binds_as_everywhere(text: str) -> None:
    tree = ast.parse(text, mode="eval")
    value = eval(compile(tree, "", "eval"), {"__builtins__": {}})  # noqa: S307  digits and signs of our own
    sign = "" if value >= 0 else "-"
    assert parse_condition(f"a > 0 and {text} == {sign}{abs(value)}").holds(look) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <", "the end"),
        ("a", "a comparison"),
        ("a < 3 < 4", "at '<' (character 7)"),
        ("(a < 3) + 1 > 2", "not a comparison"),
        ("a < 3 and 4", "a comparison like"),
        ("not a", "a comparison like"),
        ("a in ()", "a number"),
        ("a in (b)", "a number"),
        ("(a < 3", "`)`"),
        ("a; b", "';'"),
        ("__import__('os').system('true') == 1", "(character 17), which has no meaning"),
        ("a ** 2 > 1", "cannot be read"),
        ("", "the end"),
        ("not " * 100 + "a > 1", "nests"),
        ("(" * 100 + "a > 1" + ")" * 100, "nests"),
        ("a > 1 and " * 500 + "a > 1", "more than"),
        ("a > 1e999", "too large"),
        ("a > " + "9" * 5000, "too large"),
        ("-" * 100 + "a > 1", "nests"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("c > 3", "c == 3", "d == 1", "a / (b - 0.5) > 1", "a * 1e308 * 1e308 > 1"),
        " * ".join(["9999999999999999999"] * 40) + " > a",
    ],
)
def test_what_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_condition(text).holds(look)


# fmt: off
DOCUMENT = {
    "name": "conditional",
    "trials": 8,
    "sampler": {"name": "random"},
    "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 10}, "evaluation": {"task": "miniature_nli"}},
    "families": {
        "none": {},
        "text": {
            "mixture": "miniature_qa",
            "steps": {"log": [100, 4000], "default": 200},
            "batch_size": {"choice": [8, 16, 32]},
            "learning_rate": {"log": [1e-5, 1e-3], "when": "intermediate.batch_size >= 16"},
        },
    },
    "search": {
        "target.pooling": {"choice": ["mean", "first"]},
        "target.dropout": {"float": [0.0, 0.3], "when": "family == 'text' and target.pooling == 'mean'"},
    },
}
# fmt: on
LIMIT = "intermediate.steps * intermediate.batch_size <= 40000"


def space_with(*constraints: str, **changes: object) -> Space:
    return make_space(make_sweep_spec({**DOCUMENT, "constraints": list(constraints), **changes}))  # type: ignore[dict-item]


def test_every_draw_meets_the_constraints_and_some_come_near() -> None:
    space, generator = space_with(LIMIT), random.Random(0)
    drawn = [draw(space, generator=generator) for _ in range(300)]
    products = [
        int(str(one["intermediate.text.steps"])) * int(str(one["intermediate.text.batch_size"]))
        for one in drawn
        if one["family"] == "text"
    ]
    assert max(products) <= 40000
    assert max(products) > 30000
    assert any(one["family"] == "none" for one in drawn)


def test_a_parameter_is_there_exactly_where_its_condition_holds() -> None:
    space, generator = space_with(), random.Random(0)
    for one in (draw(space, generator=generator) for _ in range(300)):
        is_text = one["family"] == "text"
        assert ("intermediate.text.learning_rate" in one) == (is_text and one["intermediate.text.batch_size"] != 8)
        assert ("target.dropout" in one) == (is_text and one["target.pooling"] == "mean")


def test_an_inactive_parameter_leaves_its_field_at_its_default() -> None:
    config = bind(space_with(), first_assignments(space_with())[0])
    assert config.target.dropout == type(config.target).model_fields["dropout"].default


def test_a_field_that_nothing_sets_has_its_default_in_a_constraint() -> None:
    space = space_with("target.batch_size * target.steps > 100")
    assert violated(space, first_assignments(space)[0]) is None


def test_people_and_scripts_are_told_the_conditions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump({**DOCUMENT, "constraints": [LIMIT]}, sort_keys=False))

    assert exit_code(["spaces", str(file)]) == 0
    told = capsys.readouterr().out
    assert exit_code(["spaces", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "when intermediate.batch_size >= 16" in told
    assert f"Constraint: {LIMIT}" in told
    assert document["conditions"]["intermediate.text.learning_rate"] == "intermediate.batch_size >= 16"
    assert document["constraints"] == [LIMIT]


def test_a_constraint_that_no_default_field_breaks_keeps_the_recorded_spec_as_it_was() -> None:
    assert "constraints" not in make_sweep_spec(DOCUMENT).model_dump(mode="json")  # type: ignore[arg-type]
    spec = make_sweep_spec({**DOCUMENT, "constraints": [LIMIT]})  # type: ignore[dict-item]
    assert make_sweep_spec(spec.model_dump(mode="json")) == spec


def test_a_trial_that_a_new_constraint_rules_out_does_not_fit() -> None:
    free, bound = space_with(), space_with(LIMIT)
    fitting = first_assignments(free)[1]
    large = {**fitting, "intermediate.text.steps": 4000, "intermediate.text.batch_size": 32}
    large |= {"intermediate.text.learning_rate": 1e-4}

    assert adopt(bound, bind(free, fitting), known=fitting) == fitting
    misfit = adopt(bound, bind(free, large), known=large)
    assert isinstance(misfit, Misfit)
    assert str(misfit) == f"intermediate.steps is 4000, and the space has the constraint {LIMIT!r}"


def test_each_trial_of_a_conditional_space_is_known_again_by_its_configuration() -> None:
    space, generator = space_with(LIMIT), random.Random(0)
    for drawn in (draw(space, generator=generator) for _ in range(40)):
        assert adopt(space, bind(space, drawn), known={"family": drawn["family"]}) == drawn


def test_constraints_exclude_what_the_configuration_would_refuse() -> None:
    sides = {"image_size": {"choice": [32, 48]}, "patch_size": {"choice": [16, 32]}}
    body = {"mixture": "miniature_entailment", "steps": 10, "vision": {"tower": "small", **sides}}
    search = {"target.pooling": {"choice": ["mean", "first"]}}
    with pytest.raises(ConfigError, match="not a multiple"):
        space_with(families={"multimodal": body}, search=search)
    fits = "intermediate.vision.image_size != 48 or intermediate.vision.patch_size == 16"
    assert size(space_with(fits, families={"multimodal": body}, search=search)) == 6


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("intermediate.steps <=", "cannot be read at 'the end'"),
        ("intermediate.stepz <= 3", "did you mean 'steps'"),
        ("famly == 'text'", "did you mean 'family'"),
        ("1 < 2", "names no field"),
        ("target < 3", "has fields of its own"),
        ("intermediate.steps <= 50", "random trials of family 'text' meets this"),
        ("family == 'none' and intermediate.steps <= 50 or target.steps > 10", "random trials of family 'text'"),
        (
            "intermediate.steps >= 300",
            "does not hold for the first trial of family 'text', its defaults (intermediate.steps 200)",
        ),
        ("target.pooling > 3", "is used with `>`"),
        ("pretraining.steps > 3", "has no effect"),
        (7, "7"),
    ],
)
def test_a_wrong_constraint_is_refused_before_the_start(constraint: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space_with(constraint)  # type: ignore[arg-type]
    assert caught.value.field == "constraints.0"
    assert words in str(caught.value)
    assert str(constraint) in str(caught.value)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("intermediate.batch_size >", "cannot be read"),
        ("intermediate.batchsize > 3", "did you mean 'batch_size'"),
        ("intermediate.learning_rate > 1e-4", "refers to the parameter itself"),
        ("target.pooling == 'mean'", "which is decided later, at search.target.pooling"),
        ("target.steps > 5", "fixed at trial.target.steps"),
        ("target.dropout > 0.1", "a range of real numbers"),
        ("target.max_length > 5", "which is not searched"),
        ("intermediate.batch_size > 64", "never searched"),
        ("intermediate.batch_size == 'x'", "compared with"),
        (["x"], "is not a text"),
    ],
)
def test_a_wrong_when_is_refused_before_the_start(when: object, words: str) -> None:
    text = {**DOCUMENT["families"]["text"], "learning_rate": {"log": [1e-5, 1e-3], "when": when}}  # type: ignore[index]
    with pytest.raises(ConfigError) as caught:
        space_with(families={"none": {}, "text": text})
    assert caught.value.field == "families.text.learning_rate.when"
    assert words in str(caught.value)
    assert str(when) in str(caught.value)


@given(space=conditional_spaces(), seed=st.integers(0, 2**32))
def test_draws_are_contained_and_walk_to_themselves(space: Space, seed: int) -> None:
    assignment = draw(space, generator=random.Random(seed))

    assert contains(space, json.loads(json.dumps(assignment)))
    assert walk(space, answers(assignment)) == assignment
    assert not contains(space, {**assignment, "nowhere": 1})
    for path in assignment:
        assert not contains(space, {key: value for key, value in assignment.items() if key != path})


@pytest.mark.slow
@given(space=conditional_spaces(continuous=False))
@settings(max_examples=40, deadline=None)
def test_a_finite_space_with_conditions_lists_what_it_counts(space: Space) -> None:
    count = size(space)
    assert count is not None
    if count <= 400:
        points = list(enumerate_assignments(space))
        free = dataclasses.replace(space, constraints=())
        allowed = [one for one in enumerate_assignments(free) if violated(space, one) is None]
        assert (len(points), points) == (count, allowed)
