"""What runs next: trials that wait, the best order first, then new proposals. No Ray here.

A trial runs one rung after another. It waits, without holding a device, where the first stage that it lacks is being
made by another trial, and in fixed order where it is not decided yet whether it climbs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from search.record import History, HistoryRow, Proposal, Record, Seen, TrialRow
from search.sampler import PastTrial, Proposed, Sampler, make_sampler
from search.scheduling.lost_trials import Fault, LostTrials
from search.scheduling.ordering import Candidate, in_order
from search.scheduling.pausing import Disk, DiskPause
from search.scheduling.planning import Plans
from search.scheduling.promotion import Promotion
from spaces.binding import bind
from spaces.objectives import upwards
from spaces.sweep_spec import SweepSpec, make_space
from spaces.tree import FAMILY_PATH
from trainables.plan.starting_weights import with_absolute_folders

MAX_AHEAD = 64
"""Trials that a sampler which learns nothing proposes before they can start, so that their order can be chosen."""

ENDED = frozenset({"finished", "failed", "pruned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can start now; something will when a running trial ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is left to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A trial to start."""

    trial: TrialRow
    rung: int
    """The first rung that it runs."""
    expired: str | None = None
    """A lease that it may take because its holder was seen to be dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A trial that waits."""

    trial: TrialRow
    rung: int
    """The rung that it runs next."""
    is_decided: bool = True
    """Whether it is to run there; else what it scored at the rung below has not been judged."""


