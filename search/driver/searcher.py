"""Our Searcher: Ray Tune asks it for trials, it asks the record.

Ray's own OptunaSearch tells early-stopped trials as complete, swallows failed tells and pickles itself
(docs/decisions/0004); this one holds nothing that the record does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any  # Tune's configurations and results are free-form dicts

from ray.tune.search import Searcher

from search.driver.proposing import Finished, Proposer, Wait
from search.record import TrialRow
from trainables.order import TrialOrder
from trainables.trainable import ORDER


class RecordSearcher(Searcher):
    """Hands Tune the sweep's next trials.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
    """

    def __init__(self, proposer: Proposer, *, order: Callable[[TrialRow], TrialOrder]) -> None:
        super().__init__()
        self._proposer, self._order = proposer, order
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to be asked again, or FINISHED."""
        trial = self._proposer.next()
        if isinstance(trial, Wait):
            return None
        if isinstance(trial, Finished):
            return Searcher.FINISHED
        self._numbers[trial_id] = trial.number
        return {ORDER: self._order(trial).model_dump_json()}

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
