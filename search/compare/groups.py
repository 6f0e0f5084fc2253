"""Sorts trials into groups, and finds the group that a control belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from search.compare.run_reader import tasks_name
from search.compare.runs import Group, Run, make_group
from search.query.query_results import tasks_of
from search.record import TrialRow

NONE = "none"
"""The family, and the name of the tasks, of trials without an intermediate phase."""


def by_family(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return one group for each family. Controls are grouped by their tasks and refer to the family that they control.

    Args:
        trials: Number -> trial.
        runs: Number -> run, of those that count.
    """
    names = {number: family_name(trials[number]) for number in runs}
    return _groups(names, trials=trials, runs=runs)


def by_task(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return one group for each set of intermediate tasks and of what trains beside them, for all weights of the tasks.

    Args:
        trials: Number -> trial.
        runs: Number -> run, of those that count.
    """
    names = {number: task_group_name(trials[number]) for number in runs}
    return _groups(names, trials=trials, runs=runs)


def by_encoder(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return one group for each encoder, that of the first trial first.

    Args:
        trials: Number -> trial.
        runs: Number -> run, of those that count.
    """
    return [make_group(name, list(members.values())) for name, members in runs_of_encoders(trials, runs=runs).items()]


def runs_of_encoders(trials: Mapping[int, TrialRow], *, runs: Mapping[int, Run]) -> dict[str, dict[int, Run]]:
    """Return the runs of each encoder by trial, the encoder of the first trial first."""
    found: dict[str, dict[int, Run]] = {}
    for number in sorted(runs):
        found.setdefault(_encoder_name(trials[number]), {})[number] = runs[number]
    return found


def by_point(names: Sequence[str], *, runs: Mapping[int, Run]) -> list[Group]:
    """Return one group for each of the k configurations of a confirmation; trial n belongs to configuration n modulo k.

    Args:
        names: Names of the configurations, in their order.
        runs: Number -> run, of those that count.
    """
    of_point = [[run for number, run in runs.items() if number % len(names) == turn] for turn in range(len(names))]
    return [make_group(name, members) for name, members in zip(names, of_point, strict=True) if members]


def _encoder_name(trial: TrialRow) -> str:
    """Return an encoder's name: that on the hub, or the folder without the folders above it."""
    name = trial.trial_config.encoder.name
    return Path(name).name if Path(name).is_absolute() else name


def family_name(trial: TrialRow) -> str:
    """Return the name of a trial's group in a comparison of families."""
    family = trial.family if trial.family != "control" else f"control {tasks_name(tasks_of(trial.config))}"
    return family + average_name(trial)


def average_name(trial: TrialRow) -> str:
    """Return what a group's name says of an average of target runs; empty for single runs."""
    average = trial.trial_config.target.average
    if average is None:
        return ""
    greedy = "greedy " if average.select == "greedy" else ""
    return f", {greedy}average of {average.seeds or f'the last {average.last}'}"


def task_group_name(trial: TrialRow) -> str:
    """Return the name of a trial's group in a comparison of tasks: the tasks, and what is beside them."""
    work = trial.trial_config.intermediate
    name = tasks_name(tasks_of(trial.config))
    if work is not None and work.merge is not None:
        name = f"merge of {name}"
    beside = work.beside if work is not None else None
    if beside is not None and beside.translations:
        name += f" + translations into {' '.join(beside.translations)}"
    if beside is not None and beside.masked_lm is not None:
        name += f" + masked LM in {' '.join(beside.masked_lm.languages)} ({beside.masked_lm.ratio:.0%})"
    return name + average_name(trial)


def usual_baseline(names: Iterable[str]) -> str:
    """Return the group without an intermediate phase: single runs, else the first group of averages of such runs."""
    found = list(names)
    return NONE if NONE in found else next((name for name in found if name.startswith(f"{NONE}, ")), NONE)


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
    """Return the group that trains the tasks which a control is derived from; of several, the one with fewest tasks.

    `nlvr@shuffled` is a control of the group that trains `nlvr`.
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
