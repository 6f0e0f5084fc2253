"""The record: the SQL database that holds sweeps, trials, measurements and events.

Any number of processes may read and write one record at once: the driver proposes while trial actors finish. Each
method is one transaction, durable when it returns, and writes the derived tables together with the event, so a
killed process leaves either all of it or nothing. Writers of one sweep wait for each other (up to 30 s on SQLite).

One process drives a sweep at a time: `own` gives it a fencing number that its writes, and those of its trial actors,
carry (`fenced`); when another process has taken over, they are refused. Writes without a number are not checked.

Trials are numbered from 0 without gaps. A trial's results are never changed: writing the same result again does
nothing, a different one is refused. A Record is safe to share between threads and not to be sent to other
processes: send `record.where` and open it there.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Self  # Any: column values have no shared static type

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from search.record import owning, reading, schema, writing
from search.record.integrity.guarding import check_now
from search.record.lineage import with_stage
from search.record.opening import Opened, open_database
from search.record.opening import writing as writing_engine
from search.record.ownership import Ownership, Pace, take
from search.record.record_reader import RecordReader
from search.record.reserve import Reserve, with_reserve
from search.record.rows import JsonObject, NoteKind, Objective, Proposal, Revision, SweepRow, TrialRow
from search.record.same_spec import check_same_sweep
from trainables.errors import ConfigError
from trainables.failures import FailureKind
from trainables.results import StageRun, TrialResult


def open_record(where: str | Path, *, read_only: bool = False) -> Record:
    """Return the record at a path or URL, made when it is missing.

    Args:
        where: Path of an SQLite file, or an SQLAlchemy URL such as `postgresql+psycopg://user:password@host/database`.
        read_only: Change nothing; a missing record is then an error.

    Raises:
        RecordMissingError: It is to be read and does not exist.
        RecordNewerError: A newer xstilts wrote it.
        RecordDamagedError: It is no database any more.
        RecordUnusableError: It cannot be opened.
    """
    place = str(where) if "://" in str(where) else str(Path(where).expanduser().absolute())
    return Record(open_database(place, read_only=read_only), where=place)


class Record(RecordReader):
    """See the module. Made by `open_record`.

    Args:
        opened: The database, with the record's tables.
        where: Path or URL that opens it again.
        fence: Under which fencing number it writes to one sweep; others, and without it all, are written unfenced.
    """

    def __init__(self, opened: Opened, *, where: str, fence: owning.Fence | None = None) -> None:
        super().__init__(opened.engine)
        self.where = where
        self._opened = opened
        self._writes = writing_engine(opened.engine)
        self._fence = fence
        is_file = opened.engine.dialect.name == "sqlite"
        self.reserve = Reserve(Path(opened.engine.url.database or "") if is_file else None)
        """Space that is kept for it while a sweep runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections, and seal its file if no other process writes it."""
        self._opened.close()

    def check(self) -> int | None:
        """Return the number of events after checking every page, event and derived row; None on a server.

        Takes seconds on a long record. Opening does it by itself where something may have happened to the file.

        Raises:
            RecordDamagedError: The file is damaged.
        """
        is_file = self.engine.dialect.name == "sqlite"
        return check_now(Path(self.engine.url.database or "")) if is_file else None

    def own(self, sweep: str, *, take_over: bool = False, pace: Pace = Pace()) -> Ownership:  # noqa: B008  it is frozen
        """Return this process's ownership of a sweep: a context with a heartbeat, a fencing number, and a record.

        An owner that let go, or whose process is gone from this host, is followed at once.

        Args:
            sweep: Its name.
            take_over: Whether to take the sweep from an owner whose beat stands still for `pace.stale_seconds`.
            pace: How fast this owner beats, and how long another one may stand still.

        Raises:
            UnknownSweepError: There is no such sweep.
            SweepOwnedError: It has an owner that lives, or may live.
        """
        return take(self, sweep, take_over=take_over, pace=pace)

    def fenced(self, sweep: str, *, fence: int | None) -> Record:
        """Return this record as one whose writes to the sweep carry a fencing number; it shares the connections.

        Every such write raises FencedError, and changes nothing, once the sweep has a newer owner.

        Args:
            sweep: Name of the sweep.
            fence: An owner's number; None gives the record as it is.
        """
        if fence is None:
            return self
        return Record(self._opened, where=self.where, fence=owning.Fence(sweep=sweep, number=fence))

    @with_reserve
    def put_sweep(self, name: str, *, spec: JsonObject, objective: Objective, planned_trials: int) -> SweepRow:
        """Return the sweep of this name, made when there is none. An existing one's planned trials only grow.

        Raises:
            SweepDiffersError: It exists with another spec or objective.
        """
        row: JsonObject = {"name": name, "spec": spec, "objective": objective, "planned_trials": planned_trials}
        with contextlib.suppress(IntegrityError), self._transaction() as connection:
            # Another process may make it between the look and the insert (PostgreSQL): then it exists.
            if name not in connection.scalars(select(schema.sweeps.c.name)).all():
                now = time.time()
                connection.execute(schema.sweeps.insert().values(**row, created_at=now))
                writing.add_event(connection, name, number=None, kind="sweep", payload=row, at=now)
        sweep = self.plan(name, planned_trials=planned_trials)
        check_same_sweep(sweep, spec=spec, objective=objective)
        return sweep

    @with_reserve
    def revise(self, name: str, *, revision: Revision) -> SweepRow:
        """Return the sweep with another spec; its trials count or are set aside as the revision says.

        Raises:
            UnknownSweepError: There is no such sweep.
            FencedError: Another process has taken the sweep over.
        """
        with self.writing_to(name) as connection:
            reading.read_sweep(connection, name)
            writing.revise(connection, name, revision=revision)
            return reading.read_sweep(connection, name)

    def last_revision(self, name: str) -> Revision | None:
        """Return the sweep's last change of spec, or None when there was none."""
        with self.engine.begin() as connection:
            return reading.read_last_revision(connection, name)

    @with_reserve
    def plan(self, name: str, *, planned_trials: int) -> SweepRow:
        """Return the sweep after raising its planned trials to this number; a lower one changes nothing.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(name) as connection:
            sweep = reading.read_sweep(connection, name)
            if planned_trials > sweep.planned_trials:
                raised = update(schema.sweeps).where(schema.sweeps.c.name == name)
                connection.execute(raised.values(planned_trials=planned_trials))
                payload: JsonObject = {"planned_trials": planned_trials}
                writing.add_event(connection, name, number=None, kind="planned", payload=payload, at=time.time())
            return reading.read_sweep(connection, name)

    @with_reserve
    def propose(self, sweep: str, *, proposal: Proposal) -> TrialRow:
        """Return a new trial with the sweep's next number.

        Raises:
            UnknownSweepError: There is no such sweep.
            ConfigError: The trial does not score what the sweep's objective needs.
        """
        with self.writing_to(sweep) as connection:
            row = reading.read_sweep(connection, sweep)
            if "english" in {row.objective, *row.goals} and "en" not in proposal.config.evaluation.languages:
                msg = "lacks 'en', and english is an objective of the sweep; add en, or choose another objective"
                raise ConfigError("evaluation.languages", msg)
            number = reading.next_number(connection, sweep)
            writing.add_trial(connection, sweep, number=number, proposal=proposal)
            return reading.read_trial(connection, sweep, number=number)

    @with_reserve
    def start(self, sweep: str, *, number: int, host: str | None = None, process: int | None = None) -> TrialRow:
        """Return the trial, now running, one attempt more.

        Args:
            sweep: Name of the sweep.
            number: The trial's number.
            host: Name of the host that runs it; None names this one.
            process: Number of the process that runs it; None names this one.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has finished or was pruned.
        """
        with self._change(sweep, number) as (connection, trial):
            payload: JsonObject = {
                "attempt": trial.attempts,
                "host": host or platform.node(),
                "process": process or os.getpid(),
            }
            again: dict[str, Any] = {"attempts": trial.attempts + 1, "ended_at": None, "error": None}
            writing.move(connection, trial, state="running", payload=payload, time_column="started_at", **again)
            return reading.read_trial(connection, sweep, number=number)

    @with_reserve
    def add_stage(self, sweep: str, *, number: int, rung: int, stage: StageRun) -> None:
        """Record a stage as soon as it is made or found, so that a killed trial's cost is not lost.

        The lineage given with the rung's result replaces what was added here. Optional.

        Raises:
            UnknownTrialError: There is no such trial.
        """
        with self._change(sweep, number) as (connection, trial):
            rows = reading.read_stages(connection, sweep, number=number)
            stages = with_stage(rows, rung=rung, stage=stage)
            paid = writing.put_stages(connection, trial, rung=rung, stages=stages)
            writing.change_trial(connection, trial, **paid)
            payload: JsonObject = {"rung": rung, "stage": stage.model_dump(mode="json")}
            writing.add_event(connection, sweep, number=number, kind="stage", payload=payload, at=time.time())

    @with_reserve
    def measure(self, sweep: str, *, number: int, result: TrialResult, rung: int = 0) -> TrialRow:
        """Return the trial after adding what it scored at a rung, while it goes on.

        Raises:
            UnknownTrialError: There is no such trial.
            ResultDiffersError: It was measured at this rung with another result.
        """
        with self._change(sweep, number) as (connection, trial):
            writing.measure(connection, trial, result=result, rung=rung)
            return reading.read_trial(connection, sweep, number=number)

    @with_reserve
    def finish(self, sweep: str, *, number: int, result: TrialResult, rung: int = 0) -> TrialRow:
        """Return the trial, now finished with the result of its last rung. The same result again does nothing.

        Raises:
            UnknownTrialError: There is no such trial.
            ResultDiffersError: It was measured at this rung with another result.
            StateError: It was pruned.
        """
        with self._change(sweep, number) as (connection, trial):
            score = writing.measure(connection, trial, result=result, rung=rung)
            if trial.state != "finished":
                payload: JsonObject = {"rung": rung, "score": score}
                writing.move(connection, trial, state="finished", payload=payload, time_column="ended_at", error=None)
            ended = reading.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def prune(self, sweep: str, *, number: int) -> TrialRow:
        """Return the trial, stopped for good after its highest measured rung. Again, it does nothing.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has ended otherwise.
        """
        with self._change(sweep, number) as (connection, trial):
            if trial.state != "pruned":
                payload: JsonObject = {"rung": trial.rung, "score": trial.score}
                writing.move(connection, trial, state="pruned", payload=payload, time_column="ended_at")
            ended = reading.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def fail(
        self, sweep: str, *, number: int, error: str, kind: FailureKind = "other", stage: str | None = None
    ) -> TrialRow:
        """Return the trial, failed; `start` runs it again.

        Args:
            sweep: The sweep's name.
            number: The trial's number.
            error: Why, in words.
            kind: What kind of failure it is.
            stage: Key of the stage that no trial can make, where that is known.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has finished or was pruned.
        """
        with self._change(sweep, number) as (connection, trial):
            payload: JsonObject = {"error": error, "kind": kind, "stage": stage}
            writing.move(connection, trial, state="failed", payload=payload, time_column="ended_at", error=error)
            ended = reading.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def note(self, sweep: str, *, number: int | None = None, kind: NoteKind, payload: JsonObject) -> None:
        """Note what happened to a sweep or a trial and changes nothing else.

        Args:
            sweep: The sweep's name.
            number: The trial's number, or None.
            kind: What happened.
            payload: The rest of it.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(sweep) as connection:
            writing.add_event(connection, sweep, number=number, kind=kind, payload=payload, at=time.time())

    @with_reserve
    def wait(self, sweep: str, *, number: int, reason: str, counts: bool = False) -> TrialRow:
        """Return the trial, which gave its place back before it had ended.

        Args:
            sweep: The sweep's name.
            number: The trial's number.
            reason: What it waits for.
            counts: Whether this was an attempt; one that could not begin is none.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has ended.
        """
        with self._change(sweep, number) as (connection, trial):
            attempts = trial.attempts if counts else max(0, trial.attempts - 1)
            payload: JsonObject = {"reason": reason, "counts": counts}
            writing.move(
                connection,
                trial,
                state="interrupted",
                payload=payload,
                time_column="ended_at",
                kind="waiting",
                attempts=attempts,
            )
            return reading.read_trial(connection, sweep, number=number)

    @with_reserve
    def interrupt_running(self, sweep: str) -> tuple[int, ...]:
        """Return the numbers of the trials that were running and are now interrupted; `start` runs them again.

        Only the sweep's one driver may call it: the trials of another driver would look interrupted while they run.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(sweep) as connection:
            running = reading.read_trials(connection, sweep, states=("running",))
            for trial in running:
                writing.move(connection, trial, state="interrupted", payload={}, time_column="ended_at")
            return tuple(trial.number for trial in running)

    @contextlib.contextmanager
    def writing_to(self, sweep: str) -> Generator[Connection]:
        """Hold a sweep for one transaction of writes, durable at its end.

        Raises:
            UnknownSweepError: There is no such sweep.
            FencedError: This record writes under an older owner's number.
        """
        with self._transaction() as connection:
            reading.read_sweep(connection, sweep, lock=True)
            if self._fence is not None and self._fence.sweep == sweep:
                owning.check_fence(connection, sweep, fence=self._fence.number)
            yield connection

    @contextlib.contextmanager
    def _transaction(self) -> Generator[Connection]:
        with self._writes.begin() as connection:
            connection.info.pop(writing.LAST_EVENT, None)
            yield connection
            last = connection.info.get(writing.LAST_EVENT)
        if last is not None and self._opened.guard is not None:
            self._opened.guard.committed(event=last[0], chain=last[1])

    def _trial_ended(self) -> None:
        if self._opened.guard is not None:
            self._opened.guard.trial_ended()

    @contextlib.contextmanager
    def _change(self, sweep: str, number: int) -> Generator[tuple[Connection, TrialRow]]:
        with self.writing_to(sweep) as connection:
            yield connection, reading.read_trial(connection, sweep, number=number)
