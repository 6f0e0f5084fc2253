"""A trial as Ray Tune sees it: a class Trainable, each of whose steps is one rung.

It never waits for a stage that another trial makes: it gives its place back, and the driver starts it again when the
stage is there.

Tune reuses the actor for trial after trial (`reuse_actors=True`), and the actor keeps its ranks. So `reset_config` only
takes the new order: whatever can fail is done in `step`, because Tune loses the next trial when `reset_config` raises,
and hangs when it returns False (ray 2.60, docs/decisions/0001).
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, Protocol  # Any: Tune's configurations and results are free-form dicts

from ray import tune

from search.driver.ray_group import RayGroup
from search.driver.trial_log import add_to_log
from search.driver.trial_order import TrialOrder
from trainables.config import EngineConfig
from trainables.errors import (
    DeviceFaultError,
    DiskError,
    DiskFullError,
    HangError,
    NonFiniteLossError,
    PlaceLostError,
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
from trainables.trials.trial import Workplace, run_trial

ORDER = "order"
"""Key of the order in Tune's configuration of a trial."""

RUNG = "rung"
"""Key, in what Tune is told of a step, of the rung that it was."""


DISK = "disk"
"""Key, in what Tune is told of a step, of what it ended for: a disk that is `full` or `unusable`, or None."""


FAULT = "fault"
"""Key, in what Tune is told of a step, of why it cannot go on where it is: `kind`, a device that fails or room that is
lost, and what was `said`. None otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trial has failed."""

    error: str
    """In words."""
    kind: FailureKind
    """What kind of failure it is."""
    stage: str | None = None
    """Key of the stage that can be made by no trial, as far as is known."""


class Publisher(Protocol):
    """Told what becomes of a trial, inside the trial actor, before Tune is."""

    def started(self, order: TrialOrder, /) -> None:
        """The trial starts."""
        ...

    def staged(self, order: TrialOrder, stage: StageRun, /, *, rung: int) -> None:
        """A stage is complete."""
        ...

    def measured(self, order: TrialOrder, result: TrialResult, /, *, rung: int) -> None:
        """The trial was measured at a rung, at the last of which it is done; returns when that is durable."""
        ...

    def lost(self, order: TrialOrder, stage: str, error: RunError, /) -> None:
        """The ranks were lost, or failed, while they made a stage; it is tried again from its last checkpoint."""
        ...

    def memory(self, order: TrialOrder, stage: str, change: MemoryChange, /) -> None:
        """Memory decides how a stage is tried next."""
        ...

    def left_out(self, order: TrialOrder, warning: str, /) -> None:
        """Many rows of a split were left out, or spell special tokens; says so in words."""
        ...

    def waits(self, order: TrialOrder, error: StageBusyError | StoppedError | DiskError, /) -> None:
        """The trial gives its place back until a stage is there or the sweep goes on; returns when that is durable."""
        ...

    def failed(self, order: TrialOrder, failure: Failure, /) -> None:
        """The trial has failed; returns when that is durable."""
        ...


class TrialTrainable(tune.Trainable):
    """Runs the trial it is given, with ranks that it keeps. Subclasses say who is told."""

    publisher: Publisher

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first order."""
        self._take(config)
        self._group: RayGroup | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order."""
        self._take(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Run the trial's next rung. A trial that fails is told to the publisher; to Tune it is merely done."""
        order, rung = self._order, self._rung
        is_done, disk, fault = True, None, None
        if rung == order.rung:
            self.publisher.started(order)
        try:
            adopt(order.tasks)
            result = run_trial(order.config, workplace=self._workplace(order, rung), rungs=order.rungs, rung=rung)
        except (StageBusyError, StoppedError) as error:
            self.publisher.waits(order, error)
        except DiskError as error:
            disk = "full" if isinstance(error, DiskFullError) else "unusable"
            self.publisher.waits(order, error)
        except (DeviceFaultError, PlaceLostError) as error:  # its driver runs the trial elsewhere
            fault = {"kind": failure_kind(error), "said": str(error)}
        except Exception as error:
            if (asked := exit_within(error)) is not None:
                raise asked from error
            self._log(error)
            stage = error.stage if isinstance(error, NonFiniteLossError) else None
            said = f"{type(error).__name__}: {error}"
            self.publisher.failed(order, Failure(error=said, kind=failure_kind(error), stage=stage))
        else:
            self.publisher.measured(order, result, rung=rung)
            is_done = rung == order.rungs.last
        finally:
            order.progress.unlink(missing_ok=True)
        self._rung += 1
        return {"done": is_done, RUNG: rung, DISK: disk, FAULT: fault}

    def _take(self, config: dict[str, Any]) -> None:
        self._order = TrialOrder.model_validate_json(config[ORDER])
        self._rung = self._order.rung

    def cleanup(self) -> None:
        """End the ranks."""
        if self._group is not None:
            self._group.close()

    def _workplace(self, order: TrialOrder, rung: int) -> Workplace:
        return Workplace(
            store=StageStore(order.store, cache=order.downloads),
            group=self._kept_group(order.config.engine, devices=order.devices),
            progress=order.progress,
            on_lost=self._lost,
            on_memory=lambda stage, change: self.publisher.memory(order, stage, change),
            on_stage=lambda stage: self.publisher.staged(order, stage, rung=rung),
            on_left_out=lambda warning: self.publisher.left_out(order, warning),
            stop=StopRequest(order.stop),
            waits=False,
            expired=order.expired,
        )

    def _lost(self, stage: str, error: RunError) -> None:
        self._log(error)
        self.publisher.lost(self._order, stage, error)

    def _log(self, error: Exception) -> None:
        """Keep what the message of an error does not say."""
        if isinstance(error, HangError):
            add_to_log(self._order.log, title=str(error), text=error.stacks)
        elif not isinstance(error, TrainablesError):
            add_to_log(self._order.log, title=repr(error), text="".join(traceback.format_exception(error)))

    def _kept_group(self, config: EngineConfig, *, devices: RankDevices) -> RayGroup:
        if self._group is None or (self._group.config, self._group.devices) != (config, devices):
            self.cleanup()
            self._group = RayGroup(config, devices=devices)
        return self._group
