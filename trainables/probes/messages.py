"""Requests and answers of probes. Plain data that crosses processes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel

Probe = Literal["memory", "matrix_product", "adamw", "all_reduce", "zero_0", "zero_1", "zero_2", "zero_3"]
"""Name of a probe."""

ALONE: tuple[Probe, ...] = ("memory", "matrix_product", "adamw", "zero_0", "zero_1", "zero_2", "zero_3")
"""Probes of each device alone."""

TOGETHER: tuple[Probe, ...] = ("all_reduce", "zero_0", "zero_1", "zero_2", "zero_3")
"""Probes of all devices of a machine together."""


class Place(FrozenModel):
    """Device of a rank of a probe."""

    device: Literal["cpu", "cuda"]
    """Kind of the device."""
    index: int = 0
    """Number of the visible CUDA device; on the CPU the number of the rank."""

    @property
    def name(self) -> str:
        """Torch's name of the device."""
        return f"cuda:{self.index}" if self.device == "cuda" else "cpu"


class ProbeAnswer(FrozenModel):
    """Result of a probe."""

    probe: Probe
    """Its name."""
    text: str | None = None
    """What it found, as text; None if it failed."""
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """Measured values, with the unit in the name."""
    error: str | None = None
    """Why it failed, in one line."""


class ProbesRequest(FrozenModel):
    """One rank of a group, and the probes that it runs in order."""

    number: int
    """Its number, from 0."""
    num_ranks: int
    """Ranks of the group."""
    place: Place
    """Its device."""
    port: int
    """Port of this machine where ranks meet."""
    threads: int
    """Its CPU threads."""
    probes: tuple[Probe, ...]
    """Its probes."""
