"""Decides which trial runs next: first the waiting trials in start order, then new proposals. Does not import Ray.

A trial runs one rung after another. It waits, without holding a device, while another trial makes the first stage that
it lacks, and, in fixed order, until its promotion is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from search.record import History, HistoryRow, Proposal, Record, Seen, TrialRow
from search.sampler import PastTrial, Proposed, Sampler, make_sampler
from search.sampler.density_draws import depends_on_scores
from search.scheduling.disk_pause import Disk, DiskPause
from search.scheduling.lost_trials import Fault, LostTrials
from search.scheduling.promotion import Promotion
from search.scheduling.stage_demand import Plans
from search.scheduling.start_order import Candidate, in_order
from search.scheduling.store_room import StoreRoom
from search.stages import StoreKeeper
from spaces.objectives import upwards
from spaces.space.binder import bind
from spaces.space.tree import FAMILY_PATH
from spaces.sweep_spec import SweepSpec, make_space
from trainables.plan.provenance import phases_of
from trainables.plan.starting_weights import with_absolute_folders

MAX_AHEAD = 64
"""Number of trials that a sampler that does not learn proposes in advance, so that their order can be chosen."""

ENDED = frozenset({"finished", "failed", "pruned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No trial can start now; one can when a running trial ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """No trial is left to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A trial to start."""

    trial: TrialRow
    rung: int
    """The first rung that it runs."""
    expired: str | None = None
    """A lease that the trial can take because its holder is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A trial that waits."""

    trial: TrialRow
    rung: int
    """The rung that it runs next."""
    is_decided: bool = True
    """Whether it can run there; False while its promotion from the rung below is not decided."""


class TrialScheduler:
    """Returns the trials of a sweep to start, each after it was recorded.

    Args:
        record: Holds the sweep's trials.
        name: Name of the sweep.
        spec: The sweep's spec.
        concurrency: Number of trials that can run at a time.
        plans: The driver's view of their stages.
        pause: Says when no trial can start because a disk is full.
    """

    def __init__(
        self, record: Record, *, name: str, spec: SweepSpec, concurrency: int, plans: Plans, pause: DiskPause
    ) -> None:
        self._record, self._name, self._spec, self._plans, self._pause = record, name, spec, plans, pause
        self._room: Callable[[], int] = lambda: self.concurrency
        self._store_room = StoreRoom(plans)
        self.concurrency = concurrency
        """Number of trials that can run at a time."""
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
        self.reason_to_stop = ""
        """Why the sampler proposes no further trial for now; empty while it does."""
        self._num_ended_at_stop = -1
        self._has_news = True
        self._num_excluded = record.num_set_aside(name)
        for trial in record.trials(name, states=("proposed", "running", "interrupted")):
            if trial.set_aside is None:
                self._enqueue(trial)

    @property
    def has_room(self) -> bool:
        """Whether another trial can run."""
        return len(self._running) < self.concurrency

    def follow(self, room: Callable[[], int]) -> None:
        """Call `room` before each start for the number of trials that can run at a time, as the cluster may change."""
        self._room = room

    def keep(self, keeper: StoreKeeper) -> None:
        """Let a keeper remove stages while the sweep runs, and say for which trials the store has room."""
        self._store_room.keeper = keeper

    def tidy(self) -> None:
        """Let the keeper, if there is one, remove what need not stay in the store."""
        self._store_room.tidy()

    def stop(self) -> None:
        """Start no further trial; running trials continue."""
        self._is_stopped = True

    def pause(self, reason: str) -> None:
        """Start no trial until the disk has space again."""
        self._pause.begin(reason, disk="full")

    def may_record(self) -> bool:
        """Return whether the ends of trials can be recorded now: not in a pause, nor after the sweep has given up."""
        return not self._pause.is_paused()

    def next(self) -> Start | Wait | Finished:
        """Return the next trial to start, Wait, or Finished."""
        if self._pause.waits():
            return Wait()
        if self._is_stopped or self._pause.has_given_up:
            return Wait() if self._running else Finished()
        self.concurrency = self._room()
        if not self.has_room:
            return Wait()
        self._decide_pending()
        self._propose_ahead()
        candidate = self._with_room(self._choose() or self._choose_among_more())
        if candidate is None:
            return Wait() if self._running or self._pending or self._has_more() else Finished()
        pending = self._pending.pop(candidate.number)
        self._running[candidate.number] = candidate
        self._store_room.note_start(pending.trial, rung=pending.rung)
        self._lost.note_start(pending.trial)
        expired = self._plans.expired(candidate.first) if candidate.first else None
        return Start(trial=pending.trial, rung=pending.rung, expired=expired)

    def is_promoted(self, number: int, *, rung: int) -> bool:
        """Return whether a trial that was just measured at a rung runs the next rung at once.

        If not, it was recorded as pruned, or as waiting until the trials of lower numbers are measured at this rung.
        """
        self._has_news = True
        self._pause.note_progress()
        trial = self._record.trial(self._name, number=number)
        decision = self._promotion.decide(trial, rung=rung)
        if decision == "prune":
            self._record.prune(self._name, number=number)
            return False
        if decision == "wait":
            self._record.wait(self._name, number=number, reason="trials before it are not measured at its rung yet")
            return False
        self._store_room.note_waiting()
        self._store_room.look_again()
        if not self._store_room.has_room(trial, rung=rung + 1, is_forced=len(self._running) <= 1):
            self._record.wait(self._name, number=number, reason="the store has no room for its next rung yet")
            return False
        self._running[number] = self._plans.candidate(trial, rung=rung + 1)
        self._store_room.note_start(trial, rung=rung + 1)
        return True

    def note_end(self, number: int) -> None:
        """Note that a trial runs no more. `ended` does it too, but may have to wait for the record."""
        if (running := self._running.pop(number, None)) is not None:
            self._loaded = frozenset(start for start in running.starts if start)
        self._store_room.note_end(number)

    def ended(
        self, number: int, *, disk: Disk | None = None, fault: Fault | None = None, is_lost: bool = False
    ) -> None:
        """Note that a trial's actor has ended its work on the trial, or was lost.

        A trial that is not recorded as ended is waiting, or has lost its actor: it is tried again, and fails if it was
        lost too often without any progress.

        Args:
            number: The trial's number.
            disk: State of the disk, if the trial was re-queued because a file could not be written or read.
            fault: Why the trial could not continue on its devices, if it was re-queued because of that.
            is_lost: Whether the actor ended without a word, also for a trial that has not begun since it was re-queued.
        """
        self.note_end(number)
        self._has_news = True
        trial = self._record.trial(self._name, number=number)
        if trial.state in ENDED:
            self._free_trunks(trial)
            self._plans.forget(number)
            self._lost.forget(number)
            self._learn_from(trial)
        elif disk is not None:
            self._pause.begin(f"trial {number} could not write its files: the disk is {disk}.", disk=disk)
            self._enqueue(trial)
        elif (error := self._lost.failure_reason(trial, fault=fault, is_lost=is_lost)) is None:
            self._enqueue(trial)
        else:
            self._record.fail(self._name, number=number, error=error, kind=fault.kind if fault else "lost")

    def _learn_from(self, trial: TrialRow) -> None:
        if trial.state == "failed":
            self._hopeless = self._record.hopeless_stages(self._name)
        else:
            self._pause.note_progress()

    def _fail_hopeless(self) -> None:
        """Fail the trials that need a stage at which another trial has failed for good: they would fail there too."""
        if not self._hopeless:
            return
        for number, pending in sorted(self._pending.items()):
            missing = self._plans.candidate(pending.trial, rung=pending.rung).missing if pending.is_decided else ()
            if stage := next((key for key in missing if key in self._hopeless), None):
                del self._pending[number]
                error = f"stage {stage[:12]} cannot be made: an earlier trial failed there: {self._hopeless[stage]}"
                self._record.fail(self._name, number=number, error=error, kind="not_finite")
                self._has_news = True

    def _enqueue(self, trial: TrialRow) -> None:
        self._store_room.note_waiting()
        rung = 0 if trial.rung is None else trial.rung + 1
        self._pending[trial.number] = _Pending(trial=trial, rung=rung, is_decided=trial.rung is None)

    def _decide_pending(self) -> None:
        """Decide on promotions of waiting trials, in the order of numbers: one decision can make the next possible."""
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
            elif decision == "promote":
                self._pending[number] = replace(pending, is_decided=True)

    def _choose(self) -> Candidate | None:
        return next(iter(self._startable()), None)

    def _startable(self) -> Iterator[Candidate]:
        """Yield the waiting trials that can start, in the order in which they have to start."""
        self._fail_hopeless()
        candidates = [
            self._plans.candidate(each.trial, rung=each.rung) for each in self._pending.values() if each.is_decided
        ]
        in_flight = {key for candidate in self._running.values() for key in candidate.missing}
        ordered = in_order(candidates, in_flight=in_flight, loaded=self._loaded)
        yield from (each for each in ordered if each.first is None or not self._plans.is_held(each.first))

    def _with_room(self, first: Candidate | None) -> Candidate | None:
        """Return the trial that starts: `first`, or with a limited store the first for whose stages it has room."""
        if first is None:
            self._store_room.tidy()
        if first is None or not self._store_room.is_limited:
            return first
        waiting = [self._pending[each.number] for each in self._startable()]
        if not waiting:  # another process has begun to make a stage that `first` needs
            return None
        if not self._store_room.look_again() and self._running:
            return None  # as when this was last decided
        place = self._store_room.choose([(one.trial, one.rung) for one in waiting], is_idle=not self._running)
        return None if place is None else self._plans.candidate(waiting[place].trial, rung=waiting[place].rung)

    def _choose_among_more(self) -> Candidate | None:
        """Propose more trials while no waiting trial can start, but no more than can run at a time."""
        while sum(pending.is_decided for pending in self._pending.values()) <= self.concurrency:
            if not self._propose():
                return None
            if (found := self._choose()) is not None:
                return found
        return None

    def _propose_ahead(self) -> None:
        """Let a sampler that needs no scores propose the remaining trials, so that their order can be chosen."""
        if depends_on_scores(self._spec) or self._spec.order == "fixed":
            return
        while len(self._pending) < MAX_AHEAD and self._propose():
            pass

    def _free_trunks(self, trial: TrialRow) -> None:
        """Delete the trunks that only an ended trial would have continued: at higher rungs, or for an average."""
        if trial.state == "failed" or not (self._spec.rungs.num > 1 or _averages_checkpoints(trial)):
            return
        trunks = set(self._plans.trunks(trial))
        for other in self._record.trials(self._name, states=("proposed", "running", "interrupted", "failed")):
            if not trunks:
                return
            if other.set_aside is not None:
                continue
            trunks -= self._plans.trunks(other)
        for key in sorted(trunks):
            self._plans.drop(key)

    def _has_more(self) -> bool:
        """Return whether trials are left to propose, now or when running trials have ended."""
        return not self.reason_to_stop and len(self._history.trials()) < self._planned + self._num_excluded

    def _propose(self) -> bool:
        """Let the sampler propose a trial, which then waits; return False if it cannot propose one now."""
        trials = self._history.trials()
        number = len(trials)
        seen = self._visible(trials, number=number) if number < self._planned + self._num_excluded else None
        if seen is None:
            return False
        num_ended = sum(trial.state in ENDED for trial in seen)
        if self.reason_to_stop and num_ended == self._num_ended_at_stop:
            return False  # nothing has changed since the sampler was asked
        proposal = self._sampler.propose(number, history=seen)
        self.reason_to_stop, self._num_ended_at_stop = proposal.reason_to_stop, num_ended
        if proposal.reason_to_stop:
            return False
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
        self._enqueue(trial)
        return True

    def _visible(self, trials: Sequence[PastTrial], *, number: int) -> Sequence[PastTrial] | None:
        """Return the trials that the sampler may use for a proposal, or None while one of them has to end first."""
        if self._spec.order == "completion":
            return trials
        # Fixed order: proposal n uses the results of exactly the trials up to n - concurrency, whatever the timing.
        visible = trials[: max(0, number - self.concurrency + 1)]
        return visible if all(trial.state in ENDED for trial in visible) else None


def _proposed_before(record: Record, name: str) -> Proposed:
    """Return the trials that were proposed before the last change of the space."""
    revision = record.last_revision(name)
    if revision is None:
        return Proposed()
    before = [trial for trial in record.trials(name) if trial.number < revision.num_trials]
    counting = tuple(trial.assignment for trial in before if trial.set_aside is None)
    return Proposed(num_trials=revision.num_trials, assignments=counting)


def _averages_checkpoints(trial: TrialRow) -> bool:
    works = phases_of(trial.trial_config).values()
    return any(work.average is not None and work.average.last is not None for work in works)


def _seen(trials: Sequence[PastTrial]) -> Seen:
    running = tuple(trial.number for trial in trials if trial.state not in ENDED)
    return Seen(num_trials=len(trials), running=running)


def past_trial(trial: HistoryRow, *, goals: Sequence[str] = ()) -> PastTrial:
    """Return a trial in the form that samplers use.

    Args:
        trial: The trial on record.
        goals: The sweep's objectives; needed if there are several.
    """
    return PastTrial(
        number=trial.number,
        assignment=trial.assignment,
        # An excluded trial says nothing about this space: samplers ignore failed trials.
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
