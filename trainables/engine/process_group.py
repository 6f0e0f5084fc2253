"""Joining and leaving the group of ranks that train one trial."""

from __future__ import annotations

import datetime as dt
import os

import torch
import torch.distributed as dist

from trainables.config.frozen import FrozenModel


class ProcessGroupConfig(FrozenModel):
    """Where a rank finds the others."""

    rank: int
    """Number of this rank, from 0."""
    num_ranks: int
    """Ranks in the group."""
    local_rank: int
    """Number of this rank on its host, from 0: its CUDA device."""
    host: str
    """Address of rank 0's host."""
    port: int
    """Port on rank 0's host where ranks meet."""
    threads: int
    """CPU threads of this rank."""
    device: str
    """`cpu` or `cuda`."""
    timeout_seconds: float = 1800.0
    """How long a collective may take before the group counts as broken."""


def join_process_group(config: ProcessGroupConfig) -> torch.device:
    """Make this process a rank; returns its device. Gloo on CPU, NCCL on CUDA.

    DeepSpeed reads the ranks' environment, so it is set here as torchrun would.
    """
    on_cuda = config.device == "cuda"
    index = _device_index(config.local_rank, num_visible=torch.cuda.device_count()) if on_cuda else config.local_rank
    os.environ.update(
        RANK=str(config.rank),
        WORLD_SIZE=str(config.num_ranks),
        LOCAL_RANK=str(index),
        MASTER_ADDR=config.host,
        MASTER_PORT=str(config.port),
    )
    device = torch.device("cuda", index) if on_cuda else torch.device("cpu")
    if on_cuda:
        torch.cuda.set_device(device)
    else:
        os.environ["DS_ACCELERATOR"] = "cpu"
    torch.set_num_threads(config.threads)  # on GPUs too: an offloaded optimiser steps on the CPU
    import deepspeed

    # DeepSpeed would compile a shared-memory all-reduce here: it needs a C++ compiler, makes machines with and without
    # one add in different orders, and leaves segments in /dev/shm when a rank is killed.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    dist.init_process_group(
        "nccl" if on_cuda else "gloo",
        init_method=f"tcp://{config.host}:{config.port}",
        rank=config.rank,
        world_size=config.num_ranks,
        timeout=dt.timedelta(seconds=config.timeout_seconds),
    )
    deepspeed.init_distributed(dist_backend="nccl" if on_cuda else "gloo", auto_mpi_discovery=False, verbose=False)
    return device


def _device_index(local_rank: int, *, num_visible: int) -> int:
    """Return which of the GPUs that this process sees is its own: under Ray each rank sees one, which is number 0."""
    return local_rank if local_rank < num_visible else 0


def leave_process_group() -> None:
    """Leave the group, if this process is in one."""
    if dist.is_initialized():
        dist.destroy_process_group()
