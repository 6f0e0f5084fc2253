"""The Trainable class that Ray Tune runs for a trial; each step is one rung.

A trial never waits for a stage that another trial makes: it is re-queued, and the driver starts it again when the stage
is complete.

Tune reuses the actor for trial after trial (`reuse_actors=True`), and the actor keeps its ranks. So `reset_config` only
reads the new order, and everything that can fail is done in `step`: Tune loses the next trial if `reset_config` raises,
and hangs if it returns False (ray 2.60, docs/decisions/0001).
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, Protocol  # Any: Tune's configurations and results are free-form dicts

from ray import tune

from search.driver.ray_group import RayGroup
from search.driver.trial_log import add_to_log
from search.driver.trial_order import TrialOrder
from search.errors import RecordFullError, RecordMissingError
from trainables.config import EngineConfig
from trainables.errors import (
    DeviceFaultError,
    DiskError,
    DiskFullError,
    HangError,
    HostLostError,
    NonFiniteLossError,
    RunError,
    StageBusyError,
    StoppedError,
    TrainablesError,
)
from trainables.failures import FailureKind, exit_within, failure_kind
from trainables.ranks.devices import RankDevices
from trainables.ranks.micro_batches import MemoryChange
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageStore
from trainables.tasks.registry import adopt
from trainables.trials.checkpoint_keeper import StopRequest
from trainables.trials.trial import TrialResources, raising_disk_errors, run_trial

ORDER = "order"
"""Key of the order in Tune's configuration of a trial."""

RUNG = "rung"
"""Key of the rung in the result of a step."""


DISK = "disk"
"""Key of the disk's state in the result of a step: `full` or `unusable` if the step ended because of it, else None."""


FAULT = "fault"
"""Key of a fault in the result of a step: why the trial cannot continue on its devices. `kind` is a failing device or
lost room, `message` is the error; None without a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trial has failed."""

    error: str
    """The error message."""
    kind: FailureKind
    """Kind of the failure."""
    stage: str | None = None
    """Key of the stage that no trial can make, if there is one."""


class Publisher(Protocol):
    """Receives the progress and result of a trial, inside the trial actor and before Tune does.

    Each method raises RecordFullError if the record's disk is full, and RecordMissingError if its file is gone.
    """

    def started(self, order: TrialOrder, /) -> None:
        """The trial starts."""
        ...

    def staged(self, order: TrialOrder, stage: StageRun, /, *, rung: int) -> None:
        """A stage is complete."""
        ...

    def measured(self, order: TrialOrder, result: TrialResult, /, *, rung: int) -> None:
        """The trial was measured at a rung; after the last rung it is finished. Returns when this is durable."""
        ...

    def lost(self, order: TrialOrder, stage: str, error: RunError, /) -> None:
        """The ranks were lost or failed while they made a stage; it is tried again from its last checkpoint."""
        ...

    def memory(self, order: TrialOrder, stage: str, change: MemoryChange, /) -> None:
        """A stage is tried again, or with other micro-batches, because of memory."""
        ...

    def left_out(self, order: TrialOrder, warning: str, /) -> None:
        """Many rows of a split were left out, or contain special tokens; `warning` describes them."""
        ...

    def waits(self, order: TrialOrder, error: StageBusyError | StoppedError | DiskError, /) -> None:
        """The trial is re-queued until a stage is complete or the sweep continues. Returns when this is durable."""
        ...

    def failed(self, order: TrialOrder, failure: Failure, /) -> None:
        """The trial has failed. Returns when this is durable."""
        ...


