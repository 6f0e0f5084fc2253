"""Copies files from rank 0's host to the hosts of the other ranks, for a trial over several hosts.

If the store is a folder that all hosts see, there is nothing to do. If it is a bucket, each host downloads the files of
its own trials, and a rank on another host finds nothing at the same path: then rank 0 sends the files to the other
ranks, over the same connection as gradients.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from trainables.monitoring.watchdog import send_heartbeat
from trainables.stage_store.manifest import MANIFEST
from trainables.training.rank import Rank

CHUNK_BYTES = 32 << 20
"""Size of one message: small for a rank's memory, large for a network's latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    size: int
    changed_ns: int

    def is_here(self, *, may_change: bool) -> bool:
        try:
            facts = self.path.stat()
        except FileNotFoundError:
            return False
        return facts.st_size == self.size and (not may_change or facts.st_mtime_ns == self.changed_ns)


def share_folders(folders: Sequence[Path | None], *, rank: Rank, may_change: bool = False) -> None:
    """Copy some of rank 0's folders to the host of every rank; return when all have them. A collective.

    A file gets its name when all of it is there, and a folder's manifest comes last.

    Args:
        folders: The same on every rank; None, repeated ones, and folders that rank 0 lacks are skipped.
        rank: This rank.
        may_change: Whether files can change and keep their size, as in a work folder; then the time of change must
            match too. Files of the hub never change, so each host's copy is used whatever its age.
    """
    if not rank.spans_hosts:
        return
    named = list(dict.fromkeys(folder for folder in folders if folder is not None))
    files = [
        _File(path=Path(path), size=size, changed_ns=ns)
        for path, size, ns in _broadcast_list(_listed(named), rank=rank)
    ]
    writes = rank.local_number == 0 and rank.number != 0
    lacking = [writes and not file.is_here(may_change=may_change) for file in files]
    missing = torch.tensor([*map(int, lacking), 0], device=rank.device)
    dist.all_reduce(missing, op=dist.ReduceOp.MAX)
    for file, lacks, is_missing in zip(files, lacking, missing.tolist(), strict=False):
        if is_missing:
            _send(file, rank=rank, writes=lacks)
    dist.barrier()


def forget_folder(folder: Path, *, rank: Rank) -> None:
    """Remove from this rank's host the files of a folder that `share_folders` has copied there.

    Args:
        folder: A folder of rank 0's; it stays on a host that shares rank 0's disk.
        rank: This rank.
    """
    if rank.spans_hosts:
        for path in [path for path in _copied if path.is_relative_to(folder)]:
            path.unlink(missing_ok=True)
            _copied.discard(path)


_copied: set[Path] = set()
"""Files that this process has copied to its host: rank 0's own files are never removed."""


def _listed(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for folder in folders:
        paths = (path for path in folder.rglob("*") if path.is_file())
        for path in sorted(paths, key=lambda path: (path.name == MANIFEST, str(path))):
            facts = path.stat()
            found.append((str(path), facts.st_size, facts.st_mtime_ns))
    return found


def _broadcast_list(listed: list[tuple[str, int, int]], *, rank: Rank) -> list[tuple[str, int, int]]:
    """Return rank 0's list on every rank."""
    words = json.dumps(listed if rank.number == 0 else []).encode()
    size = torch.tensor([len(words)], device=rank.device)
    dist.broadcast(size, src=0)
    text = _bytes_on(rank, words if rank.number == 0 else bytes(int(size.item())))
    dist.broadcast(text, src=0)
    return [(path, size, changed_ns) for path, size, changed_ns in json.loads(text.cpu().numpy().tobytes())]


def _send(file: _File, *, rank: Rank, writes: bool) -> None:
    part = file.path.with_name(f"{file.path.name}.part-{os.getpid()}")
    if writes:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
    for chunk in _chunks(file, rank=rank):
        dist.broadcast(chunk, src=0)
        if writes:
            with part.open("ab") as taken:
                taken.write(chunk.cpu().numpy().tobytes())
        send_heartbeat()
    if writes:
        part.touch()
        os.utime(part, ns=(file.changed_ns, file.changed_ns))
        part.replace(file.path)
        _copied.add(file.path)


def _chunks(file: _File, *, rank: Rank) -> Iterator[Tensor]:
    """Yield a file's bytes on rank 0, and empty tensors of the same size on the others."""
    if rank.number != 0:
        for start in range(0, file.size, CHUNK_BYTES):
            yield torch.empty(min(CHUNK_BYTES, file.size - start), dtype=torch.uint8, device=rank.device)
        return
    with file.path.open("rb") as source:
        for start in range(0, file.size, CHUNK_BYTES):
            yield _bytes_on(rank, source.read(min(CHUNK_BYTES, file.size - start)))


def _bytes_on(rank: Rank, data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).to(rank.device)
