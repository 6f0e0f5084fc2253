"""Reads the finished trials of an earlier sweep, from which a new sweep learns.

Trials are matched by parameter and by stage key. They are read once, when the new sweep starts, and are kept in its
spec. So the earlier sweep can continue or be deleted, and a resumed sweep proposes the same trials as one without an
interruption. Stages are not copied: both sweeps find them in the store.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping

from pydantic import JsonValue

from search.errors import InputError, RecordMissingError, UnknownSweepError
from search.home import Home, find_home
from search.query.opened_tests import tasks_that_open_tests, warning
from search.record import Record, SweepRow, TrialRow, open_record
from search.sampler.prior_trials import spread
from spaces.priors import EarlierSweep, EarlierTrial
from spaces.space.adoption import Misfit, adopt
from spaces.space.binder import bind
from spaces.space.tree import Assignment, Parameter, Space
from spaces.space.walk import contains, walk
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec
from trainables.errors import ConfigError, TrainablesError
from trainables.number_words import number_of
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.plan.starting_weights import with_absolute_folders

log = logging.getLogger(__name__)

MAX_TRIALS = 400
"""Largest number of earlier trials, chosen evenly over the ranking by score: a sampler uses as many of its own
(`window`)."""


def with_earlier(spec: SweepSpec, *, name: str, home: Home, wanted: str | None = None) -> SweepSpec:
    """Return a spec with the trials of the earlier sweep that it learns from; the spec itself if there is none.

    Args:
        spec: The spec; its `priors.earlier` can name a sweep.
        name: Name of the new sweep. If it is on record with earlier trials, these stay.
        home: Has the record of both sweeps, unless the earlier one is given as RECORD#SWEEP.
        wanted: The earlier sweep; replaces the one in the spec.

    Raises:
        InputError: The earlier sweep is unknown, is the new sweep itself, or has no finished trial that fits.
    """
    asked = spec.priors.earlier
    if wanted is None and asked is not None and asked.trials:
        return spec
    place, _, chosen = (wanted or (asked.sweep if asked else "")).rpartition("#")
    if chosen == name and not place:
        msg = (
            f"--from {name!r} names the sweep itself, which already continues from its own trials; leave --from out, "
            "or name another sweep"
        )
        raise InputError(msg)
    known = _known(name, home)
    if known is not None and chosen in {"", known.sweep}:
        space = make_space(spec)
        kept = tuple(trial for trial in known.trials if contains(space, trial.assignment))
        return _with(spec, known.model_copy(update={"trials": kept}))
    if not chosen:
        return spec
    with open_record(find_home(record=place).record if place else home.record, read_only=True) as record:
        return _with(spec, read_earlier(record, chosen, spec=spec))


def read_earlier(record: Record, name: str, *, spec: SweepSpec) -> EarlierSweep:
    """Return the finished trials of a sweep as points of the new sweep's space; print their number to stderr.

    Args:
        record: Holds the earlier sweep.
        name: Name of the earlier sweep.
        spec: The new sweep's spec.

    Raises:
        UnknownSweepError: There is no such sweep.
        InputError: None of its finished trials has a value for every parameter of the new space.
    """
    sweep = record.sweep(name)
    finished = [row for row in record.trials(name, states=("finished",)) if row.set_aside is None]
    matching = _Matching(record, sweep=sweep, spec=spec)
    found = [trial for row in finished if (trial := matching.trial(row)) is not None]
    if not found:
        rule = f"none of its {number_of(len(finished), 'finished trial')} has a value in the space for every parameter"
        step = f"list its trials with `xstilts best {name}`, then widen the space or leave --from out"
        msg = f"no trial of sweep {name!r} fits this space: {rule}; {step}"
        raise InputError(msg)
    num_same = sum(trial.is_same for trial in found)
    sys.stderr.write(
        f"From sweep {name}: {len(found)} of its {number_of(len(finished), 'finished trial')} fit this space; "
        f"{num_same} of them are identical to trials that the new sweep would run.\n"
    )
    if opening := tasks_that_open_tests(record, sweep=name):
        sys.stderr.write(f"Sweep {name}: {warning(opening)} This is recorded, and holds for the new sweep too.\n")
    return EarlierSweep(sweep=name, trials=tuple(spread(found)[:MAX_TRIALS]), opens_test=opening)


class _Matching:
    """Matches the trials of one sweep to the space of another."""

    def __init__(self, record: Record, *, sweep: SweepRow, spec: SweepSpec) -> None:
        self._record, self._sweep, self._spec = record, sweep, spec
        self._space = make_space(spec)

    def trial(self, row: TrialRow) -> EarlierTrial | None:
        """Return a trial as a point of the space, or None if one of its values is outside the space."""
        if row.score is None:
            return None
        try:
            adopted = adopt(self._space, row.trial_config, known=row.assignment)
        except ValueError as error:  # a field of an older version that this one does not know
            log.info("trial %d of sweep %s cannot be read by this version (%s)", row.number, self._sweep.name, error)
            return None
        if isinstance(adopted, Misfit):
            assignment, is_same = _by_parameters(self._space, row), False
        else:
            assignment, is_same = adopted, self._is_same(row, adopted)
        if assignment is None:
            return None
        return EarlierTrial(number=row.number, assignment=assignment, score=row.score, is_same=is_same)

    def _is_same(self, row: TrialRow, assignment: Assignment) -> bool:
        """Return whether a trial of the new sweep would have the same stages and the same score as this one."""
        if self._sweep.objective != self._spec.objective:
            return False
        config = with_absolute_folders(bind(self._space, assignment))
        try:
            plan = plan_stages(config, provenance=read_provenance(config), rungs=self._spec.rungs)
        except TrainablesError as error:
            log.info("the stages of trial %d cannot be planned on this machine: %s", row.number, error)
            return False
        recorded = {stage.key for stage in self._record.stages(self._sweep.name, number=row.number)}
        return all(stage.key in recorded for stage in plan if not stage.is_input)


def _by_parameters(space: Space, row: TrialRow) -> Assignment | None:
    """Return a trial's values of the parameters of a space, without its other values; None if a value is missing."""
    fields = row.config

    def choose(parameter: Parameter) -> JsonValue:
        for value in (row.assignment.get(parameter.path), _read(fields, parameter.field)):
            if value is not None and parameter.admits(value):
                return value
        raise ConfigError(parameter.path, "has no value in the space")

    with contextlib.suppress(ConfigError):
        return walk(space, choose)
    return None


def _read(fields: Mapping[str, JsonValue], path: str) -> JsonValue:
    value: JsonValue = dict(fields)
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _known(name: str, home: Home) -> EarlierSweep | None:
    """Return the earlier trials that a sweep has on record; None if it has none, or is not on record."""
    with contextlib.suppress(RecordMissingError, UnknownSweepError), open_record(home.record, read_only=True) as record:
        priors = record.sweep(name).spec.get("priors")
        earlier = priors.get("earlier") if isinstance(priors, dict) else None
        return None if earlier is None else EarlierSweep.model_validate(earlier)
    return None


def _with(spec: SweepSpec, earlier: EarlierSweep) -> SweepSpec:
    priors = spec.priors.model_copy(update={"earlier": earlier})
    return make_sweep_spec(spec.model_copy(update={"priors": priors}).model_dump(mode="json"))
