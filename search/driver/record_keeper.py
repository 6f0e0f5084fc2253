"""Writes the record of a sweep whose trials run on other hosts: one actor on the driver's host writes for all trials.

An SQLite record is a file on the driver's disk, which other hosts cannot read. A record on a database server needs no
actor: every trial can reach it. Writes are done in the order in which they arrive, and each is durable when its call
returns. The actor ends with the driver. A trial that runs longer cannot write any more, like a trial with an old
fencing number.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator
from typing import Any, Protocol  # Any: handles of Ray's actors, and what is sent to them, are untyped

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.errors import RecordFullError, RunError, SearchError
from search.record import JsonObject, Record, open_record
from search.record.rows import NoteKind
from trainables.failures import FailureKind
from trainables.results import StageRun, TrialResult

WRITES = frozenset({"start", "add_stage", "measure", "finish", "note", "wait", "fail"})
"""Methods of a record that trials call: those of `TrialRecord`."""


class TrialRecord(Protocol):
    """What a trial actor writes into a record. `Record` writes it itself; `RemoteRecord` sends it to the keeper.

    `Record` documents the methods, their arguments and their errors.
    """

    def start(self, sweep: str, *, number: int, host: str, process: int) -> object:
        """Record that the trial runs."""
        ...

    def add_stage(self, sweep: str, *, number: int, rung: int, stage: StageRun) -> object:
        """Record a complete stage."""
        ...

    def measure(self, sweep: str, *, number: int, result: TrialResult, rung: int) -> object:
        """Record the result of a rung below the last."""
        ...

    def finish(self, sweep: str, *, number: int, result: TrialResult, rung: int) -> object:
        """Record the result of the last rung."""
        ...

    def note(self, sweep: str, *, number: int, kind: NoteKind, payload: JsonObject) -> object:
        """Record an event that changes nothing else."""
        ...

    def wait(self, sweep: str, *, number: int, reason: str, counts: bool) -> object:
        """Record that the trial is re-queued."""
        ...

    def fail(self, sweep: str, *, number: int, error: str, kind: FailureKind, stage: str | None) -> object:
        """Record that the trial has failed."""
        ...


class RecordKeeper:
    """The actor: runs on the record's host and does the writes that trials send.

    Args:
        path: Path of the record.
    """

    def __init__(self, path: str) -> None:
        self._record: Record = open_record(path, must_exist=True)

    def write(self, method: str, sweep: str, *, fence: int | None, arguments: dict[str, Any]) -> None:
        """Call one of the record's methods.

        Args:
            method: Its name, one of WRITES.
            sweep: Name of the sweep.
            fence: Fencing number of the sweep's driver when the trial was started.
            arguments: The method's keyword arguments.

        Raises:
            RecordFullError: The record's disk is full.
            RunError: The record refused the write; the message says why.
        """
        if method not in WRITES:
            raise RunError(f"a trial cannot call {method!r} of a record; it may call {', '.join(sorted(WRITES))}")
        try:
            getattr(self._record.fenced(sweep, fence=fence), method)(sweep, **arguments)
        except RecordFullError:
            raise
        except SearchError as error:  # most take arguments of their own, so that Ray cannot send them
            raise RunError(str(error)) from None


class RemoteRecord:
    """A record on another host: sends each write to the sweep's keeper.

    Args:
        keeper: Name of the keeper's actor in Ray.
        fence: Fencing number of the sweep's driver.
    """

    def __init__(self, keeper: str, *, fence: int | None) -> None:
        self._keeper, self._fence = keeper, fence

    def start(self, sweep: str, *, number: int, host: str, process: int) -> None:
        """Record that the trial runs."""
        self._write("start", sweep, number=number, host=host, process=process)

    def add_stage(self, sweep: str, *, number: int, rung: int, stage: StageRun) -> None:
        """Record a complete stage."""
        self._write("add_stage", sweep, number=number, rung=rung, stage=stage)

    def measure(self, sweep: str, *, number: int, result: TrialResult, rung: int) -> None:
        """Record the result of a rung below the last."""
        self._write("measure", sweep, number=number, result=result, rung=rung)

    def finish(self, sweep: str, *, number: int, result: TrialResult, rung: int) -> None:
        """Record the result of the last rung."""
        self._write("finish", sweep, number=number, result=result, rung=rung)

    def note(self, sweep: str, *, number: int, kind: NoteKind, payload: JsonObject) -> None:
        """Record an event that changes nothing else."""
        self._write("note", sweep, number=number, kind=kind, payload=payload)

    def wait(self, sweep: str, *, number: int, reason: str, counts: bool) -> None:
        """Record that the trial is re-queued."""
        self._write("wait", sweep, number=number, reason=reason, counts=counts)

    def fail(self, sweep: str, *, number: int, error: str, kind: FailureKind, stage: str | None) -> None:
        """Record that the trial has failed."""
        self._write("fail", sweep, number=number, error=error, kind=kind, stage=stage)

    def _write(self, method: str, sweep: str, **arguments: Any) -> None:
        try:
            keeper = ray.get_actor(self._keeper)
            ray.get(keeper.write.remote(method, sweep, fence=self._fence, arguments=arguments))
        except RayTaskError as error:
            if isinstance(error.cause, RecordFullError):
                raise error.cause from None
            raise RunError(str(error.cause)) from None
        except (ValueError, RayActorError) as error:
            msg = (
                f"the trial cannot write its record ({error}): the sweep's driver keeps it, and has ended; start the "
                "sweep again"
            )
            raise RunError(msg) from error


@contextlib.contextmanager
def record_keeper(record: str, *, is_cluster: bool) -> Generator[str | None]:
    """Run a keeper if the record is a file and trials may run on other hosts; yield its name, or None without a keeper.

    Args:
        record: Path or URL of the record.
        is_cluster: Whether Ray is an existing cluster, not one that was started on this machine.
    """
    if not is_cluster or ("://" in record and not record.startswith("sqlite")):
        yield None
        return
    name = f"xstilts-record-{uuid.uuid4().hex}"
    here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(RecordKeeper)
    keeper = actor.options(name=name, num_cpus=0, scheduling_strategy=here).remote(record)
    try:
        yield name
    finally:
        ray.kill(keeper)
