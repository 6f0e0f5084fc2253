"""Checks the objectives of a sweep against what its trials are scored on, and against its sampler and pruner."""

from __future__ import annotations

from collections.abc import Sequence

from spaces.objectives import BENCHMARKS
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.space.tree import Space
from trainables.config import RungsConfig
from trainables.config.literature import GROUPS
from trainables.errors import ConfigError
from trainables.evaluation.benchmarks import TITLES, lacking_tasks


def check_scored(goals: Sequence[str], *, space: Space) -> None:
    """Check that the trials are scored on every task of each benchmark whose average is an objective.

    Args:
        goals: The objectives.
        space: The space; no trial differs from another one in what it is scored on.

    Raises:
        ConfigError: A task of a benchmark is missing.
    """
    benchmarks = [goal for goal in goals if goal in BENCHMARKS]
    if not benchmarks:
        return
    config = bind(space, first_assignments(space)[0])
    scored = {config.evaluation.task, *config.further}
    for benchmark in benchmarks:
        if lacking := lacking_tasks(scored, benchmark=benchmark):
            num, title = len(GROUPS[benchmark]), TITLES[benchmark]
            rule = (
                f"the objective {benchmark!r} is the mean of {title}'s {num} tasks, and {', '.join(lacking)} is missing"
            )
            step = f"write `further: {benchmark}` under `trial`, or add what is missing, or choose another objective"
            raise ConfigError("trial.further", f"does not name every task: {rule}; {step}")


def rungs_for(goals: Sequence[str], *, rungs: RungsConfig) -> RungsConfig:
    """Return the rungs of a sweep: a benchmark's average needs the further targets at each of them.

    Args:
        goals: The objectives.
        rungs: The rungs as the spec gives them.

    Raises:
        ConfigError: The spec says that lower rungs have no further targets.
    """
    found = next((goal for goal in goals if goal in BENCHMARKS), None)
    if found is None or rungs.num == 1 or rungs.further:
        return rungs
    if "further" in rungs.model_fields_set:
        rule = f"the objective {found!r} is the mean of all tasks at each rung"
        raise ConfigError("rungs.further", f"cannot be false: {rule}; remove it, or choose another objective")
    return rungs.model_copy(update={"further": True})