class Proposer:
    """Hands out the trials of a sweep, each recorded before it is handed out.

    Args:
        record: Holds the sweep's trials.
        name: The sweep's name.
        spec: The sweep's spec.
        concurrency: Trials that may run at a time.
        plans: What is known of their stages.
        pause: Says when nothing may be started because a disk is full.
    """

    def __init__(
        self, record: Record, *, name: str, spec: SweepSpec, concurrency: int, plans: Plans, pause: DiskPause
    ) -> None:
        self._record, self._name, self._spec, self._plans, self._pause = record, name, spec, plans, pause
        self._room: Callable[[], int] = lambda: self.concurrency
        self.concurrency = concurrency
        """Trials that may run at a time."""
        self._space = make_space(spec)
        self._sampler: Sampler = make_sampler(spec, proposed=_proposed_before(record, name))
        self._promotion = Promotion(record, name=name, spec=spec, plans=plans)
        self._planned = record.sweep(name).planned_trials
        self._history = History(record, sweep=name, make=partial(past_trial, goals=spec.goals), goals=spec.goals)
        self._pending: dict[int, _Pending] = {}
        self._running: dict[int, Candidate] = {}
        self._loaded: frozenset[str] = frozenset()
        self._lost = LostTrials(plans)
        self._hopeless = record.hopeless_stages(name)
        self._is_stopped = False
        self._has_news = True
        self._num_aside = record.num_set_aside(name)
        for trial in record.trials(name, states=("proposed", "running", "interrupted")):
            if trial.set_aside is None:
                self._put_back(trial)

    @property
    def has_room(self) -> bool:
        """Whether fewer trials run than may."""
        return len(self._running) < self.concurrency

    def follow(self, room: Callable[[], int]) -> None:
        """Ask before each start how many trials may run at a time: a cluster grows and shrinks."""
        self._room = room

    def stop(self) -> None:
        """Start nothing more; what runs may end."""
        self._is_stopped = True

    def pause(self, reason: str) -> None:
        """Start nothing until there is space again."""
        self._pause.begin(reason, disk="full")

    def next(self) -> Start | Wait | Finished:
        """Return the next trial to start."""
        if self._pause.holds() and not self._pause.has_given_up:
            return Wait()
        if self._is_stopped or self._pause.has_given_up:
            return Wait() if self._running else Finished()
        self.concurrency = self._room()
        if not self.has_room:
            return Wait()
        self._decide_pending()
        self._propose_ahead()
        candidate = self._choose() or self._choose_among_more()
        if candidate is None:
            return Wait() if self._running or self._pending or self._has_more() else Finished()
        pending = self._pending.pop(candidate.number)
        self._running[candidate.number] = candidate
        self._lost.starts(pending.trial)
        expired = self._plans.expired(candidate.first) if candidate.first else None
        return Start(trial=pending.trial, rung=pending.rung, expired=expired)

    def climbs(self, number: int, *, rung: int) -> bool:
        """Return whether a trial that was just measured at a rung runs the next one at once.

        Else it ends there, which is then on record, or it waits until the trials before it have been measured too.
        """
        self._has_news = True
        self._pause.progressed()
        trial = self._record.trial(self._name, number=number)
        decision = self._promotion.decide(trial, rung=rung)
        if decision == "prune":
            self._record.prune(self._name, number=number)
            return False
        if decision == "wait":
            self._record.wait(self._name, number=number, reason="trials before it are not measured at its rung yet")
            return False
        self._running[number] = self._plans.candidate(trial, rung=rung + 1)
        return True

    def ended(self, number: int, *, disk: Disk | None = None, fault: Fault | None = None) -> None:
        """Take note that a trial's actor is done with it, or gone.

        One that is not recorded as ended either waits, or has lost its actor: it is tried again, and failed when it was
        lost too often without getting any further.

        Args:
            number: The trial's number.
            disk: How the disk was, if it gave its place back because something could not be written or read.
            fault: Why it could not go on where it was, if it gave its place back because of that.
        """
        self._has_news = True
        if (running := self._running.pop(number, None)) is not None:  # None: it could not be noted the first time
            self._loaded = frozenset(start for start in running.starts if start)
        trial = self._record.trial(self._name, number=number)
        if trial.state in ENDED:
            self._free_trunks(trial)
            self._plans.forget(number)
            self._lost.forget(number)
            self._learn_from(trial)
        elif disk is not None:
            self._pause.begin(f"trial {number} could not write: the disk is {disk}.", disk=disk)
            self._put_back(trial)
        elif trial.state == "interrupted" or (error := self._lost.error(trial, fault=fault)) is None:
            self._put_back(trial)
        else:
            self._record.fail(self._name, number=number, error=error, kind=fault.kind if fault else "lost")

    def _learn_from(self, trial: TrialRow) -> None:
        if trial.state == "failed":
            self._hopeless = self._record.hopeless_stages(self._name)
        else:
            self._pause.progressed()

    def _fail_hopeless(self) -> None:
        """Fail the trials that need a stage at which another has failed for good: it would fail at the same step."""
        if not self._hopeless:
            return
        for number, pending in sorted(self._pending.items()):
            missing = self._plans.candidate(pending.trial, rung=pending.rung).missing if pending.is_decided else ()
            if stage := next((key for key in missing if key in self._hopeless), None):
                del self._pending[number]
                error = f"stage {stage[:12]} cannot be made, as a trial before has found: {self._hopeless[stage]}"
                self._record.fail(self._name, number=number, error=error, kind="not_finite")
                self._has_news = True

    def _put_back(self, trial: TrialRow) -> None:
        rung = 0 if trial.rung is None else trial.rung + 1
        self._pending[trial.number] = _Pending(trial=trial, rung=rung, is_decided=trial.rung is None)

    def _decide_pending(self) -> None:
        """Judge what waits for a decision, in the order of numbers: one decision can make the next possible."""
        if not self._has_news:
            return
        self._has_news = False
        for number in sorted(self._pending):
            pending = self._pending[number]
            if pending.is_decided:
                continue
            decision = self._promotion.decide(pending.trial, rung=pending.rung - 1)
            if decision == "prune":
                self._record.prune(self._name, number=number)
                del self._pending[number]
                self._free_trunks(pending.trial)
                self._plans.forget(number)
            elif decision == "climb":
                self._pending[number] = replace(pending, is_decided=True)

    def _choose(self) -> Candidate | None:
        self._fail_hopeless()
        candidates = [
            self._plans.candidate(one.trial, rung=one.rung) for one in self._pending.values() if one.is_decided
        ]
        in_flight = {key for one in self._running.values() for key in one.missing}
        ordered = in_order(candidates, in_flight=in_flight, loaded=self._loaded)
        return next((one for one in ordered if one.first is None or not self._plans.is_held(one.first)), None)

    def _choose_among_more(self) -> Candidate | None:
        """Propose more trials while none that waits can start, but no more than would be started at once."""
        while sum(one.is_decided for one in self._pending.values()) <= self.concurrency:
            if not self._propose():
                return None
            if (found := self._choose()) is not None:
                return found
        return None

    def _propose_ahead(self) -> None:
        """Let a sampler that learns nothing propose what is left, so that the order of all can be chosen."""
        if self._spec.sampler.learns or self._spec.order == "fixed":
            return
        while len(self._pending) < MAX_AHEAD and self._propose():
            pass

    def _free_trunks(self, trial: TrialRow) -> None:
        """Drop the training states that only a higher rung of an ended trial would have continued."""
        if trial.state == "failed" or self._spec.rungs.num == 1:
            return
        trunks = set(self._plans.trunks(trial))
        for other in self._record.trials(self._name, states=("proposed", "running", "interrupted", "failed")):
            if not trunks:
                return
            trunks -= self._plans.trunks(other)
        for key in sorted(trunks):
            self._plans.drop(key)

    def _has_more(self) -> bool:
        return len(self._history.trials()) < self._planned + self._num_aside

    def _propose(self) -> bool:
        """Let the sampler propose a trial, which then waits; returns False when it cannot, yet or at all."""
        trials = self._history.trials()
        number = len(trials)
        seen = self._visible(trials, number=number) if number < self._planned + self._num_aside else None
        if seen is None:
            return False
        proposal = self._sampler.propose(number, history=seen)
        trial = self._record.propose(
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
        self._put_back(trial)
        return True

    def _visible(self, trials: Sequence[PastTrial], *, number: int) -> Sequence[PastTrial] | None:
        """Return the trials that a proposal may see, or None while one of them has to end first."""
        if self._spec.order == "completion":
            return trials
        # Fixed order: proposal n sees the results of exactly the trials up to n - concurrency, whatever the timing.
        visible = trials[: max(0, number - self.concurrency + 1)]
        return visible if all(trial.state in ENDED for trial in visible) else None


def _proposed_before(record: Record, name: str) -> Proposed:
    """Return what was proposed before the last change of the space."""
    revision = record.last_revision(name)
    if revision is None:
        return Proposed()
    before = [trial for trial in record.trials(name) if trial.number < revision.num_trials]
    counting = tuple(trial.assignment for trial in before if trial.set_aside is None)
    return Proposed(num_trials=revision.num_trials, assignments=counting)


def _seen(trials: Sequence[PastTrial]) -> Seen:
    running = tuple(trial.number for trial in trials if trial.state not in ENDED)
    return Seen(num_trials=len(trials), running=running)


def past_trial(trial: HistoryRow, *, goals: Sequence[str] = ()) -> PastTrial:
    """Return a trial as samplers see it.

    Args:
        trial: The trial as the record has it.
        goals: The sweep's objectives; needed where there are several.
    """
    return PastTrial(
        number=trial.number,
        assignment=trial.assignment,
        # What is set aside says nothing of this space: samplers leave failed trials out.
        state="failed" if trial.set_aside else trial.state,
        score=trial.score,
        rung=trial.rung or 0,
        attributes=trial.sampler,
        values=_values(trial, goals=goals),
    )


def _values(trial: HistoryRow, *, goals: Sequence[str]) -> tuple[float, ...]:
    if trial.state != "finished":
        return ()
    return upwards([value for value in trial.values if value is not None], goals=goals if trial.values else ())
