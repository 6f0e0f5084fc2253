"""Orders the waiting trials: which one starts next. Pure: no store, no clock, no Ray.

A trial never waits while it holds devices: it starts only if no other trial is making the first stage that it lacks.
Among the trials that can start, first comes the one whose first missing stage most waiting trials lack, so that they
can continue in parallel. Then come trials that start from the stage of the last trial, so that a process keeps the
weights that it has loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trial that could start."""

    number: int
    """The trial's number."""
    missing: tuple[str, ...]
    """Keys of the stages that it has to make, in order; empty if all are complete, or if its stages are unknown."""
    starts: tuple[str | None, ...] = ()
    """Key of the stage from whose encoder each missing stage starts; None for the trial's pretrained encoder."""

    @property
    def first(self) -> str | None:
        """Key of the stage that it makes first."""
        return self.missing[0] if self.missing else None

    @property
    def start(self) -> str | None:
        """Key of the stage whose encoder it loads first."""
        return self.starts[0] if self.starts else None


def startable(candidates: Iterable[Candidate], *, in_flight: Collection[str]) -> list[Candidate]:
    """Return the candidates whose first missing stage no running trial makes.

    Args:
        candidates: Trials that wait.
        in_flight: Keys of the stages that running trials are making or will make.
    """
    return [candidate for candidate in candidates if candidate.first not in in_flight]


def in_order(
    candidates: Sequence[Candidate], *, in_flight: Collection[str], loaded: Collection[str]
) -> list[Candidate]:
    """Return the candidates that can start, in the order in which they have to start.

    Args:
        candidates: All trials that wait, also those that cannot start: they count as waiting for a stage.
        in_flight: Keys of the stages that running trials are making or will make.
        loaded: Keys of the stages from which the last ended trial had started.
    """
    num_lacking = Counter(key for candidate in candidates for key in candidate.missing)

    def rank(candidate: Candidate) -> tuple[bool, int, bool, int]:
        # A trial without missing stages ends at once. Among equally wanted stages, prefer the one with loaded weights.
        first = candidate.first
        return (first is not None, -num_lacking[first or ""], candidate.start not in loaded, candidate.number)

    return sorted(startable(candidates, in_flight=in_flight), key=rank)
