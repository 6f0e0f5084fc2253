"""A process's place in the group of ranks that train together."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A process's place in its group."""

    number: int
    """From 0."""
    num_ranks: int
    """Size of the group."""
    device: torch.device
    """Device of its tensors."""
    local_number: int = 0
    """From 0, among the ranks of its host."""
    spans_hosts: bool = False
    """Whether the group has ranks on several hosts, so that files of rank 0 can be missing here."""
