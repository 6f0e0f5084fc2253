"""Makes a sink from its configuration, and checks that its library is installed."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence

from search.errors import InputError
from search.tracking.sink import Sink, SinkPlace
from spaces.track import SinkConfig, SinkKind

_LIBRARIES: dict[SinkKind, str] = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}

SECRETS = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_USERNAME",
    "WANDB_API_KEY",
    "XSTILTS_WEBHOOK_TOKEN",
)
"""Environment variables whose values are in no log and no message."""


def check_sinks(sinks: Sequence[SinkConfig]) -> None:
    """Check that the libraries of sinks are installed.

    Raises:
        InputError: One is missing; the message says how to install it.
    """
    for config in sinks:
        library = _LIBRARIES.get(config.kind)
        if library is not None and importlib.util.find_spec(library) is None:
            msg = (
                f"track: {config.kind} needs the library {library}, which is not installed; `pip install "
                f"'xstilts[track]'`, or remove it from the spec"
            )
            raise InputError(msg)


def make_sink(config: SinkConfig, *, place: SinkPlace) -> Sink:
    """Return a sink; its library is imported now, and its tracker is not asked for anything.

    Raises:
        Exception: The library's, or a ConnectionError that says what the environment lacks.
    """
    with _IMPORTS:
        return _make_sink(config, place=place)


_IMPORTS = threading.Lock()
"""Held by the thread that imports a sink's library: TensorBoard's is imported while torch is hidden."""


def _make_sink(config: SinkConfig, *, place: SinkPlace) -> Sink:
    match config.kind:
        case "mlflow":
            from search.tracking.mlflow_sink import MlflowSink

            return MlflowSink(place)
        case "wandb":
            from search.tracking.wandb_sink import WandbSink

            return WandbSink(place)
        case "tensorboard":
            from search.tracking.tensorboard_sink import TensorBoardSink

            return TensorBoardSink(place)
        case "webhook":
            from search.tracking.webhook_sink import WebhookSink

            return WebhookSink(place)


def secrets_of(config: SinkConfig, environment: dict[str, str]) -> list[str]:
    """Return the values of the environment that no log may hold."""
    names = [*SECRETS, *([config.target[1:]] if config.target.startswith("$") else [])]
    values = [value for name in names if (value := environment.get(name, "").strip())]
    return [form for value in values for form in (value, repr(value)[1:-1])]
