"""The contract of samplers, which propose trials.

A sampler is a pure function of (space, sweep seed, number, history). It holds no state that a proposal depends on, so a
sweep that was killed and resumed proposes the same trials as a sweep that was not stopped. The driver calls `propose`
once for each trial number, from one thread. It must store the whole proposal before it starts the trial, and it passes
`attributes` back unread. The record and the driver import this module, so it does not import Optuna.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import JsonValue

from spaces.space.tree import Assignment

TrialState = Literal["proposed", "running", "finished", "failed", "pruned", "interrupted"]
"""The record's states. `failed` trials say nothing about their configuration, so samplers ignore them; `proposed` and
`interrupted` ones count as running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrial:
    """A trial in the history that a proposal depends on."""

    number: int
    assignment: Assignment
    state: TrialState
    score: float | None = None
    """The sweep's objective; higher is better. A finished trial must have one; a pruned trial has its last one."""
    rung: int = 0
    """Highest rung that it was scored at; orders pruned trials."""
    attributes: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """The attributes of its proposal, unchanged."""
    values: tuple[float, ...] = ()
    """In a sweep with several objectives, a finished trial has all of them, in the spec's order. Costs are negated, so
    higher is better in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The trials that were proposed before the space of the sweep was changed."""

    num_trials: int = 0
    """Number of trials before the change; later trials have this number or a higher one."""
    assignments: tuple[Assignment, ...] = ()
    """Assignments, in the space as it is now, of those trials that still count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The next trial."""

    assignment: Assignment
    seed: int
    """Seed of the sampler's random numbers, from the sweep's seed and the trial's number."""
    attributes: dict[str, JsonValue]
    """JSON that the sampler needs again while the trial is in the history: store it and pass it back."""
    reason_to_stop: str = ""
    """Why the sweep does not need this trial (`stop` in its spec), in words; empty while it does. Such a proposal is
    not stored. Results of running trials can make the next proposal a needed one."""


PROMOTED_TO = "promoted_to"
"""Attribute of a proposal that continues a pruned trial: the rung that the new trial reaches without being compared."""
CONTINUES = "continues"
"""Attribute of such a proposal: the number of the pruned trial."""


def is_promoted_by_sampler(attributes: Mapping[str, JsonValue], *, rung: int) -> bool:
    """Return whether a sampler has decided, by the attributes of its proposal, that the trial goes beyond a rung."""
    reached = attributes.get(PROMOTED_TO, 0)
    return isinstance(reached, int) and rung < reached


class Sampler(Protocol):
    """Proposes the trials of one sweep."""

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; the same for the same arguments, in any process.

        Args:
            number: The trial's number, counted from 0.
            history: The trials that the proposal can depend on, in any order, each number once.

        Raises:
            ConfigError: A past trial's assignment is not in the space.
            ValueError: A number appears twice, or a finished trial has no finite score.
        """
        ...


def proposal_seed(sweep_seed: int, *, number: int) -> int:
    """Return the seed of a proposal, 0 <= seed < 2**32. Trials with near numbers have unrelated seeds."""
    return int.from_bytes(hashlib.sha256(f"{sweep_seed}:{number}".encode()).digest()[:4], "big")
