"""Decides which trials of a sweep still count after its spec, the code or the data have changed.

A trial counts if the sweep's space contains it and if its stages would have the same keys today. Other trials are
excluded but never removed: a trial counts again when a later change makes it fit (docs/decisions/0016). The objective
and the rungs cannot change: earlier scores would mean something else.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.errors import SweepDiffersError
from search.record import JsonObject, Record, Revision, SweepRow, TrialRow
from spaces.key_order import KEY_ORDER
from spaces.space.adoption import Misfit, adopt
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.config.frozen import canonical_json
from trainables.errors import InputError, TrainablesError
from trainables.number_words import number_of
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages

log = logging.getLogger(__name__)

_MOST_SHOWN = 8
"""Largest number of reasons that are listed, and of trial numbers for each reason."""

_LONGEST_VALUE = 160
"""Largest number of characters of a value that are shown: a spec can hold hundreds of trials of an earlier sweep."""

EXTENT = frozenset({"name", "trials", "concurrency", "description", KEY_ORDER})
"""Fields that do not affect any single trial: how long and how wide to search, and the order of the other fields."""

FIXED = ("objective", "rungs")
"""Fields that cannot change."""

MEASURED = ("finished", "pruned")
_WAITING = ("proposed", "running", "interrupted")


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
    """What has changed in a sweep, and the consequences for its trials."""

    fields: tuple[Change, ...] = ()
    """Changed fields of the spec, in order."""
    revision: Revision | None = None
    """What to record before the sweep continues; None if nothing changes."""
    num_counting: int = 0
    """Measured trials that count."""
    num_waiting: int = 0
    """Trials that count, have been proposed and have not ended."""
    set_aside: Mapping[int, str] = field(default_factory=dict[int, str])
    """Number of each excluded trial -> the reason."""
    newly_excluded: tuple[int, ...] = ()
    """Excluded trials that counted before this change."""
    back: tuple[int, ...] = ()
    """Trials that were excluded before and count again."""

    def lines(self) -> list[str]:
        """Return the lines to print for the user; an empty list if nothing changes."""
        if self.revision is None:
            return []
        lines = [f"  {change}" for change in self.fields]
        is_of_spec = bool(lines)
        lines = ["The spec has changed:", *lines] if lines else ["Code or data have changed since the trials were run."]
        lines.append(f"Trials that count: {self.num_counting} measured, {self.num_waiting} waiting to run.")
        if self.set_aside:
            lines.append(f"Excluded trials: {len(self.set_aside)} ({len(self.newly_excluded)} by this change).")
            reasons = [f"{_numbers(numbers)}: {reason}" for reason, numbers in _by_reason(self.set_aside).items()]
            lines += [line for reason in reasons[:_MOST_SHOWN] for line in _wrapped(reason)]
            lines += [f"  and {number_of(len(reasons) - _MOST_SHOWN, 'more reason')}"] * (len(reasons) > _MOST_SHOWN)
        if self.back:
            lines.append(f"Counting again: {_numbers(self.back)}.")
        if is_of_spec:
            lines.append("To have the sweep as it was, run it with the earlier values again; trials")
            lines.append("that are excluded count again then. For a sweep beside it, give --name.")
        return lines


def changes_of(record: Record, name: str, *, spec: SweepSpec) -> Changes:
    """Return what has changed since a sweep was last run. The record is not changed.

    Args:
        record: Holds the sweep.
        name: Name of the sweep.
        spec: The spec with which the sweep continues.

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
    return _TrialFilter(record, sweep=sweep, spec=spec).changes(fields)


def differences(before: JsonObject, after: JsonObject) -> tuple[Change, ...]:
    """Return the fields in which two specs differ, except the fields in EXTENT."""
    left, right = (_without(spec) for spec in (before, after))
    return tuple(_differing(left, right, path=""))


class _TrialFilter:
    """Decides for each trial of a sweep whether it counts."""

    def __init__(self, record: Record, *, sweep: SweepRow, spec: SweepSpec) -> None:
        self._record, self._sweep, self._spec = record, sweep, spec
        self._space = make_space(spec)

    def changes(self, fields: tuple[Change, ...]) -> Changes:
        trials = self._record.trials(self._sweep.name)
        excluded: dict[int, str] = {}
        assignments: dict[str, JsonObject] = {}
        for trial in trials:
            found = self._assignment_or_reason(trial)
            if isinstance(found, str):
                excluded[trial.number] = found
            elif found != trial.assignment:
                assignments[str(trial.number)] = found
        counting = [trial for trial in trials if trial.number not in excluded]
        before = {trial.number: trial.set_aside for trial in trials}
        is_same = not fields and not assignments and {n: why for n, why in before.items() if why} == excluded
        revision = Revision(
            spec=recorded(self._spec),
            set_aside={str(number): reason for number, reason in excluded.items()},
            assignments=assignments,
            num_trials=len(trials),
        )
        return Changes(
            fields=fields,
            revision=None if is_same else revision,
            num_counting=sum(trial.state in MEASURED for trial in counting),
            num_waiting=sum(trial.state in _WAITING for trial in counting),
            set_aside=excluded,
            newly_excluded=tuple(number for number in excluded if before[number] is None),
            back=tuple(trial.number for trial in counting if before[trial.number] is not None),
        )

    def _assignment_or_reason(self, trial: TrialRow) -> JsonObject | str:
        """Return the trial's assignment in the present space, or the reason why it is excluded."""
        try:
            config = trial.trial_config
        except ValueError as error:  # an older version's field that this one does not know
            return f"this version cannot read its configuration ({str(error).splitlines()[0]})"
        found = adopt(self._space, config, known=trial.assignment)
        if isinstance(found, Misfit):
            return str(found)
        return stale_reason(self._record, self._sweep, trial=trial) or found


def stale_reason(record: Record, sweep: SweepRow, *, trial: TrialRow) -> str | None:
    """Return why a measured trial would have other stages today; None if its stages would be the same.

    If its data is not on this machine, its stages cannot be planned, and the trial counts.
    """
    if trial.rung is None:
        return None
    try:
        config = trial.trial_config
        plan = plan_stages(config, provenance=read_provenance(config), rungs=sweep.rungs, rung=trial.rung)
    except TrainablesError as error:
        log.info("the stages of trial %d cannot be planned on this machine (%s): it counts", trial.number, error)
        return None
    planned = {stage.key: stage.phase for stage in plan if not stage.is_input}
    rows = [row for row in record.stages(sweep.name, number=trial.number) if row.rung == trial.rung]
    recorded = {row.key for row in rows if not row.is_trunk}
    other = next((phase for key, phase in planned.items() if key not in recorded), None)
    return f"code or data of its {other} phase have changed" if other else None


def _any_stale(record: Record, sweep: SweepRow) -> bool:
    """Return whether the newest measured trial of a family would have other stages today."""
    return any(stale_reason(record, sweep, trial=trial) for trial in record.newest_measured(sweep.name))


def _known_spec(sweep: SweepRow) -> JsonObject:
    """Return a sweep's spec with all fields of this version; the recorded spec if this version cannot read it."""
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


def _by_reason(excluded: Mapping[int, str]) -> dict[str, list[int]]:
    by_reason: dict[str, list[int]] = {}
    for number, reason in excluded.items():
        by_reason.setdefault(reason, []).append(number)
    return by_reason


def _numbers(numbers: Iterable[int]) -> str:
    known = list(numbers)
    shown = ", ".join(map(str, known[:_MOST_SHOWN]))
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return f"{'trial' if len(known) == 1 else 'trials'} {shown}{more}"
