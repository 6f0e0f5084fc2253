"""A rank that shares a folder with its group, as a process: `sharing_rank RANK PORT FOLDER TIMES`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from trainables.ranks.shared_files import forget_folder, share_folders
from trainables.training.rank import Rank


def main(number: int, port: int, folder: Path) -> None:
    """Share the folder, say what is there, forget it, say what is left."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=number, world_size=2)
    rank = Rank(number=number, num_ranks=2, device=torch.device("cpu"), spans_hosts=True)
    share_folders([folder / "work", None, folder / "missing"], rank=rank, may_change=True)
    print(sorted(f"{path.name} {path.read_bytes()[:9]!r}" for path in folder.rglob("*") if path.is_file()))  # noqa: T201
    dist.barrier()
    forget_folder(folder, rank=rank)
    print(sorted(path.name for path in folder.rglob("*") if path.is_file()))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
