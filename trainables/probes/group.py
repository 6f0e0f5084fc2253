"""Runs probes in ranks that are processes of this machine, and survives their crashes."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from trainables.probes.messages import Place, Probe, ProbeAnswer, ProbesRequest
from trainables.ranks.local_group import free_port, rank_environment

_SECONDS_TO_END = 5.0
_NOT_TRIED = "not tried: the probe before it had no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Time limits of probes."""

    first_seconds: float = 300.0
    """Seconds for the first probe of new processes: they import torch and DeepSpeed, on a machine that can be busy."""
    seconds: float = 120.0
    """Seconds for each later probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rank:
    place: Place
    process: subprocess.Popen[bytes]
    answers: IO[bytes]
    log: IO[bytes]


def probing(
    places: Sequence[Place], probes: Sequence[Probe], *, threads: int, patience: Patience
) -> Iterator[ProbeAnswer]:
    """Yield the answer to each probe, in their order.

    A probe that fails, crashes or hangs gives an answer too, and new processes run the probes after it. After a probe
    that hangs, the others do not run, because each would take as long.

    Args:
        places: Where each rank computes.
        probes: Probes that all ranks run.
        threads: CPU threads of each rank.
        patience: Time limits.
    """
    left = list(probes)
    while left:
        hangs = False
        with _ranks(places, left, threads=threads) as ranks:
            seconds = patience.first_seconds
            for probe in tuple(left):
                answer, hangs = _gather(ranks, probe, seconds=seconds)
                left.remove(probe)
                yield answer
                if answer.error is not None:
                    break
                seconds = patience.seconds
        if hangs:
            yield from (ProbeAnswer(probe=probe, error=_NOT_TRIED) for probe in left)
            return


@contextlib.contextmanager
def _ranks(places: Sequence[Place], probes: Sequence[Probe], *, threads: int) -> Generator[list[_Rank]]:
    port = free_port()
    ranks: list[_Rank] = []
    try:
        for number, place in enumerate(places):
            request = ProbesRequest(
                number=number, num_ranks=len(places), place=place, port=port, threads=threads, probes=tuple(probes)
            )
            ranks.append(_start(request))
        yield ranks
    finally:
        for rank in ranks:
            _end(rank)


def _start(request: ProbesRequest) -> _Rank:
    read_end, write_end = os.pipe()
    log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the rank
    process = subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", "trainables.probes.rank_process", str(write_end)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=(write_end,),
        env=os.environ | rank_environment(request.threads),
        start_new_session=True,  # Ctrl-C reaches the parent alone
    )
    os.close(write_end)
    assert process.stdin is not None  # noqa: S101  it is a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended; the first probe shows that
        process.stdin.write(request.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    return _Rank(place=request.place, process=process, answers=os.fdopen(read_end, "rb"), log=log)


def _end(rank: _Rank) -> None:
    rank.process.kill()  # a process that hangs in a driver can take long to end, or never end: wait only for a while
    with contextlib.suppress(subprocess.TimeoutExpired):
        rank.process.wait(_SECONDS_TO_END)
    assert rank.process.stdin is not None  # noqa: S101  it is a pipe
    with contextlib.suppress(BrokenPipeError):
        rank.process.stdin.close()
    rank.answers.close()
    rank.log.close()


def _gather(ranks: Sequence[_Rank], probe: Probe, *, seconds: float) -> tuple[ProbeAnswer, bool]:
    """Return rank 0's answer or the first failure, and whether a rank hangs."""
    deadline = time.monotonic() + seconds
    answers: dict[int, ProbeAnswer] = {}
    with selectors.DefaultSelector() as selector:
        for number, rank in enumerate(ranks):
            selector.register(rank.answers, selectors.EVENT_READ, number)
        while len(answers) < len(ranks):
            answered = selector.select(max(0.0, deadline - time.monotonic()))
            if not answered:
                silent = ", ".join(rank.place.name for number, rank in enumerate(ranks) if number not in answers)
                return ProbeAnswer(probe=probe, error=f"no answer of {silent} in {seconds:g} s"), True
            for key, _ in answered:
                rank = ranks[key.data]
                line = rank.answers.readline()
                answer = ProbeAnswer.model_validate_json(line) if line else _ended(rank, probe)
                if answer.error is not None:
                    return answer.model_copy(
                        update={"error": _with_device_name(rank, answer.error, among=ranks)}
                    ), False
                answers[key.data] = answer
                selector.unregister(key.fileobj)
    return answers[0], False


def _ended(rank: _Rank, probe: Probe) -> ProbeAnswer:
    code = rank.process.wait()
    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return ProbeAnswer(probe=probe, error=f"its process {how}{_last_line(rank)}")


def _last_line(rank: _Rank) -> str:
    """Return the last line of a rank's log that is not part of a stack, or an empty text."""
    rank.log.seek(0)
    lines = [line.strip() for line in rank.log.read().decode(errors="replace").splitlines()]
    own = [line for line in lines if line and not line.startswith(("File ", "Thread ", "Current thread", "Extension"))]
    return f": {own[-1]}" if own else ""


def _with_device_name(rank: _Rank, error: str, *, among: Sequence[_Rank]) -> str:
    line = " ".join(error.split())
    return f"{rank.place.name}: {line}" if len(among) > 1 else line
