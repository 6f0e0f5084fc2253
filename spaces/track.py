"""Where a sweep reports its events while it runs: trackers of experiments, TensorBoard, or a web service of one's own.

A spec is stored and shown, so it holds no secret: tokens and passwords come from the environment only.
"""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from trainables.config import FrozenModel

SinkKind = Literal["mlflow", "wandb", "tensorboard", "webhook"]
"""Kind of a sink."""

KINDS: tuple[SinkKind, ...] = ("mlflow", "wandb", "tensorboard", "webhook")

_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_PROJECT = re.compile(r"[\w.-]+(/[\w.-]+)?")


class SinkConfig(FrozenModel):
    """One sink of a sweep's events; exactly one of the fields is given."""

    mlflow: str | None = None
    """Tracking URI of an MLflow server. MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, have its credentials."""
    wandb: str | None = None
    """Project of Weights & Biases, as PROJECT or ENTITY/PROJECT. WANDB_API_KEY has the key; WANDB_MODE=offline needs
    none."""
    tensorboard: str | None = None
    """Folder of TensorBoard's runs; a relative one is in XSTILTS_HOME."""
    webhook: str | None = None
    """URL that receives each message by POST, or `$NAME` for a URL in the environment variable NAME.
    XSTILTS_WEBHOOK_TOKEN, if set, is sent as a bearer token."""

    @model_serializer(mode="wrap")
    def _only_what_is_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        return {name: value for name, value in handler(self).items() if value is not None}

    @model_validator(mode="after")
    def _one_is_given_without_a_secret(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            msg = f"a sink has one of {', '.join(KINDS)}, and this one has {len(given)}; write it as - mlflow: URI"
            raise ValueError(msg)
        if complaint := _complaint(self.kind, self.target):
            raise ValueError(complaint)
        return self

    @property
    def kind(self) -> SinkKind:
        """Kind of the sink."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def target(self) -> str:
        """URI, project, folder or URL."""
        return str(getattr(self, self.kind))


def _complaint(kind: SinkKind, target: str) -> str | None:
    """Return why a sink cannot be used, without its target, which may hold a secret."""
    if not target.strip():
        return f"{kind} is empty; give its {_WHAT[kind]}"
    if kind == "wandb":
        return None if _PROJECT.fullmatch(target) else "wandb is no name of a project; write PROJECT or ENTITY/PROJECT"
    if kind == "tensorboard" or (kind == "webhook" and _VARIABLE.fullmatch(target)):
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return f"{kind} is no URL; write it like http://HOST:PORT"
    return _complaint_of_url(kind, parts)


def _complaint_of_url(kind: SinkKind, parts: SplitResult) -> str | None:
    if parts.username or parts.password:
        return f"{kind} holds credentials, and a spec is stored and shown; use the environment: {_WHERE[kind]}"
    if kind == "webhook" and parts.query:
        return f"webhook has a query, which can hold a token, and a spec is stored and shown; {_WHERE[kind]}"
    if kind == "webhook" and parts.scheme not in {"http", "https"}:
        return "webhook is no URL of http or https; write it like https://HOST/PATH, or $NAME"
    return None


_WHAT = {"mlflow": "tracking URI", "wandb": "project", "tensorboard": "folder", "webhook": "URL"}
_WHERE = {
    "mlflow": "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "webhook": "put the whole URL into an environment variable and write $NAME, or set XSTILTS_WEBHOOK_TOKEN",
}
