"""Laws of every space: what is drawn is contained, only active parameters are present, walk and contains agree."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.space.enumeration import default_assignment, draw, enumerate_assignments, size
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Arm, Branch, ChoiceParameter, Space, every_parameter
from spaces.space.walk import answers, contains, walk
from trainables.errors import ConfigError

LABELS = st.one_of(st.text("abc", min_size=1, max_size=2), st.integers(0, 3), st.sampled_from([0.5, 2.5]), st.none())


def float_parameters(path: str) -> st.SearchStrategy[FloatParameter]:
    ends = st.tuples(st.floats(1e-6, 1), st.floats(1.5, 1e3))
    return st.builds(
        lambda ends, log: FloatParameter(
            path=path, field=path, origin=path, low=ends[0], high=ends[1], log=log, default=ends[0]
        ),
        ends,
        st.booleans(),
    )


def int_parameters(path: str) -> st.SearchStrategy[IntParameter]:
    ends = st.tuples(st.integers(1, 4), st.integers(5, 7))
    return st.builds(
        lambda ends, log: IntParameter(
            path=path, field=path, origin=path, low=ends[0], high=ends[1], log=log, default=ends[1]
        ),
        ends,
        st.booleans(),
    )


def simplex_parameters(path: str) -> st.SearchStrategy[SimplexParameter]:
    items = st.lists(st.sampled_from("pqrst"), min_size=2, max_size=4, unique=True).map(tuple)
    return items.map(
        lambda items: SimplexParameter(
            path=path, field=path, origin=path, items=items, default=tuple(1 / len(items) for _ in items)
        )
    )


@st.composite
def choices(draw_: st.DrawFn, path: str, *, depth: int, continuous: bool) -> ChoiceParameter:
    labels = draw_(st.lists(LABELS, min_size=1, max_size=3, unique=True))
    arms = tuple(
        Arm(label=label, branch=draw_(branches(f"{path}.{label}", depth=depth - 1, continuous=continuous)))
        for label in labels
    )
    return ChoiceParameter(path=path, field=path, origin=path, arms=arms, default=arms[0].label)


@st.composite
def branches(draw_: st.DrawFn, path: str = "root", *, depth: int = 3, continuous: bool = True) -> Branch:
    kinds = [int_parameters] + ([float_parameters, simplex_parameters] if continuous else [])
    parameters = []
    for index in range(draw_(st.integers(0, 2))):
        name = f"{path}.{index}"
        leaf = draw_(st.sampled_from(kinds))(name)
        inner = [choices(name, depth=depth, continuous=continuous)] if depth else []
        parameters.append(draw_(st.one_of(leaf, *inner)))
    return Branch(parameters=tuple(parameters))


def spaces(*, continuous: bool = True) -> st.SearchStrategy[Space]:
    return branches(continuous=continuous).map(lambda root: Space(root=root))


@given(spaces(), st.integers(0, 2**32))
def test_every_assignment_drawn_is_contained_and_walks_to_itself(space: Space, seed: int) -> None:
    assignment = draw(space, generator=random.Random(seed))

    assert contains(space, assignment)
    assert walk(space, answers(assignment)) == assignment


@given(spaces(), st.integers(0, 2**32))
def test_an_assignment_survives_json(space: Space, seed: int) -> None:
    assignment = draw(space, generator=random.Random(seed))

    assert contains(space, json.loads(json.dumps(assignment)))


@given(spaces(), st.integers(0, 2**32))
def test_only_parameters_whose_arms_are_chosen_are_present(space: Space, seed: int) -> None:
    assignment = draw(space, generator=random.Random(seed))
    parents = {
        below.path: (choice.path, arm.label)
        for choice in every_parameter(space.root)
        if isinstance(choice, ChoiceParameter)
        for arm in choice.arms
        for below in arm.branch.parameters
    }
    active = {
        p.path
        for p in every_parameter(space.root)
        if p.path not in parents
        or (
            parents[p.path][0] in assignment
            and assignment[parents[p.path][0]] == parents[p.path][1]
            and type(assignment[parents[p.path][0]]) is type(parents[p.path][1])
        )
    }

    assert assignment.keys() == active


@given(spaces(), st.integers(0, 2**32))
def test_an_assignment_with_one_more_or_one_less_is_not_contained(space: Space, seed: int) -> None:
    assignment = draw(space, generator=random.Random(seed))

    assert not contains(space, {**assignment, "nowhere": 1})
    for path in assignment:
        assert not contains(space, {key: value for key, value in assignment.items() if key != path})


@given(
    spaces(), st.integers(0, 2**32), st.one_of(st.none(), st.booleans(), st.text(max_size=2), st.floats(), st.just({}))
)
def test_walk_and_contains_agree_on_any_value(space: Space, seed: int, value: object) -> None:
    assignment = draw(space, generator=random.Random(seed))
    for path in assignment:
        changed = {**assignment, path: value}
        try:
            walked = walk(space, answers(changed)).keys() == changed.keys()
        except ConfigError:
            walked = False
        assert contains(space, changed) == walked


@given(spaces())
def test_the_defaults_are_contained(space: Space) -> None:
    assert contains(space, default_assignment(space))


@given(spaces(continuous=False))
@settings(max_examples=50)
def test_a_finite_space_lists_each_point_once(space: Space) -> None:
    count = size(space)
    assert count is not None
    points = list(itertools.islice(enumerate_assignments(space), 500))

    assert len(points) == min(count, 500)
    assert len({json.dumps(point) for point in points}) == len(points)
    assert all(contains(space, point) for point in points)


def test_true_is_not_the_arm_one() -> None:
    choice = ChoiceParameter(path="a", field="a", origin="a", arms=(Arm(label=1), Arm(label="x")), default=1)

    assert choice.admits(1)
    assert not choice.admits(True)
    assert not choice.admits(1.0)


def test_weights_are_dirichlet_with_equal_means() -> None:
    simplex = SimplexParameter(path="w", field="w", origin="w", items=("a", "b", "c"), default=(1 / 3, 1 / 3, 1 / 3))
    space = Space(root=Branch(parameters=(simplex,)))
    generator = random.Random(0)

    weights = [draw(space, generator=generator)["w"]["a"] for _ in range(4000)]

    # Dirichlet(1, 1, 1): mean 1/3, variance 1/18; four standard errors of 4,000 draws.
    assert sum(weights) / 4000 == pytest.approx(1 / 3, abs=4 * (1 / 18 / 4000) ** 0.5)
    assert sum((w - 1 / 3) ** 2 for w in weights) / 4000 == pytest.approx(1 / 18, rel=0.1)


def test_a_continuous_space_cannot_be_listed() -> None:
    ranged = FloatParameter(path="x", field="x", origin="search.x", low=0.0, high=1.0, log=False, default=0.5)
    space = Space(root=Branch(parameters=(ranged,)))

    assert size(space) is None
    with pytest.raises(ConfigError, match=r"search\.x: is continuous"):
        list(enumerate_assignments(space))


def test_an_answer_outside_its_parameter_is_refused_with_its_path() -> None:
    whole = IntParameter(path="n", field="n", origin="n", low=1, high=3, log=False, default=1)

    with pytest.raises(ConfigError, match="n: 7 is not a whole number from 1 to 3"):
        walk(Space(root=Branch(parameters=(whole,))), lambda _: 7)
