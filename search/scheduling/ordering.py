"""Which of the waiting trials starts next. Pure: no store, no clock, no Ray.

A trial waits for nothing while it holds devices: it starts only when nobody else is making the first stage that it
lacks. Among those that can start, the stage that most waiting trials lack is made first, so that they can go on side by
side; then come those that start from the stage made last, so that a process keeps the weights it has.
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
    """Keys of the stages that it would have to make, in order; empty when all are there, or nothing is known."""
    starts: tuple[str | None, ...] = ()
    """Stage whose encoder each of them starts from; None is the trial's own."""

    @property
    def first(self) -> str | None:
        """Key of the stage that it would make first."""
        return self.missing[0] if self.missing else None

    @property
    def start(self) -> str | None:
        """Stage whose encoder it would load first."""
        return self.starts[0] if self.starts else None


def startable(candidates: Iterable[Candidate], *, in_flight: Collection[str]) -> list[Candidate]:
    """Return the candidates whose first missing stage nobody is making.

    Args:
        candidates: Trials that wait.
        in_flight: Stages that running trials are making or are going to make.
    """
    return [one for one in candidates if one.first not in in_flight]


def in_order(
    candidates: Sequence[Candidate], *, in_flight: Collection[str], loaded: Collection[str]
) -> list[Candidate]:
    """Return the candidates that can start, the one to start first in front.

    Args:
        candidates: All trials that wait, those that cannot start included: they count as waiting for a stage.
        in_flight: Stages that running trials are making or are going to make.
        loaded: Stages that the trial that ended last had started from.
    """
    lacking = Counter(key for one in candidates for key in one.missing)

    def rank(one: Candidate) -> tuple[bool, int, bool, int]:
        # What needs nothing made ends at once; between stages that as many wait for, the one whose weights are loaded.
        return (one.first is not None, -lacking[one.first or ""], one.start not in loaded, one.number)

    return sorted(startable(candidates, in_flight=in_flight), key=rank)
