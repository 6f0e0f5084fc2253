"""Makes up the sweep that every contender of `record.py` stores: trials, rungs, languages, parameters."""

# ruff: noqa: S311  made-up scores are no secrets
from __future__ import annotations

import random
from dataclasses import dataclass

from spaces.space.enumeration import draw
from spaces.space.tree import Assignment
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec
from trainables.config.evaluation import XNLI_LANGUAGES

NAME = "bench"
NUM_RUNGS = 5
DOCUMENT = {
    "name": NAME,
    "trials": 10,
    "sampler": {"name": "tpe", "num_startup": 20},
    "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 1000}, "evaluation": {"task": "xnli"}},
    "families": {
        "none": {},
        "text": {
            "mixture": {"choice": ["anli", "hellaswag", "qqp", "squad"]},
            "steps": {"log": [100, 10000]},
            "learning_rate": {"log": [1e-6, 1e-4]},
        },
        "multitask": {"mixture": {"simplex": ["anli", "hellaswag", "squad"]}, "steps": {"log": [100, 10000]}},
    },
    "search": {
        "target.learning_rate": {"log": [1e-6, 1e-4]},
        "target.batch_size": {"choice": [16, 32, 64]},
        "target.max_length": {"int": [64, 256]},
        "target.adam_beta2": {"float": [0.9, 0.999]},
        "target.pooling": {"choice": ["mean", "first"]},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTrial:
    """One trial: its point of the space, and for each rung its score in every language."""

    number: int
    assignment: Assignment
    rungs: tuple[dict[str, float], ...]

    @property
    def score(self) -> float:
        """Mean over the languages at the last rung."""
        return sum(self.rungs[-1].values()) / len(self.rungs[-1])


def spec_of(num_trials: int) -> SweepSpec:
    """Return the sweep's spec."""
    return make_sweep_spec({**DOCUMENT, "trials": num_trials})


def make_trials(num_trials: int) -> list[MadeTrial]:
    """Return the same trials at every call."""
    space, chance = make_space(spec_of(num_trials)), random.Random(0)
    return [_trial(number, assignment=draw(space, generator=chance), chance=chance) for number in range(num_trials)]


def _trial(number: int, *, assignment: Assignment, chance: random.Random) -> MadeTrial:
    level = 0.4 + 0.3 * chance.random()
    rungs = tuple(
        {code: round(level + 0.02 * rung + 0.05 * chance.random(), 4) for code in XNLI_LANGUAGES}
        for rung in range(NUM_RUNGS)
    )
    return MadeTrial(number=number, assignment=assignment, rungs=rungs)
