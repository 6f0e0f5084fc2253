"""Runs a confirmation, from the choice of configurations to the locked test split.

The trials of a confirmation are a sweep of their own, so a killed confirmation continues as a sweep does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.compare.comparison import SUFFIX, Question, compare, point_names
from search.compare.comparison_result import Comparison, Confirmation
from search.compare.sequential import is_decided, next_size
from search.confirm.diary import Diary
from search.confirm.fresh_seeds import confirmation_spec, distinct, points_of
from search.confirm.locked_test_step import compare_on_test
from search.driver.sweep import SweepRequest, run_sweep
from search.errors import InputError, UnknownSweepError
from search.home import Home
from search.query import BestTrial, best
from search.query.opened_tests import tasks_that_open_tests, warning
from search.record import Record, open_record
from spaces.sweep_spec import SweepSpec, make_sweep_spec
from trainables.trials.locked_test import check_has_test


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmRequest:
    """The options of one confirmation."""

    sweep: str
    """Sweep whose best configurations are confirmed."""
    top: int
    """Number of configurations, without the baseline."""
    seeds: int
    """Largest number of fresh seeds of each configuration."""
    home: Home
    """Record, store, scratch."""
    margin: float = 0.5
    """Points within which a configuration counts as equivalent to the baseline."""
    opens_test: bool = True
    """Whether the test split is scored at the end."""
    again: bool = False
    """Whether the test split is scored again if it was scored before."""
    take_over: bool = False
    """Whether to take the confirmation from a driver whose heartbeats stopped."""

    @property
    def name(self) -> str:
        """Name of the confirmation's own sweep."""
        return f"{self.sweep}{SUFFIX}"


def confirm(request: ConfirmRequest) -> Confirmation:
    """Run the missing trials, and return the comparisons with fresh seeds and, once, on the test split.

    Raises:
        InputError: There is nothing to confirm, or the sweep was confirmed with another number of configurations.
        RunError: Every trial failed.
        KeyboardInterrupt: The user interrupted; everything finished is on record.
    """
    with open_record(request.home.record, read_only=True) as record:
        record.sweep(request.sweep)  # do not create a record for a sweep that does not exist
    with open_record(request.home.record) as record:
        spec = _spec(record, request)
        dev, seeds = _look_until_decided(record, request, spec=spec)
        diary = Diary(record=record, sweep=request.name)
        recorded = diary.tested
        test = Comparison.model_validate(recorded) if recorded else None
        if request.opens_test and (test is None or request.again):
            test = compare_on_test(record, dev, home=request.home, diary=diary)
        return Confirmation(
            sweep=request.sweep,
            confirmation=request.name,
            seeds=seeds,
            dev=dev,
            test=test,
            num_test_openings=diary.num_openings,
        )


def _look_until_decided(record: Record, request: ConfirmRequest, *, spec: SweepSpec) -> tuple[Comparison, int]:
    """Run more seeds and compare, until every configuration has a verdict or all seeds are used."""
    num_points = len(spec.sampler.points)
    diary = Diary(record=record, sweep=request.name)
    found, done = None, 0
    while found is None or (done < request.seeds and not is_decided(found)):
        done = next_size(found.groups if found else (), done=done, seeds=request.seeds)
        trials = done * num_points
        run_sweep(
            SweepRequest(spec=spec, name=request.name, home=request.home, trials=trials, take_over=request.take_over)
        )
        seen = f"number <= {_last_number(record, request.name, num_trials=trials)}"
        question = Question(sweep=request.name, wheres=(seen,), margin=request.margin, look=diary.look(done))
        found = compare(record, question, store=request.home.store, downloads=request.home.downloads)
    return found, done


def _last_number(record: Record, name: str, *, num_trials: int) -> int:
    """Return the number of the last of the first `num_trials` trials that are not excluded (data can have changed)."""
    numbers = [trial.number for trial in record.trials(name) if trial.set_aside is None]
    return numbers[:num_trials][-1]


def _spec(record: Record, request: ConfirmRequest) -> SweepSpec:
    """Return the confirmation's spec: the recorded one, or a new one with the best configurations of now.

    Raises:
        InputError: There is nothing to confirm, or the sweep was confirmed with another number of configurations.
    """
    row = record.sweep(request.sweep)
    if opening := tasks_that_open_tests(record, sweep=row.name):
        msg = f"sweep {row.name!r} cannot be confirmed: {warning(opening)} Search again without that task"
        raise InputError(msg)
    if point_names(row):
        msg = (
            f"sweep {row.name!r} is already a confirmation, which cannot be confirmed; to continue it, give "
            "`xstilts confirm` the name of the sweep that it confirms"
        )
        raise InputError(msg)
    try:
        known = make_sweep_spec(record.sweep(request.name).spec)
    except UnknownSweepError:
        return _new_spec(record, request, spec=make_sweep_spec(row.spec))
    num = len(known.sampler.points) - 1
    if num != request.top:
        msg = (
            f"--top {request.top}: sweep {request.sweep!r} was confirmed with its best {num}; a new choice after the "
            f"scores of the fresh seeds are known would be biased; continue with --top {num}"
        )
        raise InputError(msg)
    return known.model_copy(update={"keep": None})  # recorded by a version that kept the sweep's `keep`


def _new_spec(record: Record, request: ConfirmRequest, *, spec: SweepSpec) -> SweepSpec:
    everything = max(1, len(record.trials(request.sweep)))
    arms = _counting(
        best(record, sweep=request.sweep, top=everything, where="family != 'none' and family != 'control'")
    )
    baselines = _counting(best(record, sweep=request.sweep, top=1, where="family = 'none'"))
    _check_there_are(arms, baselines, request=request)
    points = points_of(distinct(arms, top=request.top), baseline=baselines[0])
    if len(points) - 1 < request.top:
        msg = (
            f"--top {request.top}: sweep {request.sweep!r} has only {len(points) - 1} distinct configurations; lower "
            "--top"
        )
        raise InputError(msg)
    if request.opens_test:
        check_has_test(record.trial(request.sweep, number=baselines[0].trial).trial_config)
    return confirmation_spec(spec, name=request.name, points=points)


def _counting(trials: Sequence[BestTrial]) -> tuple[BestTrial, ...]:
    """Return the trials that are not excluded."""
    return tuple(trial for trial in trials if trial.set_aside is None)


def _check_there_are(arms: Sequence[BestTrial], baselines: Sequence[BestTrial], *, request: ConfirmRequest) -> None:
    for trials, what in ((arms, "with intermediate training"), (baselines, "of family `none`, the baseline")):
        if not trials:
            msg = (
                f"sweep {request.sweep!r} has no finished trial {what}, and a confirmation compares the two; "
                f"see `xstilts status {request.sweep}`"
            )
            raise InputError(msg)
