"""A rank in a process of its own, driven over pipes: one JSON line in, one JSON line out.

It ends when its standard input closes, in the middle of a step too: a parent that dies takes its ranks along.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Literal, TextIO

from pydantic import TypeAdapter

from trainables.config.frozen import FrozenModel
from trainables.errors import (
    BugError,
    DeviceFaultError,
    DiskError,
    DiskFullError,
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    PeerLostError,
    RunError,
    StoppedError,
)
from trainables.failures import exit_within, is_disk_full, is_disk_unusable, is_out_of_memory, vendor_class_of
from trainables.ranks.jobs import EvaluateJob, Job, JobResult, TrainJob
from trainables.ranks.rank_place import RankPlace, place_on, this_host

if TYPE_CHECKING:
    from trainables.engine import ProcessGroupConfig
    from trainables.training.trainer import Rank


class VendorFault(FrozenModel):
    """A failure that a library told of, and what it means."""

    means: Literal["device_fault", "device_doubt", "bug", "suspect", "lost"]
    """See `vendor_errors`."""
    said: str
    """The library's words, in a line."""


class Answer(FrozenModel):
    """What a rank says after a job, or when it could not join the others."""

    result: JobResult | None = None
    """Its result, or None when it failed."""
    place: RankPlace = RankPlace()
    """Where it runs."""
    fault: VendorFault | None = None
    """What a library said of a device, a peer or a bug."""
    input_error: str | None = None
    """Why, when the user's input was wrong."""
    run_error: str | None = None
    """Why, when the run failed."""
    not_finite: tuple[int, float | None] | None = None
    """Step and last finite loss, when the loss became NaN or infinite."""
    out_of_memory: str | None = None
    """What the allocator said, when there was not enough memory."""
    disk_full: str | None = None
    """What the system said, when there was no space left."""
    disk_unusable: str | None = None
    """What the system said, when a disk could not be written or read."""
    stopped: int | None = None
    """Steps that its checkpoint holds, when it was asked to stop."""

    def unwrap(self) -> JobResult:
        """Return the result.

        Raises:
            InputError: The user's input was wrong.
            RunError: The run failed.
        """
        if self.result is not None:
            return self.result
        if self.not_finite is not None:
            raise NonFiniteLossError(*self.not_finite)
        if self.stopped is not None:
            raise StoppedError(self.stopped)
        if self.out_of_memory is not None:
            raise MemoryExhaustedError(self.out_of_memory)
        if self.fault is not None:
            raise self._fault(self.fault)
        if self.disk_full is not None:
            raise DiskFullError("what a rank writes", self.disk_full)
        if self.disk_unusable is not None:
            raise DiskError("what a rank writes or reads", self.disk_unusable)
        if self.input_error is not None:
            raise InputError(self.input_error)
        raise RunError(self.run_error or "a rank failed without a message; see the log")

    def _fault(self, fault: VendorFault) -> RunError:
        if fault.means == "lost":
            return PeerLostError(fault.said)
        if fault.means in ("device_fault", "device_doubt"):
            return DeviceFaultError(fault.said, place=self.place, is_certain=fault.means == "device_fault")
        return BugError(fault.said, place=self.place, may_be_device=fault.means == "suspect")


def answer(job: Job, *, rank: Rank, place: RankPlace) -> Answer:
    """Do a job and return its result, or why it failed; either names where it was."""
    return _answer(job, rank=rank).model_copy(update={"place": place})


def _answer(job: Job, *, rank: Rank) -> Answer:
    from trainables.ranks.run_job import run_job

    try:
        return Answer(result=run_job(job, rank=rank))
    except NonFiniteLossError as error:
        return Answer(not_finite=(error.step, error.last_finite))
    except StoppedError as error:
        return Answer(stopped=error.step)
    except InputError as error:
        return Answer(input_error=str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the trial's process is told
        return answer_of(error)


def answer_of(error: Exception) -> Answer:
    """Return the answer that tells of an error which was not raised on purpose.

    Raises:
        SystemExit: The process was asked to end, which is what the error hides.
        KeyboardInterrupt: The same.
    """
    if (asked := exit_within(error)) is not None:
        raise asked from error
    traceback.print_exc()
    said = f"{type(error).__name__}: {error}"
    means = vendor_class_of(error)
    if is_out_of_memory(error):
        return Answer(out_of_memory=_in_a_line(said))
    if means is not None and means != "out_of_memory":
        return Answer(fault=VendorFault(means=means, said=_in_a_line(said)))
    if is_disk_unusable(error):
        return Answer(disk_unusable=said)
    return Answer(disk_full=said) if is_disk_full(error) else Answer(run_error=said)


def _in_a_line(said: str) -> str:
    """Return what a library said without its stack; NCCL's last line tells why."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = [line for line in lines[1:] if "cuda failure" in line.lower()]
    return "; ".join([lines[0], *why[:1]])


def join(config: ProcessGroupConfig) -> Rank:
    """Join the group; returns who this process is in it."""
    from trainables.engine import join_process_group
    from trainables.training.trainer import Rank

    return Rank(
        number=config.rank,
        num_ranks=config.num_ranks,
        device=join_process_group(config),
        local_number=config.local_rank,
        spans_hosts=config.spans_hosts,
    )


def main() -> None:
    """Serve jobs from standard input until it closes."""
    from trainables.engine import ProcessGroupConfig

    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        try:
            rank = join(ProcessGroupConfig.model_validate_json(lines.get()))
            place = place_on(rank.device.type, index=rank.device.index or 0)
        except Exception as error:
            given = answer_of(error)
            if given.run_error is None:  # else the exit code tells that the ranks did not meet
                _say(given.model_copy(update={"place": this_host()}), to=answers)
            raise
        jobs: TypeAdapter[TrainJob | EvaluateJob] = TypeAdapter(Job)
        while True:
            _say(answer(jobs.validate_json(lines.get()), rank=rank, place=place), to=answers)


def _say(given: Answer, *, to: TextIO) -> None:
    print(given.model_dump_json(), file=to, flush=True)


def _read(stream: TextIO, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
