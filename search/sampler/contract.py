"""What proposes trials: the contract of every sampler.

A sampler is a pure function of (space, sweep seed, number, history): it holds no state that a proposal depends on, so a
sweep that was killed and resumed proposes what the unbroken one would have. The driver calls `propose` once for each
trial number, from one thread, and must store the whole proposal before it starts the trial; it hands back
`attributes` unread. No Optuna here: the record and the driver import this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import JsonValue

from spaces.tree import Assignment

TrialState = Literal["proposed", "running", "finished", "failed", "pruned", "interrupted"]
"""The record's states. `failed` trials say nothing about their configuration, so samplers ignore them; `proposed` and
`interrupted` ones count as running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrial:
    """A trial that a proposal may see."""

    number: int
    assignment: Assignment
    state: TrialState
    score: float | None = None
    """The sweep's objective; higher is better. Needed when finished, the last one seen when pruned."""
    rung: int = 0
    """Highest rung that it was scored at; orders pruned trials."""
    attributes: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What its proposal carried, unchanged."""
    values: tuple[float, ...] = ()
    """Of a finished trial in a sweep of several objectives: all of them in the spec's order; costs are negated,
    so that more is better in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What was proposed before the space of the sweep was changed."""

    num_trials: int = 0
    """Trials that the sweep had then; later ones have these numbers and above."""
    assignments: tuple[Assignment, ...] = ()
    """Of those among them that still count, in the space as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The next trial."""

    assignment: Assignment
    seed: int
    """Seed of the sampler's random numbers, from the sweep's seed and the trial's number."""
    attributes: dict[str, JsonValue]
    """JSON that the sampler needs again while the trial is in the history; store it and hand it back."""


class Sampler(Protocol):
    """Proposes the trials of one sweep."""

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; the same for the same arguments, in any process.

        Args:
            number: The trial's number, counted from 0.
            history: The trials that it may see, in any order, each number once.

        Raises:
            ConfigError: A past trial's assignment is not in the space.
            ValueError: A number stands twice, or a finished trial has no finite score.
        """
        ...


def proposal_seed(sweep_seed: int, *, number: int) -> int:
    """Return the seed of a proposal, 0 <= seed < 2**32; near numbers give unrelated seeds."""
    return int.from_bytes(hashlib.sha256(f"{sweep_seed}:{number}".encode()).digest()[:4], "big")
