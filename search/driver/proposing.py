"""What runs next: interrupted trials first, then new proposals. No Ray here."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from search.record import Proposal, Record, Seen, TrialRow
from search.sampler import PastTrial, Sampler, make_sampler
from spaces.binding import bind
from spaces.sweep_spec import SweepSpec, make_space
from spaces.tree import FAMILY_PATH
from trainables.checkpoints import with_absolute_folders

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""How often a trial is started before a lost actor counts as its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can start now; something will when a running trial ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is left to start."""


class Proposer:
    """Hands out the trials of a sweep, each recorded before it is handed out.

    Args:
        record: Holds the sweep's trials.
        name: The sweep's name.
        spec: The sweep's spec.
        concurrency: Trials that may run at a time.
    """

    def __init__(self, record: Record, *, name: str, spec: SweepSpec, concurrency: int) -> None:
        self._record, self._name, self._spec = record, name, spec
        self._concurrency = concurrency
        self._space = make_space(spec)
        self._sampler: Sampler = make_sampler(spec)
        self._planned = record.sweep(name).planned_trials
        again = record.trials(name, states=("proposed", "running", "interrupted"))
        self._again: deque[int] = deque(trial.number for trial in again)
        self._running: set[int] = set()

    def next(self) -> TrialRow | Wait | Finished:
        """Return the next trial to start."""
        if len(self._running) >= self._concurrency:
            return Wait()
        if self._again:
            trial = self._record.trial(self._name, number=self._again.popleft())
        else:
            proposed = self._propose()
            if not isinstance(proposed, TrialRow):
                return proposed
            trial = proposed
        self._running.add(trial.number)
        return trial

    def ended(self, number: int) -> None:
        """Take note that a trial's actor is done with it, or gone.

        One that is not recorded as ended lost its actor: it is tried again, and failed after its last attempt.
        """
        self._running.discard(number)
        trial = self._record.trial(self._name, number=number)
        if trial.state not in {"proposed", "running", "interrupted"}:
            return
        if trial.attempts < MAX_ATTEMPTS:
            log.warning("trial %d lost its process; it starts again", number)
            self._again.append(number)
        else:
            self._record.fail(self._name, number=number, error=f"its process ended {trial.attempts} times")

    def _propose(self) -> TrialRow | Wait | Finished:
        trials = self._record.trials(self._name)
        number = len(trials)
        if number >= self._planned:
            return Finished() if not self._running else Wait()
        seen = self._visible(trials, number=number)
        if seen is None:
            return Wait()
        proposal = self._sampler.propose(number, history=[_past(trial) for trial in seen])
        return self._record.propose(
            self._name,
            proposal=Proposal(
                family=proposal.assignment[FAMILY_PATH],  # pyright: ignore[reportArgumentType]  (the model checks it)
                assignment=proposal.assignment,
                config=with_absolute_folders(bind(self._space, proposal.assignment)),
                seed=proposal.seed,
                sampler=proposal.attributes,
                seen=_seen(seen),
            ),
        )

    def _visible(self, trials: Sequence[TrialRow], *, number: int) -> Sequence[TrialRow] | None:
        """Return the trials that a proposal may see, or None while one of them has to end first."""
        if self._spec.order == "completion":
            return trials
        # Fixed order: proposal n sees the results of exactly the trials up to n - concurrency, whatever the timing.
        visible = trials[: max(0, number - self._concurrency + 1)]
        return visible if all(trial.state in {"finished", "failed", "pruned"} for trial in visible) else None


def _seen(trials: Sequence[TrialRow]) -> Seen:
    running = tuple(trial.number for trial in trials if trial.state in {"proposed", "running", "interrupted"})
    return Seen(num_trials=len(trials), running=running)


def _past(trial: TrialRow) -> PastTrial:
    return PastTrial(
        number=trial.number,
        assignment=trial.assignment,
        state=trial.state,
        score=trial.score,
        rung=trial.rung or 0,
        attributes=trial.sampler,
    )
