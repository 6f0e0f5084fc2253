"""Sends messages to Weights & Biases, or writes them for `wandb sync` with WANDB_MODE=offline: a run for each trial."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any  # Any: a run of wandb has no usable static type

from search.tracking.messages import Message
from search.tracking.sink import SinkPlace
from search.tracking.trial_updates import TrialUpdate, update_of

MAX_OPEN = 16
"""Runs that are open at the same time; the least recently used one is finished, and resumed when it is needed."""

_KEEPERS = ("WANDB_API_KEY", "WANDB_MODE")


class WandbSink:
    """See the module. A run has the same id each time, so that it continues after a restart.

    Args:
        place: The sweep, and the project as PROJECT or ENTITY/PROJECT.

    Raises:
        ConnectionError: There is no key, and the mode is not offline: wandb would ask for one on the terminal.
    """

    def __init__(self, place: SinkPlace) -> None:
        environment = place.environment
        if not environment.get("WANDB_API_KEY") and environment.get("WANDB_MODE") not in {"offline", "disabled"}:
            msg = "there is no WANDB_API_KEY; set it, or WANDB_MODE=offline, then resume the sweep"
            raise ConnectionError(msg)
        for name in _KEEPERS:
            if name in environment:
                os.environ[name] = environment[name]
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        place.folder.mkdir(parents=True, exist_ok=True)
        self._place = place
        self._runs: dict[int, Any] = {}

    def send(self, messages: Sequence[Message], /) -> None:
        """Log messages.

        Raises:
            Exception: One of wandb's.
        """
        for message in messages:
            update = update_of(message)
            if update is not None:
                self._log(update)

    def close(self) -> None:
        """Finish all runs; those of trials that continue are resumed later."""
        for run in self._runs.values():
            run.finish(quiet=True)
        self._runs.clear()

    def _log(self, update: TrialUpdate) -> None:
        run = self._run(update.trial)
        if update.parameters:
            run.config.update(dict(update.parameters), allow_val_change=True)
        for metric in update.metrics:
            part = metric.name.partition("/")[0]
            run.log({metric.name: metric.value, f"{part}/step": metric.step})
        if "xstilts.state" in update.tags:
            run.summary["state"] = update.tags["xstilts.state"]
        if update.ended:
            run.finish(exit_code=0 if update.ended == "FINISHED" else 1, quiet=True)
            del self._runs[update.trial]

    def _run(self, trial: int) -> Any:
        run = self._runs.pop(trial, None) or self._start(trial)
        self._runs[trial] = run  # the last one is the most recently used
        while len(self._runs) > MAX_OPEN:
            self._runs.pop(next(iter(self._runs))).finish(quiet=True)
        return run

    def _start(self, trial: int) -> Any:
        import wandb

        entity, _, project = self._place.target.rpartition("/")
        run = wandb.init(
            project=project,
            entity=entity or None,
            group=self._place.sweep,
            name=f"{self._place.sweep} trial {trial}",
            id=f"{self._place.origin}-{trial}",
            resume="allow",
            dir=str(self._place.folder),
            reinit="create_new",
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, disable_code=True, save_code=False, x_disable_stats=True
            ),
        )
        for part in ("pretraining", "intermediate", "target"):
            run.define_metric(f"{part}/loss", step_metric=f"{part}/step")
        return run
