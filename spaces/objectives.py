"""What a sweep may optimise. Each has its direction by name: scores are maximised, costs minimised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from trainables.errors import near_matches

Score: TypeAlias = Literal["average", "english", "worst"]
"""Maximised: mean over languages (XTREME's), English only (strict zero-shot), or the lowest language."""

Cost: TypeAlias = Literal["seconds", "steps"]
"""Minimised: of a trial's whole lineage, as if nothing had been shared: who came first does not matter."""

Goal: TypeAlias = Score | Cost

SCORES: tuple[Score, ...] = get_args(Score)
COSTS: tuple[Cost, ...] = get_args(Cost)


def is_maximised(goal: str) -> bool:
    """Return whether more is better."""
    return goal in SCORES


def goals_of(objective: object) -> tuple[str, ...]:
    """Return the objectives of a spec's `objective` field, which is one or a list, the first first."""
    return tuple(map(str, objective)) if isinstance(objective, (list, tuple)) else (str(objective),)


def complaint_about_one(objective: object) -> str:
    """Return what is wrong with an objective that is no score."""
    if objective in COSTS:
        return f"{objective!r} alone is no objective: the cheapest trial trains nothing; write [average, {objective}]"
    near = near_matches(str(objective), SCORES)
    return (
        f"{objective!r} is no objective{near}; choose 'average', 'english' or 'worst', or list several, the score first"
    )


def complaint_about(objective: Sequence[object]) -> str | None:
    """Return what is wrong with a list of objectives, or None."""
    known = (*SCORES, *COSTS)
    names = [str(one) for one in objective]
    if unknown := [one for one in names if one not in known]:
        return f"{unknown[0]!r} is no objective{near_matches(unknown[0], known)}; choose from {', '.join(known)}"
    if len(set(names)) != len(names):
        return f"{names} names one twice; keep one of each"
    if len(names) <= 1:
        return f"{names} is a list of {len(names)}; list two or more, or write the one alone"
    if names[0] in COSTS:
        return f"{names} begins with {names[0]!r}; the first decides `best`, so put one of {', '.join(SCORES)} there"
    return None


def upwards(values: Sequence[float], *, goals: Sequence[str]) -> tuple[float, ...]:
    """Return the values of objectives so that more is better in each: costs are negated."""
    return tuple(value if is_maximised(goal) else -value for value, goal in zip(values, goals, strict=True))


def unbeaten(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Return the places of the points that none beats (the Pareto set), in order; more is better in each coordinate.

    One beats another when it is at least as good in all, and better in one: equals beat each other not.
    """
    front: list[int] = []
    # Whoever beats a point comes before it in this order, and so does one of the front that beats both.
    for place in sorted(range(len(points)), key=lambda place: points[place], reverse=True):
        if not any(_beats(points[other], points[place]) for other in front):
            front.append(place)
    return sorted(front)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine >= its for mine, its in zip(one, other, strict=True))
