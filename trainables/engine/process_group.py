"""Joins and leaves the process group of the ranks that train one trial."""

from __future__ import annotations

import datetime as dt
import os
import platform
import socket

import torch
import torch.distributed as dist

from trainables.config.rank_group import ProcessGroupConfig
from trainables.engine.deepspeed_import import import_deepspeed


def join_process_group(config: ProcessGroupConfig) -> torch.device:
    """Make this process a rank; return its device. Gloo on CPU, NCCL on CUDA.

    DeepSpeed reads the ranks' environment, so it is set here as torchrun would.
    """
    on_cuda = config.device == "cuda"
    backend = "nccl" if on_cuda and not config.shares_device else "gloo"
    os.environ.update(
        RANK=str(config.rank),
        WORLD_SIZE=str(config.num_ranks),
        LOCAL_RANK=str(config.device_index if on_cuda else config.local_rank),
        MASTER_ADDR=config.host,
        MASTER_PORT=str(config.port),
        DS_ACCELERATOR=config.device,
    )
    torch.set_num_threads(config.threads)  # also for GPUs: an offloaded optimiser steps on the CPU
    device = _own_device(config) if on_cuda else torch.device("cpu")
    deepspeed = import_deepspeed()

    # Otherwise DeepSpeed compiles a shared-memory all-reduce here: it needs a C++ compiler, machines with and without
    # one add in different orders, and it leaves segments in /dev/shm when a rank is killed. DeepSpeed fills this dict
    # when it is read first, and starts compilers for that; it reads no other entry (deepspeed 0.19.8).
    deepspeed.ops.__compatible_ops__ = {"deepspeed_shm_comm": False}
    dist.init_process_group(
        backend,
        store=_meeting_place(config),
        rank=config.rank,
        world_size=config.num_ranks,
        timeout=dt.timedelta(seconds=config.timeout_seconds),
    )
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)
    return device


def _meeting_place(config: ProcessGroupConfig) -> dist.TCPStore:  # pyright: ignore[reportPrivateImportUsage]  (as below)
    """Return the store where the ranks meet; rank 0 serves it only at its own address.

    By default torch would listen on every interface of the host.

    Raises:
        RuntimeError: Another process has taken the port; with torch's text for it.
    """
    return dist.TCPStore(  # pyright: ignore[reportPrivateImportUsage]  (documented, and exported without a word)
        config.host,
        config.port,
        config.num_ranks,
        is_master=config.rank == 0,
        timeout=dt.timedelta(seconds=config.timeout_seconds),
        master_listen_fd=_listen(config) if config.rank == 0 else None,
    )


def _listen(config: ProcessGroupConfig) -> int:
    """Return the number of a socket that listens at rank 0's address; the store closes it."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=config.num_ranks).detach()
    except OSError as error:
        msg = f"the server socket has failed to listen on {config.host} port {config.port}: {error.strerror}"
        raise RuntimeError(msg) from error


def _own_device(config: ProcessGroupConfig) -> torch.device:
    """Select this rank's CUDA device, and limit its share of the memory.

    Raises:
        RuntimeError: torch can use none here; with CUDA's text for it (`vendor_errors`).
    """
    if not torch.cuda.is_available():
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        msg = (
            f"no CUDA-capable device is detected: a GPU was counted for this rank, and torch {torch.__version__}, "
            f"built {built}, can use none on {platform.node()}; install the driver or torch's CUDA build there "
            "(`xstilts doctor --devices` on that host shows more), or write `device: cpu`"
        )
        raise RuntimeError(msg)
    device = torch.device("cuda", config.device_index)
    torch.cuda.set_device(device)
    if config.memory_share < 1:
        torch.cuda.set_per_process_memory_fraction(config.memory_share, device)
    return device


def leave_process_group() -> None:
    """Leave the group, if this process is in one."""
    if dist.is_initialized():
        dist.destroy_process_group()
