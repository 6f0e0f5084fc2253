"""The trial actor of a sweep: runs a trial, and records its progress and result before Tune receives them."""

from __future__ import annotations

import os
import platform
from functools import cached_property

from search.driver.record_keeper import RemoteRecord, TrialRecord
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import Failure, TrialTrainable
from search.record import JsonObject, Record, fault_payload, open_record
from trainables.errors import DeviceFaultError, DiskError, RunError, StageBusyError, StoppedError
from trainables.failures import failure_kind
from trainables.ranks.micro_batches import MemoryChange
from trainables.results import StageRun, TrialResult


class RecordPublisher:
    """Writes into the record of a trial's order, or sends the writes to the keeper of the order."""

    def started(self, order: TrialOrder, /) -> None:
        """Record that the trial runs."""
        self._record(order).start(order.sweep, number=order.number, host=platform.node(), process=os.getpid())

    def staged(self, order: TrialOrder, stage: StageRun, /, *, rung: int) -> None:
        """Record a complete stage."""
        self._record(order).add_stage(order.sweep, number=order.number, rung=rung, stage=stage)

    def measured(self, order: TrialOrder, result: TrialResult, /, *, rung: int) -> None:
        """Record the result; it is durable on return."""
        record = self._record(order)
        write = record.finish if rung == order.rungs.last else record.measure
        write(order.sweep, number=order.number, result=result, rung=rung)

    def lost(self, order: TrialOrder, stage: str, error: RunError, /) -> None:
        """Record that ranks were lost, or that a device failed."""
        record = self._record(order)
        if isinstance(error, DeviceFaultError):
            fault = fault_payload(error, stage=stage)
            record.note(order.sweep, number=order.number, kind="device_fault", payload=fault)
            return
        payload: JsonObject = {"stage": stage, "kind": failure_kind(error), "error": str(error)}
        record.note(order.sweep, number=order.number, kind="lost", payload=payload)

    def memory(self, order: TrialOrder, stage: str, change: MemoryChange, /) -> None:
        """Record that a stage is repeated or changed its micro-batches because of memory."""
        tokens: JsonObject = {"tokens_before": change.tokens_before, "tokens_after": change.tokens_after}
        payload: JsonObject = {"stage": stage, "error": change.reason, **tokens}
        self._record(order).note(order.sweep, number=order.number, kind=change.kind, payload=payload)

    def left_out(self, order: TrialOrder, warning: str, /) -> None:
        """Record the warning, once per sweep and process."""
        if (order.sweep, warning) in self._recorded_warnings:
            return
        self._recorded_warnings.add((order.sweep, warning))
        payload: JsonObject = {"warning": warning}
        self._record(order).note(order.sweep, number=order.number, kind="left_out", payload=payload)

    def waits(self, order: TrialOrder, error: StageBusyError | StoppedError | DiskError, /) -> None:
        """Record that the trial is re-queued; it is durable on return."""
        was_at_work = isinstance(error, StoppedError)
        self._record(order).wait(order.sweep, number=order.number, reason=str(error), counts=was_at_work)

    def failed(self, order: TrialOrder, failure: Failure, /) -> None:
        """Record the failure; it is durable on return."""
        record = self._record(order)
        record.fail(order.sweep, number=order.number, error=failure.error, kind=failure.kind, stage=failure.stage)

    @cached_property
    def _recorded_warnings(self) -> set[tuple[str, str]]:
        return set()

    @cached_property
    def _records(self) -> dict[str, Record]:
        return {}

    def _record(self, order: TrialOrder) -> TrialRecord:
        if order.keeper is not None:
            return RemoteRecord(order.keeper, fence=order.fence)
        if order.record not in self._records:
            self._records[order.record] = open_record(order.record, must_exist=True)
        return self._records[order.record].fenced(order.sweep, fence=order.fence)


class SweepTrainable(TrialTrainable):
    """A trial whose progress and result are written into the record."""

    publisher = RecordPublisher()