class TrialTrainable(tune.Trainable):
    """Runs the trials it receives, with ranks that it keeps. Subclasses set the publisher."""

    publisher: Publisher

    def setup(self, config: dict[str, Any]) -> None:
        """Read the first order."""
        self._read_order(config)
        self._group: RayGroup | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Read the next order."""
        self._read_order(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Run the trial's next rung. A failure is reported to the publisher; for Tune the trial is only done."""
        try:
            is_done, disk, fault = self._run()
        except (RecordFullError, RecordMissingError) as error:
            # What could not be recorded is done again once the record can be written.
            is_done, disk, fault = True, "full" if isinstance(error, RecordFullError) else "unusable", None
        finally:
            self._order.progress.unlink(missing_ok=True)
        rung, self._rung = self._rung, self._rung + 1
        return {"done": is_done, RUNG: rung, DISK: disk, FAULT: fault}

    def _run(self) -> tuple[bool, str | None, dict[str, str] | None]:
        """Run a rung and publish how it ends; return whether the trial is done, and the values of DISK and FAULT.

        Raises:
            RecordFullError: The record could not be written.
            RecordMissingError: The record's file is gone.
        """
        order, rung = self._order, self._rung
        is_done, disk, fault = True, None, None
        if rung == order.rung:
            self.publisher.started(order)
        try:
            adopt(order.tasks)
            result = run_trial(order.config, resources=self._resources(order, rung), rungs=order.rungs, rung=rung)
        except (StageBusyError, StoppedError) as error:
            self.publisher.waits(order, error)
        except DiskError as error:
            disk = "full" if isinstance(error, DiskFullError) else "unusable"
            self.publisher.waits(order, error)
        except (DeviceFaultError, HostLostError) as error:  # its driver runs the trial elsewhere
            fault = {"kind": failure_kind(error), "message": str(error)}
        except (RecordFullError, RecordMissingError):
            raise
        except Exception as error:
            if (requested_exit := exit_within(error)) is not None:
                raise requested_exit from error
            self._log(error)
            stage = error.stage if isinstance(error, NonFiniteLossError) else None
            message = f"{type(error).__name__}: {error}"
            self.publisher.failed(order, Failure(error=message, kind=failure_kind(error), stage=stage))
        else:
            self.publisher.measured(order, result, rung=rung)
            is_done = rung == order.rungs.last
        return is_done, disk, fault

    def _read_order(self, config: dict[str, Any]) -> None:
        self._order = TrialOrder.model_validate_json(config[ORDER])
        self._rung = self._order.rung

    def cleanup(self) -> None:
        """End the ranks."""
        if self._group is not None:
            self._group.close()

    def _resources(self, order: TrialOrder, rung: int) -> TrialResources:
        with raising_disk_errors(order.store):  # the driver opened the store before, so it can be used again later
            store = StageStore(order.store, cache=order.downloads)
        return TrialResources(
            store=store,
            group=self._kept_group(order.config.engine, devices=order.devices),
            progress=order.progress,
            on_lost=self._report_lost,
            on_memory=lambda stage, change: self.publisher.memory(order, stage, change),
            on_stage=lambda stage: self.publisher.staged(order, stage, rung=rung),
            on_left_out=lambda warning: self.publisher.left_out(order, warning),
            stop=StopRequest(order.stop),
            waits=False,
            expired=order.expired,
        )

    def _report_lost(self, stage: str, error: RunError) -> None:
        self._log(error)
        self.publisher.lost(self._order, stage, error)

    def _log(self, error: Exception) -> None:
        """Write the details of an error to the trial's log, with the errors of ranks that did not cause it."""
        if notes := getattr(error, "__notes__", []):
            add_to_log(self._order.log, title=f"other ranks reported, besides: {error}", text="\n".join(notes))
        if isinstance(error, HangError):
            add_to_log(self._order.log, title=str(error), text=error.stacks)
        elif not isinstance(error, TrainablesError):
            add_to_log(self._order.log, title=repr(error), text="".join(traceback.format_exception(error)))

    def _kept_group(self, config: EngineConfig, *, devices: RankDevices) -> RayGroup:
        if self._group is None or (self._group.config, self._group.devices) != (config, devices):
            self.cleanup()
            self._group = RayGroup(config, devices=devices)
        return self._group
