"""Runs a rank in its own process. It reads one JSON line for each job from a pipe, and writes one JSON line back.

It ends when its standard input closes, also in the middle of a step: so ranks end when their parent dies.
"""

from __future__ import annotations

import gc
import importlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from pydantic import TypeAdapter

from trainables.config.frozen import FrozenModel
from trainables.config.rank_group import ProcessGroupConfig
from trainables.errors import RunError, StoppedError
from trainables.ranks.jobs import EvaluateJob, Job, JobResult, TrainJob
from trainables.ranks.rank_failure import RankFailure, failure_of, unexpected_failure
from trainables.ranks.rank_place import RankPlace, place_on, this_host

if TYPE_CHECKING:
    from trainables.training.rank import Rank


class RankAnswer(FrozenModel):
    """What a rank sends after a job, or when it could not join the others: a result, a failure or a stop."""

    place: RankPlace = RankPlace()
    """Where it runs."""
    result: JobResult | None = None
    """What it measured."""
    failure: RankFailure | None = None
    """Why it has no result."""
    stopped: int | None = None
    """Steps that its checkpoint holds, when it was asked to stop."""

    def unwrap(self) -> JobResult:
        """Return the result.

        Raises:
            InputError: The user's input was wrong.
            RunError: The run failed.
            StoppedError: It was asked to stop.
        """
        if self.result is not None:
            return self.result
        if self.stopped is not None:
            raise StoppedError(self.stopped)
        if self.failure is None:
            raise RunError("a rank failed without a message; see the log")
        raise self.failure.to_error(self.place)


def answer(job: Job, *, rank: Rank, place: RankPlace) -> RankAnswer:
    """Do a job; return its result, or why there is none."""
    from trainables.ranks.job_runner import run_job

    try:
        return RankAnswer(place=place, result=run_job(job, rank=rank))
    except StoppedError as error:
        return RankAnswer(place=place, stopped=error.step)
    except Exception as error:  # noqa: BLE001  the trial's process decides what is done about any error
        return RankAnswer(place=place, failure=failure_of(error))


def join(config: ProcessGroupConfig) -> Rank:
    """Join the group; return this process's place in it.

    The modules that are imported here stay in memory and are nearly all that the process holds. So Python's cyclic
    garbage collector skips them: it would scan them several times during the imports and twice after each job (0.35 s
    each time).
    """
    gc.disable()
    try:
        from trainables.engine import join_process_group
        from trainables.models.transformers_import import import_transformers

        import_transformers()
        from trainables.training.rank import Rank

        importlib.import_module("trainables.ranks.job_runner")  # the first job needs it
        device = join_process_group(config)
    finally:
        gc.enable()
    gc.freeze()
    return Rank(
        number=config.rank,
        num_ranks=config.num_ranks,
        device=device,
        local_number=config.local_rank,
        spans_hosts=config.spans_hosts,
    )


def main() -> None:
    """Serve jobs from standard input until it closes."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        try:
            rank = join(ProcessGroupConfig.model_validate_json(lines.get()))
            place = place_on(rank.device.type, index=rank.device.index or 0)
        except Exception as error:
            failure = unexpected_failure(error)
            if failure.cause != "other":  # otherwise the exit code shows that the ranks did not meet
                _send(RankAnswer(place=this_host(), failure=failure), to=answers)
            raise
        jobs: TypeAdapter[TrainJob | EvaluateJob] = TypeAdapter(Job)
        while True:
            _send(answer(jobs.validate_json(lines.get()), rank=rank, place=place), to=answers)


def _send(rank_answer: RankAnswer, *, to: TextIO) -> None:
    print(rank_answer.model_dump_json(), file=to, flush=True)


def _read(stream: TextIO, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
