"""Trials to put into a record."""

from __future__ import annotations

import sys

from search.record import Proposal, open_record
from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.results import Family, StageRun, TrialResult

LANGUAGES = ("de", "en", "sw")


def proposal(family: Family = "text", *, task: str = "hellaswag", **assignment: float) -> Proposal:
    intermediate = None if family == "none" else PhaseConfig(mixture={task: 1.0}, steps=10)
    config = TrialConfig(intermediate=intermediate, evaluation=EvaluationConfig(languages=LANGUAGES))
    return Proposal(family=family, assignment={"family": family, **assignment}, config=config, seed=7)


def result(average: float = 0.5, *, key: str = "a", reused: bool = False) -> TrialResult:
    stage = StageRun(phase="target", key=key * 64, steps=10, seconds=2.5, reused=reused)
    scores = {"de": average, "en": average + 0.1, "sw": average - 0.1}
    return TrialResult(languages=scores, num_items=100, task_scores={"mnli": 0.8}, stages=(stage,))


def write_trials(where: str, count: int, *, then_wait: bool = False) -> None:
    """Propose, start and finish trials, as a driver and its trial actors do together.

    Args:
        where: Place of the record.
        count: How many.
        then_wait: Say so and wait with the record open, until standard input ends.
    """
    with open_record(where) as record:
        record.put_sweep("shared", spec={}, objective="average", planned_trials=1)
        for _ in range(count):
            number = record.propose("shared", proposal=proposal()).number
            record.start("shared", number=number)
            record.finish("shared", number=number, result=result())
        if then_wait:
            print("written", flush=True)  # noqa: T201  the test reads it
            sys.stdin.read()


if __name__ == "__main__":
    write_trials(sys.argv[1], int(sys.argv[2]), then_wait=len(sys.argv) > 3)
