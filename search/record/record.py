"""The record: the SQL database that holds sweeps, trials, measurements and events.

Any number of processes can read and write one record at the same time: the driver proposes while trial actors finish.
Each method is one transaction, which is durable when the method returns. It writes the event and the derived tables
together, so a killed process leaves all of it or nothing. Writers of one sweep wait for each other (up to 30 s on
SQLite).

One process drives a sweep at a time: `own_sweep` gives it a fencing number. Its writes, and those of its trial actors,
carry this number (`fenced`), and are refused after another process has taken the sweep over. Writes without a number
are not checked.

Trials are numbered from 0 without gaps. A trial's results never change: writing the same result again does nothing, and
a different result is refused. Threads can share a Record; do not send it to other processes: send `record.where` and
open the record there.
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

from search.errors import RecordMissingError
from search.record import owner_rows, row_reader, row_writer, schema
from search.record.database import OpenDatabase, open_database, writing_engine
from search.record.integrity.guard import check_now
from search.record.lineage import with_stage
from search.record.record_reader import RecordReader
from search.record.reserve import Reserve, with_reserve
from search.record.rows import (
    JsonObject,
    NoteKind,
    Objective,
    Proposal,
    Revision,
    SweepRow,
    TrialRow,
    check_scores_objectives,
)
from search.record.same_spec import check_same_sweep
from trainables.failures import FailureKind
from trainables.names import expanded
from trainables.results import StageRun, TrialResult


def open_record(where: str | Path, *, read_only: bool = False, must_exist: bool = False) -> Record:
    """Return the record at a path or URL; create it if it is missing.

    Args:
        where: Path of an SQLite file, or an SQLAlchemy URL such as `postgresql+psycopg://user:password@host/database`.
        read_only: Whether the record is only read; a missing record is then an error.
        must_exist: Whether a missing file is an error also where the record is written: it was there before.

    Raises:
        RecordMissingError: `read_only` or `must_exist` is set, and the record does not exist.
        RecordForeignError: The database belongs to another program.
        RecordNewerError: A newer version of xstilts wrote it.
        RecordOlderError: `read_only` is set, and the record has an older schema that cannot be migrated.
        RecordDamagedError: The file is damaged, and no good snapshot exists.
        RecordUnusableError: It cannot be opened.
    """
    place = str(where) if "://" in str(where) else str(expanded(where, what="the record").absolute())
    if must_exist and "://" not in place and not Path(place).exists():
        raise RecordMissingError(f"the record {place} is gone; its disk must be mounted and readable")
    return Record(open_database(place, read_only=read_only), where=place)


class Record(RecordReader):
    """See the module. Made by `open_record`.

    Args:
        opened: The database, with the record's tables.
        where: Path or URL that opens it again.
        fence: Fencing number of its writes to one sweep; None, and other sweeps, are not checked.
    """

    def __init__(self, opened: OpenDatabase, *, where: str, fence: owner_rows.Fence | None = None) -> None:
        super().__init__(opened.engine)
        self.where = where
        self._opened = opened
        self._writes = writing_engine(opened.engine)
        self._fence = fence
        is_file = opened.engine.dialect.name == "sqlite"
        self.reserve = Reserve(Path(opened.engine.url.database or "") if is_file else None)
        """Disk space that is reserved for the record while a sweep runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and seal the file if no other process writes it."""
        self._opened.close()

    def check(self) -> int | None:
        """Check every page, event and derived row, and return the number of events; None on a server.

        This takes seconds on a long record. Opening a record does it too if the file may have been changed.

        Raises:
            RecordDamagedError: The file is damaged.
        """
        is_file = self.engine.dialect.name == "sqlite"
        return check_now(Path(self.engine.url.database or "")) if is_file else None

    def fenced(self, sweep: str, *, fence: int | None) -> Record:
        """Return a record with the same connections whose writes to the sweep carry a fencing number.

        Once the sweep has a newer owner, every such write raises FencedError and changes nothing.

        Args:
            sweep: Name of the sweep.
            fence: An owner's number; None returns this record.
        """
        if fence is None:
            return self
        return Record(self._opened, where=self.where, fence=owner_rows.Fence(sweep=sweep, number=fence))

    @with_reserve
    def put_sweep(self, name: str, *, spec: JsonObject, objective: Objective, planned_trials: int) -> SweepRow:
        """Return the sweep of this name; create it if there is none. The planned trials of an existing one only grow.

        Raises:
            SweepDiffersError: The sweep exists with another spec or objective.
        """
        row: JsonObject = {"name": name, "spec": spec, "objective": objective, "planned_trials": planned_trials}
        with contextlib.suppress(IntegrityError), self._transaction() as connection:
            # On PostgreSQL another process can insert it between the query and this insert: then it exists.
            if name not in connection.scalars(select(schema.sweeps.c.name)).all():
                now = time.time()
                connection.execute(schema.sweeps.insert().values(**row, created_at=now))
                row_writer.add_event(connection, name, number=None, kind="sweep", payload=row, at=now)
        sweep = self.plan(name, planned_trials=planned_trials)
        check_same_sweep(sweep, spec=spec, objective=objective)
        return sweep

    @with_reserve
    def revise(self, name: str, *, revision: Revision) -> SweepRow:
        """Return the sweep with another spec; its trials count or are excluded according to the revision.

        Raises:
            UnknownSweepError: There is no such sweep.
            FencedError: Another process has taken the sweep over.
        """
        with self.writing_to(name) as connection:
            row_reader.read_sweep(connection, name)
            row_writer.revise(connection, name, revision=revision)
            return row_reader.read_sweep(connection, name)

    def last_revision(self, name: str) -> Revision | None:
        """Return the last change of the sweep's spec, or None if there was none."""
        with self.engine.begin() as connection:
            return row_reader.read_last_revision(connection, name)

    @with_reserve
    def plan(self, name: str, *, planned_trials: int) -> SweepRow:
        """Return the sweep after raising its planned trials to this number; a lower number changes nothing.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(name) as connection:
            sweep = row_reader.read_sweep(connection, name)
            if planned_trials > sweep.planned_trials:
                raised = update(schema.sweeps).where(schema.sweeps.c.name == name)
                connection.execute(raised.values(planned_trials=planned_trials))
                payload: JsonObject = {"planned_trials": planned_trials}
                row_writer.add_event(connection, name, number=None, kind="planned", payload=payload, at=time.time())
            return row_reader.read_sweep(connection, name)

    @with_reserve
    def propose(self, sweep: str, *, proposal: Proposal) -> TrialRow:
        """Return a new trial with the sweep's next number.

        Raises:
            UnknownSweepError: There is no such sweep.
            ConfigError: The trial does not score what the sweep's objective needs.
        """
        with self.writing_to(sweep) as connection:
            row = row_reader.read_sweep(connection, sweep)
            check_scores_objectives(proposal, goals={row.objective, *row.goals})
            number = row_reader.next_number(connection, sweep)
            row_writer.add_trial(connection, sweep, number=number, proposal=proposal)
            return row_reader.read_trial(connection, sweep, number=number)

    @with_reserve
    def start(self, sweep: str, *, number: int, host: str | None = None, process: int | None = None) -> TrialRow:
        """Return the trial, now running and with one more attempt.

        Args:
            sweep: Name of the sweep.
            number: The trial's number.
            host: Name of the host that runs it; None for this host.
            process: Number of the process that runs it; None for this process.

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
            row_writer.move(connection, trial, state="running", payload=payload, time_column="started_at", **again)
            return row_reader.read_trial(connection, sweep, number=number)

    @with_reserve
    def add_stage(self, sweep: str, *, number: int, rung: int, stage: StageRun) -> None:
        """Record a stage when it is made or found, so that the cost of a killed trial is not lost. Optional.

        The lineage in the rung's result later replaces the stages that were added here.

        Raises:
            UnknownTrialError: There is no such trial.
        """
        with self._change(sweep, number) as (connection, trial):
            rows = row_reader.read_stages(connection, sweep, number=number)
            stages = with_stage(rows, rung=rung, stage=stage)
            paid = row_writer.put_stages(connection, trial, rung=rung, stages=stages)
            row_writer.change_trial(connection, trial, **paid)
            payload: JsonObject = {"rung": rung, "stage": stage.model_dump(mode="json")}
            row_writer.add_event(connection, sweep, number=number, kind="stage", payload=payload, at=time.time())

    @with_reserve
    def measure(self, sweep: str, *, number: int, result: TrialResult, rung: int = 0) -> TrialRow:
        """Return the trial, still running, after adding its result at a rung.

        Raises:
            UnknownTrialError: There is no such trial.
            ResultDiffersError: It was measured at this rung with another result.
        """
        with self._change(sweep, number) as (connection, trial):
            row_writer.measure(connection, trial, result=result, rung=rung)
            return row_reader.read_trial(connection, sweep, number=number)

    @with_reserve
    def finish(self, sweep: str, *, number: int, result: TrialResult, rung: int = 0) -> TrialRow:
        """Return the trial, now finished with the result of its last rung. Writing the same result again does nothing.

        Raises:
            UnknownTrialError: There is no such trial.
            ResultDiffersError: It was measured at this rung with another result.
            StateError: It was pruned.
        """
        with self._change(sweep, number) as (connection, trial):
            score = row_writer.measure(connection, trial, result=result, rung=rung)
            if trial.state != "finished":
                payload: JsonObject = {"rung": rung, "score": score}
                row_writer.move(
                    connection, trial, state="finished", payload=payload, time_column="ended_at", error=None
                )
            ended = row_reader.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def prune(self, sweep: str, *, number: int) -> TrialRow:
        """Return the trial, now pruned at its highest measured rung. A second call does nothing.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: The trial has another final state, or is not started.
        """
        with self._change(sweep, number) as (connection, trial):
            if trial.state != "pruned":
                payload: JsonObject = {"rung": trial.rung, "score": trial.score}
                row_writer.move(connection, trial, state="pruned", payload=payload, time_column="ended_at")
            ended = row_reader.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def fail(
        self, sweep: str, *, number: int, error: str, kind: FailureKind = "other", stage: str | None = None
    ) -> TrialRow:
        """Return the trial, now failed; `start` runs it again.

        Args:
            sweep: Name of the sweep.
            number: The trial's number.
            error: The error message.
            kind: Kind of the failure.
            stage: Key of the stage that no trial can make, if there is one.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has finished or was pruned.
        """
        with self._change(sweep, number) as (connection, trial):
            payload: JsonObject = {"error": error, "kind": kind, "stage": stage}
            row_writer.move(connection, trial, state="failed", payload=payload, time_column="ended_at", error=error)
            ended = row_reader.read_trial(connection, sweep, number=number)
        self._trial_ended()
        return ended

    @with_reserve
    def note(self, sweep: str, *, number: int | None = None, kind: NoteKind, payload: JsonObject) -> None:
        """Add an event of a sweep or a trial that changes nothing else.

        Args:
            sweep: Name of the sweep.
            number: The trial's number; None for an event of the sweep.
            kind: Kind of the event.
            payload: Its details.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(sweep) as connection:
            row_writer.add_event(connection, sweep, number=number, kind=kind, payload=payload, at=time.time())

    @with_reserve
    def wait(self, sweep: str, *, number: int, reason: str, counts: bool = False) -> TrialRow:
        """Return the trial, now re-queued: it waits, and `start` runs it again.

        Args:
            sweep: Name of the sweep.
            number: The trial's number.
            reason: What the trial waits for.
            counts: Whether the last start counts as an attempt; one that could not begin does not.

        Raises:
            UnknownTrialError: There is no such trial.
            StateError: It has ended.
        """
        with self._change(sweep, number) as (connection, trial):
            attempts = trial.attempts if counts else max(0, trial.attempts - 1)
            payload: JsonObject = {"reason": reason, "counts": counts}
            row_writer.move(
                connection,
                trial,
                state="interrupted",
                payload=payload,
                time_column="ended_at",
                kind="waiting",
                attempts=attempts,
            )
            return row_reader.read_trial(connection, sweep, number=number)

    @with_reserve
    def interrupt_running(self, sweep: str) -> tuple[int, ...]:
        """Mark all running trials as interrupted and return their numbers; `start` runs them again.

        Only the sweep's driver may call this: otherwise trials that still run would look interrupted.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.writing_to(sweep) as connection:
            running = row_reader.read_trials(connection, sweep, states=("running",))
            for trial in running:
                row_writer.move(connection, trial, state="interrupted", payload={}, time_column="ended_at")
            return tuple(trial.number for trial in running)

    @contextlib.contextmanager
    def writing_to(self, sweep: str) -> Generator[Connection]:
        """Lock a sweep and yield a transaction for writes, which is durable at the end of the context.

        Raises:
            UnknownSweepError: There is no such sweep.
            FencedError: This record has the fencing number of an earlier owner.
        """
        with self._transaction() as connection:
            row_reader.read_sweep(connection, sweep, lock=True)
            if self._fence is not None and self._fence.sweep == sweep:
                owner_rows.check_fence(connection, sweep, fence=self._fence.number)
            yield connection

    @contextlib.contextmanager
    def _transaction(self) -> Generator[Connection]:
        with self._writes.begin() as connection:
            connection.info.pop(row_writer.LAST_EVENT, None)
            yield connection
            last = connection.info.get(row_writer.LAST_EVENT)
        if last is not None and self._opened.guard is not None:
            self._opened.guard.committed(event=last[0], chain=last[1])

    def _trial_ended(self) -> None:
        if self._opened.guard is not None:
            self._opened.guard.trial_ended()

    @contextlib.contextmanager
    def _change(self, sweep: str, number: int) -> Generator[tuple[Connection, TrialRow]]:
        with self.writing_to(sweep) as connection:
            yield connection, row_reader.read_trial(connection, sweep, number=number)
