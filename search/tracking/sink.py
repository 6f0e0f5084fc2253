"""The contract of a sink, which passes messages on to one tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from search.tracking.messages import Message


class Sink(Protocol):
    """Passes messages on to one tracker, in a thread of its own.

    A sink can raise any error and can hang: the courier then sends the same messages again later. So a message that
    arrives twice must change nothing. `kept` survives the process; everything else may be lost.
    """

    def send(self, messages: Sequence[Message], /) -> None:
        """Pass messages on, in order; return when the tracker has them."""
        ...

    def close(self) -> None:
        """Pass on what is buffered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlace:
    """What a sink is made from."""

    sweep: str
    """Name of the sweep."""
    origin: str
    """Names this sweep of this record among sweeps of the same name elsewhere: 12 hexadecimal digits."""
    target: str
    """URI, project, folder or URL."""
    folder: Path
    """Folder for files of the sink."""
    kept: dict[str, str] = field(default_factory=dict[str, str])
    """State of the sink that is stored with its position, such as the tracker's own names of trials."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment variables, which have the secrets."""
