"""Random spaces with constraints, and with parameters that are active only under a condition."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from spaces.space.expression_values import parse_condition
from spaces.space.parameters import IntParameter
from spaces.space.tree import Branch, Space
from tests.spaces_tests.test_walk import branches, int_parameters


@st.composite
def conditional_spaces(draw_: st.DrawFn, *, continuous: bool = True) -> Space:
    """Draw a space whose root begins with two whole numbers of 1 to 7, on which others depend.

    Their defaults are 5 or more, and meet the constraints.
    """
    first = draw_(int_parameters("first"))
    second = dataclasses.replace(
        draw_(int_parameters("second")), when=parse_condition(f"first >= {draw_(st.integers(2, 5))}")
    )
    inner = draw_(branches("root", depth=2, continuous=continuous))
    conditions = st.sampled_from(["first > 4", "first in (1, 2, 5)", "second >= 3", "first + second >= 9"])
    parameters = [
        dataclasses.replace(one, when=parse_condition(draw_(conditions))) if draw_(st.booleans()) else one
        for one in inner.parameters
    ]
    texts = draw_(
        st.lists(st.sampled_from(["first * second >= 8", "first >= 3 or second > 2", "second != 4"]), max_size=2)
    )
    wholes = [one.field for one in parameters if isinstance(one, IntParameter)]
    texts += [f"{field} > first - 4" for field in wholes if draw_(st.booleans())]
    root = Branch(parameters=(first, second, *parameters))
    return Space(root=root, constraints=tuple(map(parse_condition, texts)))
