"""What a changed spec, or changed code and data, mean for the trials of a sweep.

A trial counts while the sweep's space has it and while its stages would be the same ones today. What does not count is
set aside, never removed: it comes back when a later change makes it fit again (docs/decisions/0016). The objective and
the rungs stay: with others, what was measured would mean something else.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.errors import SweepDiffersError
from search.record import JsonObject, Record, Revision, SweepRow, TrialRow
from spaces.adopting import Misfit, adopt
from spaces.key_order import KEY_ORDER
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.config.frozen import canonical_json
from trainables.errors import InputError, TrainablesError
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages

log = logging.getLogger(__name__)

_MOST_SHOWN = 8
"""Reasons, and numbers of trials, that are listed."""

_LONGEST_VALUE = 160
"""Characters of a value that are shown: a sweep may have hundreds of earlier trials in its spec."""

EXTENT = frozenset({"name", "trials", "concurrency", "description", KEY_ORDER})
"""Fields that say how long and how wide to search, and decide no trial; and in which order the others stood."""

FIXED = ("objective", "rungs")
"""Fields that a sweep keeps."""

MEASURED = ("finished", "pruned")
_NEEDLESS_TO_RUN = ("proposed", "running", "interrupted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a spec that differs."""

    field: str
    """Dotted path."""
    before: JsonValue
    after: JsonValue

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.field}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed of a sweep, and what follows."""

    fields: tuple[Change, ...] = ()
    """Of the spec, in order."""
    revision: Revision | None = None
    """To be recorded before the sweep goes on; None when nothing changes."""
    num_counting: int = 0
    """Measured trials that count."""
    num_waiting: int = 0
    """Trials that count, have been proposed and have not ended."""
    set_aside: Mapping[int, str] = field(default_factory=dict[int, str])
    """Number of each trial that does not count -> why."""
    newly_aside: tuple[int, ...] = ()
    """Those that counted before."""
    back: tuple[int, ...] = ()
    """Trials that count again."""

    def lines(self) -> list[str]:
        """Return what to tell the user, line by line; nothing when nothing changes."""
        if self.revision is None:
            return []
        lines = [f"  {change}" for change in self.fields]
        lines = ["The spec has changed:", *lines] if lines else ["Code or data have changed since trials were run."]
        lines.append(f"Trials that count: {self.num_counting} measured, {self.num_waiting} waiting to be run.")
        if self.set_aside:
            lines.append(f"Set aside: {len(self.set_aside)} ({len(self.newly_aside)} by this change).")
            reasons = [f"{_numbers(numbers)}: {reason}" for reason, numbers in _by_reason(self.set_aside).items()]
            lines += [line for reason in reasons[:_MOST_SHOWN] for line in _wrapped(reason)]
            lines += [f"  and {len(reasons) - _MOST_SHOWN} more reasons"] * (len(reasons) > _MOST_SHOWN)
        if self.back:
            lines.append(f"Counting again: {_numbers(self.back)}.")
        return lines


def changes_of(record: Record, name: str, *, spec: SweepSpec) -> Changes:
    """Return what has changed since a sweep was last run, without changing anything.

    Args:
        record: Holds the sweep.
        name: Its name.
        spec: The spec that it is to go on with.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepDiffersError: The objective or the rungs differ.
    """
    sweep = record.sweep(name)
    fields = differences(_known_spec(sweep), spec.model_dump(mode="json"))
    if fixed := [change.field for change in fields if change.field.split(".")[0] in FIXED]:
        raise SweepDiffersError(name, fixed)
    if not fields and not record.num_set_aside(name) and not _any_stale(record, sweep):
        return Changes()
    return _Judging(record, sweep=sweep, spec=spec).changes(fields)


def differences(before: JsonObject, after: JsonObject) -> tuple[Change, ...]:
    """Return the fields in which two specs differ, those apart that decide no trial."""
    left, right = (_without(spec) for spec in (before, after))
    return tuple(_differing(left, right, path=""))


class _Judging:
    """Judges each trial of one sweep."""

    def __init__(self, record: Record, *, sweep: SweepRow, spec: SweepSpec) -> None:
        self._record, self._sweep, self._spec = record, sweep, spec
        self._space = make_space(spec)

    def changes(self, fields: tuple[Change, ...]) -> Changes:
        trials = self._record.trials(self._sweep.name)
        aside: dict[int, str] = {}
        assignments: dict[str, JsonObject] = {}
        for trial in trials:
            judged = self._judge(trial)
            if isinstance(judged, str):
                aside[trial.number] = judged
            elif judged != trial.assignment:
                assignments[str(trial.number)] = judged
        counting = [trial for trial in trials if trial.number not in aside]
        before = {trial.number: trial.set_aside for trial in trials}
        is_same = not fields and not assignments and {n: why for n, why in before.items() if why} == aside
        revision = Revision(
            spec=recorded(self._spec),
            set_aside={str(number): reason for number, reason in aside.items()},
            assignments=assignments,
            num_trials=len(trials),
        )
        return Changes(
            fields=fields,
            revision=None if is_same else revision,
            num_counting=sum(trial.state in MEASURED for trial in counting),
            num_waiting=sum(trial.state in _NEEDLESS_TO_RUN for trial in counting),
            set_aside=aside,
            newly_aside=tuple(number for number in aside if before[number] is None),
            back=tuple(trial.number for trial in counting if before[trial.number] is not None),
        )

    def _judge(self, trial: TrialRow) -> JsonObject | str:
        """Return the trial's assignment in the space as it is now, or why it does not count."""
        try:
            config = trial.trial_config
        except ValueError as error:  # an older version's field that this one does not know
            return f"its configuration is not understood any more ({str(error).splitlines()[0]})"
        found = adopt(self._space, config, known=trial.assignment)
        if isinstance(found, Misfit):
            return str(found)
        return stale_reason(self._record, self._sweep, trial=trial) or found


