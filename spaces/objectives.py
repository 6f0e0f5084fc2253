"""The objectives of a sweep. The name decides the direction: scores are maximised, costs are minimised."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from pydantic import JsonValue

from trainables.config import EvaluationConfig
from trainables.config.literature import GROUPS
from trainables.errors import near_matches
from trainables.evaluation.benchmarks import TITLES, fewer_languages, subset_words

Score: TypeAlias = Literal["average", "english", "worst", "xtreme", "xtreme_r"]
"""Maximised: mean over languages (XTREME's), English only (strict zero-shot), or the lowest language of the trial's own
evaluation; or the mean of the figures of all tasks of a benchmark (docs/decisions/0032)."""

Cost: TypeAlias = Literal["seconds", "steps"]
"""Minimised: cost of a trial's whole lineage, without the savings from shared stages, so that the order of trials does
not matter."""

Goal: TypeAlias = Score | Cost

SCORES: tuple[Score, ...] = get_args(Score)
COSTS: tuple[Cost, ...] = get_args(Cost)
BENCHMARKS: frozenset[str] = frozenset(GROUPS)
"""The objectives that are the average of a benchmark's tasks."""


Languages = dict[str, tuple[str, ...]]
"""Evaluation task -> languages that it is scored in."""


def scored_languages(trial: Mapping[str, JsonValue]) -> Languages:
    """Return the languages of each evaluation task, as far as the fields name them.

    Args:
        trial: The fields of a TrialConfig in JSON, or those of a spec without dotted keys. A task whose languages they
            do not name has those of the literature, and is left out.
    """
    further = trial.get("further")
    bodies = further if isinstance(further, dict) else {}
    evaluations = {name: body.get("evaluation") for name, body in bodies.items() if isinstance(body, dict)}
    own = trial.get("evaluation")
    if isinstance(own, dict):
        evaluations[str(own.get("task", EvaluationConfig.model_fields["task"].default))] = own
    return {
        name: tuple(map(str, languages))
        for name, fields in evaluations.items()
        if isinstance(fields, dict) and isinstance(languages := fields.get("languages"), list)
    }


def meaning_of(goal: str, *, scored: Mapping[str, Collection[str]]) -> str:
    """Return what the average of a benchmark is, in words; empty for another score or a cost, whose name says it.

    Args:
        goal: The objective.
        scored: Evaluation task -> languages that the trials are scored in (`scored_languages`): an average over fewer
            languages than the benchmark has is not the one that papers report, so the words count them.
    """
    if goal not in BENCHMARKS:
        return ""
    subset = subset_words(fewer_languages(scored, benchmark=goal))
    meaning = f"mean of the figures of all {len(GROUPS[goal])} tasks of {TITLES[goal]}, on dev"
    return f"{meaning}, {subset}" if subset else meaning


def is_maximised(goal: str) -> bool:
    """Return whether a higher value is better."""
    return goal in SCORES


def goals_of(objective: object) -> tuple[str, ...]:
    """Return the objectives of a spec's `objective` field, which is one name or a list of names, in order."""
    return tuple(map(str, objective)) if isinstance(objective, (list, tuple)) else (str(objective),)


def complaint_about_one(objective: object) -> str:
    """Return the problem of an objective that is not a score."""
    if objective in COSTS:
        rule = "cannot be the only objective, because the cheapest trial trains nothing"
        return f"{objective!r} {rule}; write [average, {objective}]"
    near = near_matches(str(objective), SCORES)
    step = f"choose one of {', '.join(SCORES)}, or list several objectives, a score first"
    return f"{objective!r} is not an objective{near}; {step}"


def complaint_about(objective: Sequence[object]) -> str | None:
    """Return the problem of a list of objectives, or None."""
    known = (*SCORES, *COSTS)
    names = [str(name) for name in objective]
    if unknown := [name for name in names if name not in known]:
        return f"{unknown[0]!r} is not an objective{near_matches(unknown[0], known)}; choose from {', '.join(known)}"
    if len(set(names)) != len(names):
        return f"{names} has an objective twice; list each once"
    if len(names) <= 1:
        return f"{names} is a list of {len(names)}; list two or more objectives, or write one without a list"
    if names[0] in COSTS:
        rule = f"the first objective decides `best`, so it must be one of {', '.join(SCORES)}"
        return f"{names} starts with {names[0]!r}; {rule}; change the order"
    return None


def upwards(values: Sequence[float], *, goals: Sequence[str]) -> tuple[float, ...]:
    """Return the values of objectives with costs negated, so that a higher value is better in each."""
    return tuple(value if is_maximised(goal) else -value for value, goal in zip(values, goals, strict=True))


def unbeaten(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Return the places of the points that no other point beats (the Pareto set), in order.

    A higher value is better in each coordinate. A point beats another one if it is at least as good in all coordinates
    and better in one; equal points do not beat each other.
    """
    front: list[int] = []
    # A point that beats another one comes before it in this order, and so does a point of the front that beats both.
    for place in sorted(range(len(points)), key=lambda place: points[place], reverse=True):
        if not any(_beats(points[other], points[place]) for other in front):
            front.append(place)
    return sorted(front)


def _beats(point: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return point != other and all(value >= others for value, others in zip(point, other, strict=True))
