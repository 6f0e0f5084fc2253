"""Runs one rank of a probe in its own process: `python -m trainables.probes.rank_process FILE_NUMBER`.

It reads a ProbesRequest as one line from standard input, and writes one line for each probe to the file of that number.
The process ends when its standard input closes, also in the middle of a probe.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from trainables.probes.messages import Probe, ProbeAnswer, ProbesRequest
from trainables.ranks.local_group import LOOPBACK

if TYPE_CHECKING:
    from trainables.training.rank import Rank


def main() -> None:
    """Run the requested probes."""
    faulthandler.enable()
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        request = ProbesRequest.model_validate_json(lines.get())
        rank: Rank | None = None
        for probe in request.probes:
            rank, answer = _answer(probe, request=request, rank=rank)
            print(answer.model_dump_json(), file=answers, flush=True)
        lines.get()  # wait until the parent has all answers: a rank that ends breaks the group of the others


def _answer(probe: Probe, *, request: ProbesRequest, rank: Rank | None) -> tuple[Rank | None, ProbeAnswer]:
    from trainables.probes.work import NEED_A_GROUP, WORK

    try:
        rank = rank or (_join(request) if probe in NEED_A_GROUP else None)
        result = WORK[probe](rank or _alone(request))
    except Exception as error:  # noqa: BLE001  any error of a device's libraries is the answer
        return rank, ProbeAnswer(probe=probe, error=f"{type(error).__name__}: {error}".strip())
    return rank, ProbeAnswer(probe=probe, text=result.text, numbers=dict(result.numbers))


def _alone(request: ProbesRequest) -> Rank:
    """Return the rank without a group, so that the device is tried before NCCL."""
    import torch

    from trainables.training.rank import Rank

    torch.set_num_threads(request.threads)
    device = torch.device(request.place.name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return Rank(number=request.number, num_ranks=request.num_ranks, device=device)


def _join(request: ProbesRequest) -> Rank:
    from trainables.engine import ProcessGroupConfig, join_process_group
    from trainables.training.rank import Rank

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
