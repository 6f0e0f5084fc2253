"""Sends messages to an MLflow server: a run for each trial, in an experiment with the sweep's name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from search.tracking.messages import Message
from search.tracking.sink import SinkPlace
from search.tracking.trial_updates import TrialUpdate, update_of

_DEFAULTS = {
    # MLflow's own are 120 s and 7 retries: a server that is down would be asked for a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_MAX_METRICS = 1000
"""Largest number of metrics that MLflow takes at a time."""
_MAX_TEXT = 5000
"""Largest number of characters of a parameter or a tag that MLflow takes, and a little less."""
_NOT_ALLOWED = re.compile(r"[^\w\-. /]")
"""Characters that no name of a metric or a parameter can have, such as the `@` of a control."""

ORIGIN, TRIAL = "xstilts.origin", "xstilts.trial"
"""Tags of a run by which it is found again."""


class MlflowSink:
    """See the module. MLflow stores a metric that arrives twice with the same step, time and value only once.

    Args:
        place: The sweep, and the URI of the server.
    """

    def __init__(self, place: SinkPlace) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._place = place
        self._client = MlflowClient(tracking_uri=place.target)

    def send(self, messages: Sequence[Message], /) -> None:
        """Send messages, those of one trial together.

        Raises:
            Exception: One of MLflow's.
        """
        updates: dict[int, list[TrialUpdate]] = {}
        for message in messages:
            update = update_of(message)
            if update is not None:
                updates.setdefault(update.trial, []).append(update)
        for trial, found in updates.items():
            self._log(trial, found)

    def close(self) -> None:
        """Do nothing: each call returns when the server has the messages."""

    def _log(self, trial: int, updates: Sequence[TrialUpdate]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        run = self._run(trial, started=updates[0].time)
        metrics = [
            Metric(_NOT_ALLOWED.sub("_", one.name), one.value, round(1000 * one.time), one.step)
            for update in updates
            for one in update.metrics
        ]
        parameters = {name: value for update in updates for name, value in update.parameters.items()}
        tags = {name: value for update in updates for name, value in update.tags.items()}
        params = [Param(_NOT_ALLOWED.sub("_", name), value[:_MAX_TEXT]) for name, value in parameters.items()]
        self._client.log_batch(run, params=params, tags=[RunTag(name, text[:_MAX_TEXT]) for name, text in tags.items()])
        for start in range(0, len(metrics), _MAX_METRICS):
            self._client.log_batch(run, metrics=metrics[start : start + _MAX_METRICS])
        if ended := updates[-1].ended:
            self._client.set_terminated(run, status=ended, end_time=round(1000 * updates[-1].time))

    def _run(self, trial: int, *, started: float) -> str:
        """Return the id of a trial's run: the one that is known here, one that the server has, or a new one."""
        kept = self._place.kept
        if str(trial) not in kept:
            experiment = self._experiment()
            wanted = f"tags.`{ORIGIN}` = '{self._place.origin}' and tags.`{TRIAL}` = '{trial}'"
            found = self._client.search_runs([experiment], filter_string=wanted, max_results=1)
            if found:
                kept[str(trial)] = found[0].info.run_id
            else:
                tags = {ORIGIN: self._place.origin, TRIAL: str(trial), "xstilts.sweep": self._place.sweep}
                made = self._client.create_run(
                    experiment, start_time=round(1000 * started), tags=tags, run_name=f"trial {trial}"
                )
                kept[str(trial)] = made.info.run_id
        return kept[str(trial)]

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._place.sweep)
        return found.experiment_id if found else self._client.create_experiment(self._place.sweep)
