"""One rank of a probe, in a process of its own: `python -m trainables.probes.rank_process FILE_NUMBER`.

Standard input gives a line, who the rank is and what it is asked; each probe is answered by a line, written to the file
of that number. The process ends when its standard input closes, in the middle of a probe too.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from trainables.probes.answers import Probe, ProbeAnswer, ProbesRequest
from trainables.ranks.local_group import LOOPBACK

if TYPE_CHECKING:
    from trainables.training.trainer import Rank


def main() -> None:
    """Answer the probes that are asked for."""
    faulthandler.enable()
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        request = ProbesRequest.model_validate_json(lines.get())
        rank: Rank | None = None
        for probe in request.probes:
            rank, answer = _answer(probe, request=request, rank=rank)
            print(answer.model_dump_json(), file=answers, flush=True)
        lines.get()  # until whoever asked has all the answers: a rank that ends breaks the group of the others


def _answer(probe: Probe, *, request: ProbesRequest, rank: Rank | None) -> tuple[Rank | None, ProbeAnswer]:
    from trainables.probes.work import NEED_A_GROUP, WORK

    try:
        rank = rank or (_join(request) if probe in NEED_A_GROUP else None)
        found = WORK[probe](rank or _alone(request))
    except Exception as error:  # noqa: BLE001  whatever a device's libraries raise is what was asked for
        return rank, ProbeAnswer(probe=probe, error=f"{type(error).__name__}: {error}".strip())
    return rank, ProbeAnswer(probe=probe, said=found.said, numbers=dict(found.numbers))


def _alone(request: ProbesRequest) -> Rank:
    """Return the rank without a group, so that a device is tried before NCCL is."""
    import torch

    from trainables.training.trainer import Rank

    torch.set_num_threads(request.threads)
    device = torch.device(request.place.name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return Rank(number=request.number, num_ranks=request.num_ranks, device=device)


def _join(request: ProbesRequest) -> Rank:
    from trainables.engine import ProcessGroupConfig, join_process_group
    from trainables.training.trainer import Rank

    place = request.place
    config = ProcessGroupConfig(
        rank=request.number,
        num_ranks=request.num_ranks,
        local_rank=request.number,
        host=LOOPBACK,
        port=request.port,
        threads=request.threads,
        device=place.device,
        device_index=place.index if place.device == "cuda" else 0,
    )
    return Rank(number=request.number, num_ranks=request.num_ranks, device=join_process_group(config))


def _read(stream: TextIO, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
