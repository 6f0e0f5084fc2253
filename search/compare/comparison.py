"""A comparison of groups of one sweep: from the record to verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.compare.comparison_result import Comparison, Interaction, Protocol
from search.compare.groups import by_encoder, by_family, by_point, by_task, runs_of_encoders, usual_baseline
from search.compare.interactions import interactions
from search.compare.items import num_units
from search.compare.lower_rungs import lower_rung_notes
from search.compare.run_reader import RunReader
from search.compare.runs import Group, Run, make_group
from search.compare.sequential import look_alpha
from search.compare.verdicts import MIN_SEEDS, compare_groups
from search.errors import InputError
from search.query.benchmark_ranking import Unranked
from search.query.opened_tests import tasks_that_open_tests, warning
from search.record import Record, SweepRow
from spaces.sweep_spec import LEARNING_SAMPLERS
from trainables.errors import near_matches

SUFFIX = ".confirmed"
"""Follows a sweep's name in that of its confirmation."""

LOOK = "look"
"""Kind of the event that says that a confirmation was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be compared."""

    sweep: str
    """Name of the sweep."""
    by: str = "family"
    """`family`, `task`, `encoder`, `where` or `configuration`."""
    baseline: str | None = None
    """Group that the others are held against; None: `none`, or the first expression, the first trial's
    encoder, or a confirmation's own."""
    wheres: tuple[str, ...] = ()
    """Expressions: one narrows what counts; with `by` where, each is a group."""
    metric: str | None = None
    """None takes the sweep's objective."""
    margin: float = 0.5
    """Points within which two groups count as equivalent."""
    alpha: float = 0.05
    """Chance of a wrong verdict over all groups and, in a confirmation, over all looks."""
    look: int | None = None
    """A confirmation's look that this is; None: the last on record."""


def compare(
    record: Record, question: Question, *, store: str | None = None, downloads: Path | None = None
) -> Comparison:
    """Return a comparison of groups of a sweep's finished trials.

    Args:
        record: Holds the sweep.
        question: What to compare.
        store: Folder or URL of the store with the trials' predictions; None, or one without them, leaves items out.
        downloads: Folder for downloads from a bucket; None: a folder in the user's cache.

    Raises:
        UnknownSweepError: There is no such sweep.
        InputError: A group is missing, or a trial is in two groups.
        FilterError: The metric or an expression is not understood.
    """
    row = record.sweep(question.sweep)
    metric = question.metric or row.objective
    reader = RunReader(record, sweep=row.name, metric=metric, store=store, downloads=downloads)
    points = point_names(row)
    by = "configuration" if points and question.by == "family" else question.by
    groups = _groups(reader, question, by=by, points=points)
    name = question.baseline or _usual_baseline(groups, question, by=by, points=points)
    baseline = _baseline(groups, name=name, sweep=row.name)
    look = question.look or (num_looks(record, row.name) if points else 1)
    protocol = Protocol(
        metric=metric,
        by=by,
        baseline=name,
        margin=question.margin,
        alpha=look_alpha(look, alpha=question.alpha) if points else question.alpha,
        selection="fresh" if points else "all",
        look=look,
    )
    arms = [group for group in groups if group is not baseline]
    answers = compare_groups(
        arms, baseline=baseline, protocol=protocol, how=_how(row.name, groups, is_fresh=bool(points))
    )
    notes = _notes(record, row, is_fresh=bool(points)) + item_notes(groups, why=reader.why_no_items)
    decided = {answer.group for answer in answers if answer.verdict != "undecided"}
    notes += unranked_notes(reader.unranked, benchmark=metric)
    notes += lower_rung_notes(record, row, by=by, baseline=name, decided=decided)
    found = _interactions(reader, question, protocol=protocol) if by == "encoder" else ()
    return Comparison(
        sweep=row.name,
        protocol=protocol,
        metric_meaning=row.meaning_of(protocol.metric),
        groups=answers,
        interactions=found,
        notes=tuple(notes),
        **num_items(baseline),
    )


def num_items(baseline: Group) -> dict[str, int | None]:
    """Return the numbers of items and of their units, as fields of a comparison."""
    items_SN = baseline.items_SN()
    if items_SN is None:
        return {"num_items": None, "num_units": None}
    num = items_SN.shape[1]
    return {"num_items": num, "num_units": num_units(baseline.units_N(), num_items=num)}


def item_notes(groups: Sequence[Group], *, why: str) -> list[str]:
    """Return what a reader has to know of the items: that some are not known, or are taken as independent.

    Args:
        groups: The groups.
        why: Why items are not known.
    """
    if any(group.items_SN() is None for group in groups):
        return [f"intervals contain the luck of seeds, and not of the choice of items: {why or 'their numbers differ'}"]
    if any(group.units_N() is None for group in groups):
        return ["the predictions do not say which items share a premise or paragraph: each is drawn alone"]
    return []


def unranked_notes(unranked: Sequence[Unranked], *, benchmark: str) -> list[str]:
    """Return one sentence for the trials that a comparison on a benchmark leaves out, by the tasks that they lack."""
    return [
        f"{_trials_are(len(group.trials))} left out, without a score on {', '.join(group.missing)} of {benchmark}"
        for group in unranked
    ]


