"""A deterministic rotation of weighted tasks: a task's number of turns differs from its share by less than one."""

from __future__ import annotations

from collections.abc import Sequence


class Rotation:
    """An endless sequence of choices among weighted entries.

    After any number of turns n, entry k was chosen between w_k n - 1 and w_k n + 1 times: Tijdeman's rule (The chairman
    assignment problem, Discrete Mathematics 32, 1980, theorem 1). A simple largest-deficit rule does not guarantee this
    for more than a few entries. The sequence depends only on the weights. Turns are computed once, in order, when one
    is requested.

    Args:
        weights: Shares above 0 that sum to 1.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = tuple(weights)
        self._counts = [0] * len(weights)
        self._turns: list[tuple[int, int]] = []

    def turn(self, number: int) -> tuple[int, int]:
        """Return the entry of a turn (counted from 0), and how often it was chosen before."""
        while len(self._turns) <= number:
            self._advance()
        return self._turns[number]

    def _advance(self) -> None:
        turns = len(self._turns) + 1
        if len(self._weights) == 1:
            chosen = 0
        else:
            slack = 1 / (2 * len(self._weights) - 2)
            chosen = min(range(len(self._weights)), key=lambda k: self._deadline(k, turns, slack))
        self._turns.append((chosen, self._counts[chosen]))
        self._counts[chosen] += 1

    def _deadline(self, entry: int, turns: int, slack: float) -> tuple[bool, float]:
        """Return a sort key: entries that are behind are first, ordered by the turn at which they must be chosen."""
        behind = self._weights[entry] * turns - self._counts[entry]
        return behind < slack - 1e-9, (1 - slack - behind) / self._weights[entry]
