"""Proposes each point of a finite space once: the families' defaults first, then the others in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from search.sampler.contract import PastTrial, Proposal, Proposed, proposal_seed
from spaces.space.enumeration import enumerate_assignments, first_assignments
from spaces.space.tree import Assignment, Space
from trainables.config import canonical_json
from trainables.errors import ConfigError


class GridSampler:
    """Proposes the points of a finite space in a fixed order. A point is computed when it is first needed.

    Args:
        space: The space that is searched.
        sweep_seed: Seed of the sweep; the order does not depend on it.
        proposed: The trials that were proposed before the space was changed; they are not proposed again.
    """

    def __init__(self, *, space: Space, sweep_seed: int, proposed: Proposed = Proposed()) -> None:  # noqa: B008  frozen
        self._sweep_seed, self._num_before = sweep_seed, proposed.num_trials
        self._points: list[Assignment] = []
        self._further = _points(space, without=proposed.assignments)

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`. The history is ignored.

        Raises:
            ConfigError: The grid has no point of this number.
        """
        del history
        place = number - self._num_before
        self._points += itertools.islice(self._further, max(0, place + 1 - len(self._points)))
        if place >= len(self._points):
            rule = f"the grid has {len(self._points)} points"
            raise ConfigError("trials", f"there is no point for trial {place}: {rule}; lower trials, or use tpe")
        seed = proposal_seed(self._sweep_seed, number=number)
        return Proposal(assignment=self._points[place], seed=seed, attributes={})


def _points(space: Space, *, without: Iterable[Assignment]) -> Iterator[Assignment]:
    """Yield each point once: the families' defaults, then the others in order."""
    seen = {canonical_json(point) for point in without}
    first = first_assignments(space)
    for point in itertools.chain(first, enumerate_assignments(space)):
        name = canonical_json(point)
        if name not in seen:
            yield point
            seen.add(name)
