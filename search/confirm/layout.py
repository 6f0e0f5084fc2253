"""How trials are scored side by side on one machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import EngineConfig

BYTES_OF_A_RANK = 1 << 30
"""Memory of a rank beside its weights: torch, the encoded texts, a batch."""

COPIES = 4
"""Times that a rank needs the size of the stored weights: float32 of float16, and the copy that it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the machine has."""

    cores: int
    """Cores that this process may use."""
    devices: int
    """CUDA devices, where the trials use them; 0 on the CPU."""
    free_bytes: int
    """Memory that nobody uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Who scores."""

    groups: int
    """Trials at a time."""
    engine: EngineConfig
    """Ranks and threads of each."""


def layout_of(engine: EngineConfig, *, num_trials: int, weight_bytes: int, room: Room) -> Layout:
    """Return how some trials are scored fastest: each by few ranks, and as many at a time as there is room for.

    A rank has no use for a neighbour's memory here: each holds the whole model, and they only share out the items.

    Args:
        engine: What the trials were trained with.
        num_trials: How many are to be scored, at least one.
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
