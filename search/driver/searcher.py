"""Our Searcher and scheduler: Ray Tune asks them for trials and whether they climb, they ask the record.

Ray's own OptunaSearch tells early-stopped trials as complete, swallows failed tells and pickles itself
(docs/decisions/0004); this one holds nothing that the record does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any  # Tune's configurations and results are free-form dicts

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from search.driver.proposing import Finished, Proposer, Start, Wait
from trainables.order import TrialOrder
from trainables.trainable import ORDER, RUNG


class RecordSearcher(Searcher):
    """Hands Tune the sweep's next trials.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
    """

    def __init__(self, proposer: Proposer, *, order: Callable[[Start], TrialOrder]) -> None:
        super().__init__()
        self._proposer, self._order = proposer, order
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to be asked again, or FINISHED."""
        start = self._proposer.next()
        if isinstance(start, Wait):
            return None
        if isinstance(start, Finished):
            return Searcher.FINISHED
        self._numbers[trial_id] = start.trial.number
        return {ORDER: self._order(start).model_dump_json()}

    def number(self, trial_id: str) -> int:
        """Return the number of a trial that was suggested and has not ended."""
        return self._numbers[trial_id]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:  # noqa: FBT001, FBT002  (Tune's signature)
        """Let the next trial start. An exception here would make Tune run the finished trial again."""
        del result, error  # the record knows
        self._proposer.ended(self._numbers.pop(trial_id))

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: the Tuner pickles itself when it is made, and nobody reads that pickle."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the record is saved."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a sweep continues from its record."""


class RungScheduler(FIFOScheduler):
    """Lets a trial that was measured at a rung climb to the next, or ends it.

    Tune does not ask about a trial's last rung.

    Args:
        proposer: Decides.
        searcher: Knows which trial is which.
    """

    def __init__(self, proposer: Proposer, *, searcher: RecordSearcher) -> None:
        super().__init__()
        self._proposer, self._searcher = proposer, searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return whether Tune goes on with a trial."""
        del tune_controller
        climbs = self._proposer.climbs(self._searcher.number(trial.trial_id), rung=result[RUNG])
        return self.CONTINUE if climbs else self.STOP

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: the Tuner pickles itself when it is made, and nobody reads that pickle."""
        return {}
