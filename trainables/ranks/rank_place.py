"""Names the host and GPU of a rank, so that a broken one can be quarantined."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable

from trainables.config.frozen import FrozenModel


class RankPlace(FrozenModel):
    """Host and GPU of a rank. Crosses processes, and is kept on record."""

    host: str = ""
    """The host's name, with its node where several have one name; empty if it is unknown."""
    node: str | None = None
    """Ray's id of the host while its raylet runs; None without Ray."""
    gpu: str | None = None
    """Number of the GPU on its host, as Ray or torch counts it; None on the CPU."""
    gpu_uuid: str | None = None
    """UUID of the GPU, as `nvidia-smi -L` prints it; None if the driver does not report it."""

    def __str__(self) -> str:
        """Return text for messages."""
        host = f"host {self.host}" if self.host else "a host"
        return host if self.gpu is None else f"GPU {self.gpu} of {host}"


def host_names(nodes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return Ray's id of each host -> a name that no other host has.

    Args:
        nodes: Id and host name of each; containers, and clusters on one machine, can have the same name.
    """
    pairs = list(nodes)
    counts = Counter(host for _, host in pairs)
    return {node: host if counts[host] == 1 else f"{host}#{node[:8]}" for node, host in pairs}


def this_host() -> RankPlace:
    """Return the place of a rank of this host, on the CPU."""
    return RankPlace(host=platform.node())


def place_on(device_type: str, *, index: int) -> RankPlace:
    """Return the place of a rank of this process; called once, while its GPU still works.

    Args:
        device_type: `cpu` or `cuda`.
        index: Number of its GPU among the GPUs that this process sees.
    """
    if device_type != "cuda":
        return this_host()
    import torch

    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    return RankPlace(host=platform.node(), gpu=str(index), gpu_uuid=f"GPU-{uuid}" if uuid is not None else None)