def stale_reason(record: Record, sweep: SweepRow, *, trial: TrialRow) -> str | None:
    """Return why a measured trial is not what it would be today, or None when its stages would be the same.

    Where its data is not on this machine nothing is known, and it counts.
    """
    if trial.rung is None:
        return None
    try:
        config = trial.trial_config
        plan = plan_stages(config, provenance=read_provenance(config), rungs=sweep.rungs, rung=trial.rung)
    except TrainablesError as error:
        log.info("the stages of trial %d cannot be told here (%s): it counts", trial.number, error)
        return None
    planned = {stage.key: stage.phase for stage in plan if not stage.is_trunk}
    rows = [row for row in record.stages(sweep.name, number=trial.number) if row.rung == trial.rung]
    recorded = {row.key for row in rows if not row.is_trunk}
    other = next((phase for key, phase in planned.items() if key not in recorded), None)
    return f"code or data of its {other} phase have changed since" if other else None


def _any_stale(record: Record, sweep: SweepRow) -> bool:
    """Return whether trials that count would not be the same today: the newest measured one of each family is asked."""
    return any(stale_reason(record, sweep, trial=trial) for trial in record.newest_measured(sweep.name))


def _known_spec(sweep: SweepRow) -> JsonObject:
    """Return a sweep's spec with the fields that this version knows, where it still understands it."""
    try:
        return make_sweep_spec(sweep.spec).model_dump(mode="json")
    except InputError:
        return sweep.spec


def _without(spec: JsonObject) -> JsonObject:
    return {name: value for name, value in spec.items() if name not in EXTENT}


def _differing(left: JsonValue, right: JsonValue, *, path: str) -> Iterable[Change]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            yield from _differing(left.get(name), right.get(name), path=f"{path}.{name}" if path else name)
    elif canonical_json(left) != canonical_json(right):
        yield Change(field=path, before=left, after=right)


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else canonical_json(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width=80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _by_reason(aside: Mapping[int, str]) -> dict[str, list[int]]:
    by_reason: dict[str, list[int]] = {}
    for number, reason in aside.items():
        by_reason.setdefault(reason, []).append(number)
    return by_reason


def _numbers(numbers: Iterable[int]) -> str:
    known = list(numbers)
    shown = ", ".join(map(str, known[:_MOST_SHOWN]))
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return f"{'trial' if len(known) == 1 else 'trials'} {shown}{more}"
