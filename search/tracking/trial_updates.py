"""What trackers show of a message: parameters, measurements and the state of a trial."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.tracking.messages import LOSS, Message

ENDED = {"finished": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}
"""Kind of the last message of a trial -> its state in MLflow's words."""

_SCORES = ("languages", "task_scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a trial."""

    name: str
    """`score`, `language/CODE`, `task/NAME`, `PHASE/loss`."""
    value: float
    step: int
    """Rung of a score; step in its phase of a loss."""
    time: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialUpdate:
    """What one message says about a trial."""

    trial: int
    time: float
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Parameter of the space -> value, as text; with the trial's family and seed."""
    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    ended: str | None = None
    """`FINISHED` or `FAILED` if the trial has ended."""


def update_of(message: Message) -> TrialUpdate | None:
    """Return what a message says about a trial; None if trackers show nothing of it."""
    if message.trial is None:
        return None
    payload, kind = message.payload, message.kind
    parameters: dict[str, str] = {}
    if kind == "proposed":
        given = payload.get("assignment")
        parameters = {name: as_text(value) for name, value in given.items()} if isinstance(given, dict) else {}
        parameters |= {name: as_text(payload.get(name)) for name in ("family", "seed")}
    metrics = tuple(_metrics(message))
    tags = {} if kind in {LOSS, "stage"} else {"xstilts.state": kind}
    if error := payload.get("error"):
        tags["xstilts.error"] = str(error)[:500]
    if not (parameters or metrics or tags):
        return None
    return TrialUpdate(
        trial=message.trial,
        time=message.time,
        parameters=parameters,
        metrics=metrics,
        tags=tags,
        ended=ENDED.get(kind),
    )


def as_text(value: JsonValue) -> str:
    """Return a value as a tracker shows it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _metrics(message: Message) -> Iterator[Metric]:
    payload, time = message.payload, message.time
    if message.kind == LOSS:
        step, loss = payload.get("step"), payload.get("loss")
        if isinstance(step, int) and isinstance(loss, int | float):
            yield Metric(name=f"{payload.get('phase')}/loss", value=float(loss), step=step, time=time)
        return
    rung = payload.get("rung")
    step = rung if isinstance(rung, int) else 0
    score = payload.get("score")
    if isinstance(score, int | float) and message.kind in ENDED:
        yield Metric(name="score", value=float(score), step=step, time=time)
    result = payload.get("result")
    for part in _SCORES if isinstance(result, dict) else ():
        scores = result.get(part) if isinstance(result, dict) else None
        prefix = "language" if part == "languages" else "task"
        for name, value in scores.items() if isinstance(scores, dict) else ():
            if isinstance(value, int | float):
                yield Metric(name=f"{prefix}/{name}", value=float(value), step=step, time=time)
