"""What is asked of devices and what they answer. Plain data: it crosses processes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel

Probe = Literal["memory", "matrix_product", "adamw", "all_reduce", "zero_0", "zero_1", "zero_2", "zero_3"]
"""What a device is asked to do."""

ALONE: tuple[Probe, ...] = ("memory", "matrix_product", "adamw", "zero_0", "zero_1", "zero_2", "zero_3")
"""What each device is asked by itself."""

TOGETHER: tuple[Probe, ...] = ("all_reduce", "zero_0", "zero_1", "zero_2", "zero_3")
"""What all devices of a machine are asked together."""


class Place(FrozenModel):
    """Where a rank of a probe computes."""

    device: Literal["cpu", "cuda"]
    """On what."""
    index: int = 0
    """Which CUDA device of those that are visible; on the CPU it counts ranks."""

    @property
    def name(self) -> str:
        """Its name, as torch gives it."""
        return f"cuda:{self.index}" if self.device == "cuda" else "cpu"


class ProbeAnswer(FrozenModel):
    """What came of a probe."""

    probe: Probe
    """Which."""
    said: str | None = None
    """What was found; None where it failed."""
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """What was measured, with its unit in the name."""
    error: str | None = None
    """Why it failed, in one line."""


class ProbesRequest(FrozenModel):
    """Who one rank is, and what it is asked, one after the other."""

    number: int
    """Its number, from 0."""
    num_ranks: int
    """Ranks that are asked together."""
    place: Place
    """Where it computes."""
    port: int
    """Port of this machine where ranks meet."""
    threads: int
    """Its CPU threads."""
    probes: tuple[Probe, ...]
    """What it is asked."""
