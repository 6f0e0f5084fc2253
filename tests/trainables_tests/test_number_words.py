"""A number agrees with its noun."""

from __future__ import annotations

import pytest

from trainables.number_words import number_of


@pytest.mark.parametrize(
    ("number", "form", "words"),
    [(0, "", "0 trials"), (1, "", "1 trial"), (2, "", "2 trials"), (1200, ",", "1,200 trials"), (1.0, "g", "1 trial")],
)
def test_a_number_agrees_with_its_noun(number: float, form: str, words: str) -> None:
    assert number_of(number, "trial", form=form) == words
