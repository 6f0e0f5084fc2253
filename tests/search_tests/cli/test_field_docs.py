"""Docstrings of fields, read from the source of a model."""

from __future__ import annotations

from pydantic import BaseModel

from search.cli.field_docs import field_docs


class Parent(BaseModel):
    """A model."""

    first: int
    """The first one."""
    none: int = 0
    second: str = "x"
    """The second one,
    in two lines.
    """


class Child(Parent):
    """A model of its own fields."""

    second: str = "y"
    """Another second one."""
    third: int = 3
    """The third one."""

    def method(self) -> None:
        """Describe no field."""


def test_each_field_has_the_docstring_below_it() -> None:
    assert field_docs(Parent) == {"first": "The first one.", "second": "The second one,\nin two lines."}


def test_fields_are_inherited_with_their_docstrings_and_replaced_by_new_ones() -> None:
    assert field_docs(Child) == {
        "first": "The first one.",
        "second": "Another second one.",
        "third": "The third one.",
    }
