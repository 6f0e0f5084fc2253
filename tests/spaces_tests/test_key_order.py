"""A spec that comes back from a record, whose JSON has sorted keys, stands for the same space in the same order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from spaces.key_order import in_key_order, with_key_order
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import make_space, make_sweep_spec, recorded, shipped_specs
from tests.spaces_tests.test_conditions import DOCUMENT, LIMIT
from trainables.config.frozen import canonical_json
from trainables.config.yaml_file import read_yaml

DOCUMENTS = st.recursive(
    st.one_of(st.integers(), st.text("ab/.", max_size=3), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.text("abc/.", max_size=3), inner, max_size=4),
)


def written(value: Any) -> str:
    return json.dumps(value)


@given(st.dictionaries(st.sampled_from(["z", "a", "m"]), DOCUMENTS, max_size=3))
@example({"z": {"": {"": {"b": 0, "a": 0}}, "/": {"a": 0, "b": 0}}})
@example({"z": {"~1": {"b": 0, "a": 0}, "/": {"a": 0, "b": 0}}})
def test_sorting_the_keys_loses_no_order(document: dict[str, Any]) -> None:
    stored = json.loads(canonical_json(with_key_order(document)))

    assert written(in_key_order(stored)) == written(document)


def test_a_recorded_spec_has_the_same_space_and_first_trials() -> None:
    families = {"text": DOCUMENT["families"]["text"], "none": {}}  # type: ignore[index]
    spec = make_sweep_spec({**DOCUMENT, "families": families, "constraints": [LIMIT]})  # type: ignore[dict-item]

    again = make_sweep_spec(json.loads(canonical_json(recorded(spec))))

    assert again == spec
    assert make_space(again) == make_space(spec)
    assert [one["family"] for one in first_assignments(make_space(again))] == ["text", "none"]


def test_so_has_every_shipped_one() -> None:
    for path in shipped_specs().values():
        spec = make_sweep_spec(read_yaml(path))  # type: ignore[arg-type]
        again = make_sweep_spec(json.loads(canonical_json(recorded(spec))))
        assert make_space(again) == make_space(spec)
