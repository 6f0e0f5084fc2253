"""Finds the names that a user may have meant by a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LEAST_RATIO = 0.65
"""Least share of common characters (difflib's ratio): `plot` and `report` have 0.6, `num_step` and `num_stage` 0.82."""
_RATIO_BELOW_BEST = 0.1
"""A name that is so much less alike than the best one is not near."""
_MAX_NEAR = 3
_SHORTEST_PART = 4
"""Characters of a name that another one contains; shorter ones are in many names by chance."""


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three known names that are near a wrong one, the nearest first.

    Near are names that are spelt almost alike, whatever their case. Without such a name, near are those that contain
    the wrong one, or are contained in it.
    """
    ratios = {other: _ratio(name, other) for other in known}
    best = max(ratios.values(), default=0.0)
    alike = [other for other, ratio in ratios.items() if ratio >= max(_LEAST_RATIO, best - _RATIO_BELOW_BEST)]
    near = sorted(alike, key=lambda other: -ratios[other]) or [other for other in ratios if _is_part(name, other)]
    return near[:_MAX_NEAR]


def _ratio(name: str, other: str) -> float:
    matcher = difflib.SequenceMatcher(None, name.casefold(), other.casefold())
    # The quick bounds are difflib's own: a name can be long, and the known names many.
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < _LEAST_RATIO:
        return 0.0
    return matcher.ratio()


def _is_part(name: str, other: str) -> bool:
    short, long = sorted((name.casefold(), other.casefold()), key=len)
    return len(short) >= _SHORTEST_PART and short in long
