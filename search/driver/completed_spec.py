"""Completes a spec before its sweep starts: a new sweep gets defaults, a sweep on record keeps what it has."""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Sequence

from search.driver.sizes.chosen_fields import chosen_fields
from search.driver.spec_changes import differences
from search.errors import RecordMissingError, UnknownSweepError
from search.home import Home
from search.record import open_record
from spaces.checks.rung_checks import check_rungs_of_all_phases
from spaces.fast_defaults import ChosenFields, Completed, named_fields, rung_cost_note, with_fast_defaults
from spaces.objectives import BENCHMARKS, meaning_of, scored_languages
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded, shipped_specs
from trainables.errors import ConfigError, InputError
from trainables.evaluation.benchmarks import fewer_languages
from trainables.stage_store import is_there

_WIDTH = 80

_EARLIER = "priors.earlier"
"""What `--from` adds to a spec; a sweep on record keeps it in any case."""


def complete_spec(
    spec: SweepSpec, *, source: str, written: SweepSpec, settings: Sequence[str], name: str, home: Home
) -> Completed:
    """Return a spec with every default written out.

    Args:
        spec: The spec with its settings.
        source: What the user typed for the spec.
        written: The spec as it is in its file, which says what the user names.
        settings: The settings, as texts.
        name: Name of the sweep.
        home: Has the record, in which the sweep may be.

    Raises:
        ConfigError: The completed spec is wrong.
    """
    known = _known(name, home)
    is_shipped = source in shipped_specs()
    named = named_fields(None if is_shipped and known is not None else written, settings)

    def of_devices() -> ChosenFields:
        def has_stage(key: str) -> bool:  # a store is opened only where the choice depends on it
            return home.open_store(read_only=True).has(key)

        return chosen_fields(spec, has_stage=has_stage if is_there(home.store) else None)

    def complete() -> Completed:
        return with_fast_defaults(spec, named=named, known=known, is_shipped=is_shipped, of_devices=of_devices)

    if known is None:
        completed = complete()
        check_rungs_of_all_phases(completed.spec.rungs, space=make_space(completed.spec))
        return completed
    if not is_shipped or known.name != spec.name:
        return complete()
    kept = with_settings(known, settings)
    try:
        completed = complete()
        changed = [change.field for change in differences(recorded(kept), recorded(completed.spec))]
    except ConfigError as error:  # what this version ships does not fit what the record has
        completed, changed = Completed(spec=kept), [error.field]
    fields = [field for field in changed if not field.startswith(_EARLIER)]
    if not fields:
        return completed
    sys.stderr.write(f"{what_stays(fields, name=name, shipped=spec.name)}\n")
    return Completed(spec=kept)


def what_stays(fields: Sequence[str], *, name: str, shipped: str) -> str:
    """Return why a sweep on record keeps its spec where the one that ships is another by now.

    Nobody has asked for what another version ships, or for the absence of an earlier `--set`; a file of the user's own
    is another matter (docs/decisions/0016).

    Args:
        fields: The fields that differ, at least one.
        name: Name of the sweep.
        shipped: Name of the spec that ships.
    """
    text = (
        f"Sweep {name} continues with the spec in its record. The spec {shipped} of this version differs from it in "
        f"{', '.join(fields)}. To change the sweep, give --set; to run this version's spec, give --name and a new name."
    )
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def lines_of(completed: Completed) -> list[str]:
    """Return what a user has to know of a new sweep's spec: its defaults, what its rungs cost, a benchmark's subset."""
    lines: list[str] = []
    if completed.fields:
        lines.append("The spec leaves these to xstilts (docs/how-to/rungs.md); the record has them:")
        lines += [f"  {field}" for field in completed.fields]
    lines += [f"{goal} is the {meaning}." for goal, meaning in _subsets(completed.spec)]
    note = rung_cost_note(completed.spec)
    return lines if note is None else [*lines, note]


def _subsets(spec: SweepSpec) -> list[tuple[str, str]]:
    """Return the objectives that are a benchmark's average over fewer languages than it has, with their meanings."""
    benchmarks = [goal for goal in spec.goals if goal in BENCHMARKS]
    if not benchmarks:
        return []
    space = make_space(spec)
    scored = scored_languages(bind(space, first_assignments(space)[0]).model_dump(mode="json"))
    return [(goal, meaning_of(goal, scored=scored)) for goal in benchmarks if fewer_languages(scored, benchmark=goal)]


def _known(name: str, home: Home) -> SweepSpec | None:
    """Return the spec of a sweep on record; None if there is none, or this version cannot read it."""
    with (
        contextlib.suppress(RecordMissingError, UnknownSweepError),
        open_record(home.record, read_only=True) as record,
    ):
        row = record.sweep(name)
        with contextlib.suppress(InputError):
            return make_sweep_spec(row.spec)
    return None
