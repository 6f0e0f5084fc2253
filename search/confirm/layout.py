"""Computes how many trials are scored at a time on one machine, and with how many ranks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import EngineConfig

BYTES_OF_A_RANK = 1 << 30
"""Memory of a rank without its weights: torch, the encoded texts, a batch."""

COPIES = 4
"""Memory of a rank's weights, in sizes of the stored weights: float16 becomes float32, and the rank keeps a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The resources of the machine."""

    cores: int
    """Cores that this process may use."""
    devices: int
    """CUDA devices, where the trials use them; 0 on the CPU."""
    free_bytes: int
    """Free memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many trials are scored at a time, and how."""

    groups: int
    """Trials at a time."""
    engine: EngineConfig
    """Ranks and threads of each."""


def layout_of(engine: EngineConfig, *, num_trials: int, weight_bytes: int, room: Room) -> Layout:
    """Return the fastest layout: as many trials at a time as the machine has room for, each on few ranks.

    More ranks for a trial do not save memory here: each rank holds the whole model, and they only divide the items.

    Args:
        engine: The engine settings that the trials were trained with.
        num_trials: Number of trials to score, at least one.
        weight_bytes: Size of an encoder's stored weights.
        room: The machine.
    """
    threads = min(engine.threads_per_rank or 1, room.cores)
    by_devices = room.devices or room.cores // threads
    by_memory = room.free_bytes // (BYTES_OF_A_RANK + COPIES * weight_bytes)
    num_ranks = max(1, min(by_devices, by_memory))
    groups = min(num_ranks, num_trials)
    update = {"num_workers": num_ranks // groups, "threads_per_rank": threads}
    return Layout(groups=groups, engine=engine.model_copy(update=update))
