"""A rank in a process of its own, driven over pipes: one JSON line in, one JSON line out.

It ends when its standard input closes, in the middle of a step too: a parent that dies takes its ranks along.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from typing import TYPE_CHECKING, TextIO

from pydantic import TypeAdapter

from trainables.config.frozen import FrozenModel
from trainables.errors import (
    DiskError,
    DiskFullError,
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    RunError,
    StoppedError,
)
from trainables.failures import exit_within, is_disk_full, is_disk_unusable, is_out_of_memory
from trainables.jobs import EvaluateJob, Job, JobResult, TrainJob

if TYPE_CHECKING:
    from trainables.engine import ProcessGroupConfig
    from trainables.training import Rank


class Answer(FrozenModel):
    """What a rank says after a job."""

    result: JobResult | None = None
    """Its result, or None when it failed."""
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
        if self.disk_full is not None:
            raise DiskFullError("what a rank writes", self.disk_full)
        if self.disk_unusable is not None:
            raise DiskError("what a rank writes or reads", self.disk_unusable)
        if self.input_error is not None:
            raise InputError(self.input_error)
        raise RunError(self.run_error or "a rank failed without a message; see the log")


def answer(job: Job, *, rank: Rank) -> Answer:
    """Do a job and return its result, or why it failed."""
    from trainables.rank import run_job

    try:
        return Answer(result=run_job(job, rank=rank))
    except NonFiniteLossError as error:
        return Answer(not_finite=(error.step, error.last_finite))
    except StoppedError as error:
        return Answer(stopped=error.step)
    except InputError as error:
        return Answer(input_error=str(error))
    except Exception as error:
        if (asked := exit_within(error)) is not None:
            raise asked from error
        traceback.print_exc()
        return _of_unexpected(error)


def _of_unexpected(error: Exception) -> Answer:
    said = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        return Answer(out_of_memory=said.splitlines()[0])
    if is_disk_unusable(error):
        return Answer(disk_unusable=said)
    return Answer(disk_full=said) if is_disk_full(error) else Answer(run_error=said)


def join(config: ProcessGroupConfig) -> Rank:
    """Join the group; returns who this process is in it."""
    from trainables.engine import join_process_group
    from trainables.training import Rank

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
        rank = join(ProcessGroupConfig.model_validate_json(lines.get()))
        jobs: TypeAdapter[TrainJob | EvaluateJob] = TypeAdapter(Job)
        while True:
            given = answer(jobs.validate_json(lines.get()), rank=rank)
            print(given.model_dump_json(), file=answers, flush=True)


def _read(stream: TextIO, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
