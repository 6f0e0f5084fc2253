"""Completes a spec before its sweep starts: a new sweep gets defaults, a sweep on record keeps what it has."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from search.driver.sizes.chosen_fields import chosen_fields
from search.errors import RecordMissingError, UnknownSweepError
from search.home import Home
from search.record import open_record
from spaces.fast_defaults import Completed, named_fields, rung_cost_note, with_fast_defaults
from spaces.objectives import BENCHMARKS, meaning_of, scored_languages
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, shipped_specs
from trainables.errors import InputError
from trainables.evaluation.benchmarks import fewer_languages


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
    return with_fast_defaults(
        spec, named=named, known=known, is_shipped=is_shipped, of_devices=lambda: chosen_fields(spec)
    )


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
