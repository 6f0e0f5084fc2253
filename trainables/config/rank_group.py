"""The place of a rank in its process group. No torch here: the trial's process reads it, and starts without torch."""

from __future__ import annotations

from trainables.config.frozen import FrozenModel


class ProcessGroupConfig(FrozenModel):
    """A rank's place in its group, and where the ranks meet."""

    rank: int
    """Number of this rank, from 0."""
    num_ranks: int
    """Ranks in the group."""
    local_rank: int
    """Number of this rank on its host, from 0."""
    host: str
    """Address of rank 0's host."""
    port: int
    """Port on rank 0's host where ranks meet."""
    threads: int
    """CPU threads of this rank."""
    device: str
    """`cpu` or `cuda`: the settled device of this rank (`trainables.ranks.devices`)."""
    device_index: int = 0
    """Number of its CUDA device among those that this process sees; under Ray it sees no other."""
    memory_share: float = 1.0
    """Share of that device's memory that it can use, above 0 to 1."""
    shares_device: bool = False
    """Whether two ranks of the group have the same device: NCCL does not allow this, so they use Gloo."""
    spans_hosts: bool = False
    """Whether the ranks are on several hosts."""
    timeout_seconds: float = 1800.0
    """Longest time of a collective before the group counts as broken."""
