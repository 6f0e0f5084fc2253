"""Simulated sweeps that stop when their families have verdicts; random numbers replace only the training."""

# ruff: noqa: S311  draws for a simulation are no secrets
from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.compare.comparison_result import Protocol, Verdict
from search.compare.runs import POINTS, Group, Run, make_group
from search.compare.verdicts import compare_groups
from search.sampler import PastTrial, make_sampler
from spaces.space.tree import FAMILY_PATH
from spaces.sweep_spec import SweepSpec, make_sweep_spec

SD, MARGIN = 0.5, 0.5
"""Standard deviation between seeds and margin of equivalence, in points: as on XNLI (`benchmarks/statistics.py`)."""
SEEDS = 40
"""Seeds of each group in the fixed budget: of 10, 20, 30, ... the fewest that give 95 % of the families a verdict in
every world but the one at the margin."""
STEPS = {"none": 100, "text": 300, "multitask": 300, "control": 300}
"""Optimiser steps of a trial of each family."""
ARMS = tuple(STEPS)[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One simulated sweep."""

    verdicts: Mapping[str, Verdict]
    steps: int


def spec_of(seed: int) -> SweepSpec:
    """Return the spec of a sweep that stops by verdicts, with the fixed budget as its upper bound."""
    seeds = {"int": [0, 2**31 - 1]}
    bodies = {
        "text": {"mixture": {"commonsense_qa": 1.0}},
        "multitask": {"mixture": {"commonsense_qa": 0.5, "hellaswag": 0.5}},
        "control": {"mixture": {"commonsense_qa@shuffled": 1.0}},
    }
    return make_sweep_spec(
        {
            "name": "deciding",
            "seed": seed,
            "trials": SEEDS * len(STEPS),
            "stop": {"decided": "families", "margin": MARGIN},
            "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": STEPS["none"]}},
            "families": {
                "none": {},
                **{
                    name: {**body, "steps": STEPS[name] - STEPS["none"], "seed": seeds} for name, body in bodies.items()
                },
            },
            "search": {"target.seed": seeds},
        }
    )


def stopped(spec: SweepSpec, *, effects: Mapping[str, float], seed: int) -> Ended:
    """Return a sweep that stops by verdicts, or has the whole budget.

    Args:
        spec: From `spec_of`.
        effects: Family -> its true effect, in points.
        seed: Seed of the luck.
    """
    sampler, chance, history = make_sampler(spec), random.Random(seed), list[PastTrial]()
    budget, spent = fixed_steps(), 0
    while True:
        proposal = sampler.propose(len(history), history=history)
        family = str(proposal.assignment[FAMILY_PATH])
        if proposal.reason_to_stop or spent + STEPS[family] > budget:
            break
        spent += STEPS[family]
        score = (70 + effects.get(family, 0.0) + chance.gauss(0.0, SD)) / POINTS
        history.append(PastTrial(number=len(history), assignment=proposal.assignment, state="finished", score=score))
    return Ended(verdicts=sampler.looks(history).verdicts, steps=spent)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


def fixed_steps() -> int:
    """Return the steps of the fixed budget."""
    return SEEDS * sum(STEPS.values())


def fixed(*, effects: Mapping[str, float], seed: int) -> Ended:
    """Return a sweep with the fixed budget, compared once at its end."""
    chance = random.Random(seed)
    groups = {
        name: _group(name, [70 + effects.get(name, 0.0) + chance.gauss(0.0, SD) for _ in range(SEEDS)])
        for name in STEPS
    }
    arms = [groups[name] for name in ARMS]
    found = compare_groups(arms, baseline=groups["none"], protocol=Protocol(margin=MARGIN), how="{}".format)[1:]
    verdicts = {one.group: one.verdict for one in found if one.verdict != "undecided"}
    return Ended(verdicts=verdicts, steps=fixed_steps())


def _group(name: str, points: Sequence[float]) -> Group:
    runs = [
        Run(
            trial=number,
            checkpoint=f"{name} {number}",
            lineage=f"{name} {number}",
            intermediate_seed=number,
            target_seed=number,
            score=value / POINTS,
        )
        for number, value in enumerate(points)
    ]
    return make_group(name, runs)
