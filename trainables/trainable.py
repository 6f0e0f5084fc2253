"""A trial as Ray Tune sees it: a class Trainable whose one step is the whole trial.

Tune reuses the actor for trial after trial (`reuse_actors=True`), and the actor keeps its ranks. So `reset_config` only
takes the new order: whatever can fail is done in `step`, because Tune loses the next trial when `reset_config` raises,
and hangs when it returns False (ray 2.60, docs/decisions/0001).
"""

from __future__ import annotations

import traceback
from typing import Any, Protocol  # Any: Tune's configurations and results are free-form dicts

from ray import tune

from trainables.config import EngineConfig
from trainables.errors import TrainablesError
from trainables.order import TrialOrder
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageStore
from trainables.tasks.registry import adopt
from trainables.trial import Workplace, run_trial
from trainables.worker_group import RayGroup

ORDER = "order"
"""Key of the order in Tune's configuration of a trial."""


class Publisher(Protocol):
    """Told what becomes of a trial, inside the trial actor, before Tune is."""

    def started(self, order: TrialOrder, /) -> None:
        """The trial starts."""
        ...

    def staged(self, order: TrialOrder, stage: StageRun, /) -> None:
        """A stage is complete."""
        ...

    def finished(self, order: TrialOrder, result: TrialResult, /) -> None:
        """The trial is done; returns when that is durable."""
        ...

    def failed(self, order: TrialOrder, error: str, /) -> None:
        """The trial has failed; returns when that is durable."""
        ...


class TrialTrainable(tune.Trainable):
    """Runs the trial it is given, with ranks that it keeps. Subclasses say who is told."""

    publisher: Publisher

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first order."""
        self._order = TrialOrder.model_validate_json(config[ORDER])
        self._group: RayGroup | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order."""
        self._order = TrialOrder.model_validate_json(new_config[ORDER])
        return True

    def step(self) -> dict[str, Any]:
        """Run the trial. A trial that fails is told to the publisher; to Tune it is merely done."""
        order = self._order
        self.publisher.started(order)
        try:
            adopt(order.tasks)
            result = run_trial(order.config, workplace=self._workplace(order))
        except Exception as error:  # noqa: BLE001  (the edge of the process: Tune would run it again and lose the cause)
            if not isinstance(error, TrainablesError):
                traceback.print_exc()
            self.publisher.failed(order, f"{type(error).__name__}: {error}")
        else:
            self.publisher.finished(order, result)
        finally:
            order.progress.unlink(missing_ok=True)
        return {"done": True}

    def cleanup(self) -> None:
        """End the ranks."""
        if self._group is not None:
            self._group.close()

    def _workplace(self, order: TrialOrder) -> Workplace:
        return Workplace(
            store=StageStore(order.store, cache=order.downloads),
            group=self._kept_group(order.config.engine),
            progress=order.progress,
            on_stage=lambda stage: self.publisher.staged(order, stage),
        )

    def _kept_group(self, config: EngineConfig) -> RayGroup:
        if self._group is None or self._group.config != config:
            self.cleanup()
            self._group = RayGroup(config)
        return self._group
