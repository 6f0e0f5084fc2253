"""What `tests/wording.py` takes for a private word."""

from __future__ import annotations

import pytest

from tests.wording import PRIVATE


@pytest.mark.parametrize(
    "text",
    ["it is told", "_told", "num_told", "told_again", "_climbs", "climbing2", "setting them aside", "signs of life"],
)
def test_a_private_word_is_found_in_names_too(text: str) -> None:
    assert PRIVATE.search(text)


@pytest.mark.parametrize("text", ["untolded", "stold", "toldo", "num_set_aside", "offset", "began"])
def test_a_part_of_another_word_is_none(text: str) -> None:
    assert not PRIVATE.search(text)
