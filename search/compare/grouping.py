"""Which trials make a group, and what a control is the control of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.compare.reading import tasks_name
from search.compare.runs import Group, Run, make_group
from search.query.answers import tasks_of
from search.record import TrialRow


def by_family(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return a group of each family; controls are told apart by their tasks, and stand with the family they control.

    Args:
        trials: Number -> trial.
        runs: Number -> run, of those that count.
    """
    names = {number: _family_name(trials[number]) for number in runs}
    return _groups(names, trials=trials, runs=runs)


def by_task(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return a group of each set of intermediate tasks, whatever their weights.

    Args:
        trials: Number -> trial.
        runs: Number -> run, of those that count.
    """
    names = {number: tasks_name(tasks_of(trials[number].config)) for number in runs}
    return _groups(names, trials=trials, runs=runs)


def by_point(names: Sequence[str], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return a group of each configuration of a confirmation, whose trials take turns.

    Args:
        names: What the configurations are called, in their order.
        runs: Number -> run, of those that count.
    """
    of_point = [[run for number, run in runs.items() if number % len(names) == turn] for turn in range(len(names))]
    return [make_group(name, members) for name, members in zip(names, of_point, strict=True) if members]


def _family_name(trial: TrialRow) -> str:
    return trial.family if trial.family != "control" else f"control {tasks_name(tasks_of(trial.config))}"


def _groups(names: Mapping[int, str], *, trials: Mapping[int, TrialRow], runs: Mapping[int, Run]) -> list[Group]:
    members: dict[str, list[int]] = {}
    for number in sorted(names):
        members.setdefault(names[number], []).append(number)
    trained = {name: set(tasks_of(trials[numbers[0]].config)) for name, numbers in members.items()}
    for name, numbers in members.items():
        trained[name] = {task for number in numbers for task in tasks_of(trials[number].config)}
    return [
        make_group(name, [runs[number] for number in numbers], control_of=_controlled(name, trained=trained))
        for name, numbers in members.items()
    ]


def _controlled(name: str, *, trained: Mapping[str, set[str]]) -> str | None:
    """Return the group that trains the tasks which a control derives from; of several, the one with the fewest others.

    `nlvr@shuffled` is a control of what trains `nlvr`.
    """
    if not any("@" in task for task in trained[name]):
        return None
    bases = {task.partition("@")[0] for task in trained[name]}
    fitting = [
        other
        for other, tasks in trained.items()
        if other != name and bases <= tasks and not any("@" in task for task in tasks)
    ]
    return min(fitting, key=lambda other: (len(trained[other]), other), default=None)