def _trials_are(num: int) -> str:
    return "one trial is" if num == 1 else f"{num} trials are"


def point_names(row: SweepRow) -> list[str]:
    """Return the configurations of a confirmation, its baseline last; none for another sweep."""
    sampler = row.spec.get("sampler")
    points = sampler.get("points") if isinstance(sampler, dict) else None
    return [str(point["name"]) for point in points if isinstance(point, dict)] if isinstance(points, list) else []


def num_looks(record: Record, sweep: str) -> int:
    """Return how often a confirmation was looked at, at least 1."""
    return max(1, sum(event.kind == LOOK for event in record.events(sweep)))


def _groups(reader: RunReader, question: Question, *, by: str, points: Sequence[str]) -> list[Group]:
    if by == "where":
        return _expressions(reader, question.wheres)
    if len(question.wheres) > 1:
        msg = f"--where is given {len(question.wheres)} times; two expressions are two groups: add --by where"
        raise InputError(msg)
    runs = reader.runs(where=question.wheres[0] if question.wheres else None)
    if by == "configuration":
        return by_point(points, runs=runs)
    makers: dict[str, Callable[..., list[Group]]] = {
        "family": by_family,
        "task": by_task,
        "encoder": by_encoder,
    }
    return makers[by](reader.trials, runs=runs)


def _usual_baseline(groups: Sequence[Group], question: Question, *, by: str, points: Sequence[str]) -> str:
    if by == "encoder":
        return groups[0].name if groups else ""
    if by == "configuration":
        return points[-1]
    return question.wheres[0] if by == "where" else usual_baseline(group.name for group in groups)


def _interactions(reader: RunReader, question: Question, *, protocol: Protocol) -> tuple[Interaction, ...]:
    runs = reader.runs(where=question.wheres[0] if question.wheres else None)
    encoders = runs_of_encoders(reader.trials, runs=runs)
    groups = {name: by_family(reader.trials, runs=members) for name, members in encoders.items()}
    return interactions(groups, baseline=protocol.baseline, protocol=protocol)


def _expressions(reader: RunReader, wheres: Sequence[str]) -> list[Group]:
    if len(wheres) != 2:  # noqa: PLR2004  an arm and a baseline
        msg = f"--by where compares two groups, and {len(wheres)} --where were given; give the baseline's, then another"
        raise InputError(msg)
    found: list[Mapping[int, Run]] = [reader.runs(where=where) for where in wheres]
    both = sorted(found[0].keys() & found[1].keys())
    if both:
        msg = f"trial {both[0]} meets both {wheres[0]!r} and {wheres[1]!r}; a trial has one group: narrow one of them"
        raise InputError(msg)
    groups = [make_group(where, list(runs.values())) for where, runs in zip(wheres, found, strict=True)]
    return [group for group in groups if group.runs]


def _baseline(groups: Sequence[Group], *, name: str, sweep: str) -> Group:
    found = next((group for group in groups if group.name == name), None)
    if found is None:
        known = [group.name for group in groups]
        if not known:
            msg = f"sweep {sweep!r} has no finished trial to compare; see `xstilts status {sweep}`"
            raise InputError(msg)
        msg = (
            f"sweep {sweep!r} has no finished trial of baseline {name!r}{near_matches(name, known)}; "
            f"name another by --baseline: {', '.join(known)}"
        )
        raise InputError(msg)
    return found


def _how(sweep: str, groups: Sequence[Group], *, is_fresh: bool) -> Callable[[int], str]:
    """Return what adds seeds: to a confirmation, or to a sweep by a confirmation of its own, which starts from none."""
    have = max((group.num_seeds for group in groups), default=0) if is_fresh else 0
    source = sweep.removesuffix(SUFFIX) if is_fresh else sweep
    top = max(1, len(groups) - 1) if is_fresh else 1
    return lambda more: f"xstilts confirm {source} --top {top} --seeds {max(MIN_SEEDS, have + more)}"


def _stopping_rule(row: SweepRow) -> str:
    """Return what `stop.decided` of a sweep's spec compares; empty without it."""
    stop = row.spec.get("stop")
    decided = stop.get("decided") if isinstance(stop, dict) else None
    return str(decided or "")


def _notes(record: Record, row: SweepRow, *, is_fresh: bool) -> list[str]:
    opening = tasks_that_open_tests(record, sweep=row.name)
    notes = [warning(opening)] if opening else list[str]()
    num_pruned = record.count_states(row.name).get("pruned", 0)
    if num_pruned:
        notes.append(f"{num_pruned} pruned trials are left out: those that are left were picked by their scores")
    if (rule := _stopping_rule(row)) and not is_fresh:
        notes.append(
            f"the sweep proposed what would decide, and ended by stop.decided ({rule}), after several looks at its "
            "verdicts: this look alone would be wrong a little more often than its error rate says; `xstilts confirm` "
            "gives fresh seeds"
        )
        return notes
    sampler = row.spec.get("sampler")
    name = sampler.get("name", "tpe") if isinstance(sampler, dict) else None
    priors = row.spec.get("priors")
    has_densities = isinstance(priors, dict) and bool(priors.get("densities"))
    if not is_fresh and (name in LEARNING_SAMPLERS or has_densities):
        notes.append(f"{name} proposes more trials where scores were high: groups are compared as it sampled them")
    return notes
