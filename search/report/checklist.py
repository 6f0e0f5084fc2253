"""The checklist of a sweep for a paper: what reviewers ask of an experiment, as far as the record has it.

The questions are those of Dodge et al. 2019 (arXiv 1909.03004, "Show Your Work") and of the reproducibility checklists
of NeurIPS and ACL. A part is ticked if the record answers it, and otherwise names the command that would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from search.compare.comparison_result import Comparison
from search.compare.verdicts import MIN_SEEDS
from search.record import JsonObject, Record
from search.report.contents import Contents
from search.report.paper_tables import PaperTable, markdown_table
from search.report.run_statistics import chance_to_beat, expected_best, numbers_of_trials
from spaces.objectives import SCORES
from trainables.data.sources.locator import MINIATURE
from trainables.number_words import number_of

START = "# Checklist"
"""How the file begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the checklist."""

    title: str
    is_answered: bool
    text: str
    """Markdown: the answer, or what is missing."""


def write_checklist(record: Record, contents: Contents) -> str:
    """Return the checklist of a sweep as Markdown.

    Args:
        record: Record with the sweep and its confirmation.
        contents: Contents of the sweep's report.
    """
    parts = (
        _space(contents),
        _trials(contents),
        _method(contents),
        _compute(contents),
        _selection(contents),
        _seeds(contents),
        _commits(contents),
        _expected(contents),
        _chances(record, contents),
    )
    lines = [f"- [{'x' if part.is_answered else ' '}] {part.title}" for part in parts]
    sections = [f"## {part.title}\n\n{part.text.rstrip()}\n" for part in parts]
    versions = ", ".join(f"{name} {version}" for name, version in contents.versions.items())
    head = f"{START} of the sweep {contents.sweep.name}\n\nWritten {contents.written_at} with {versions}.\n"
    return "\n".join([head, *lines, "", *sections])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = PaperTable(name="", caption="", headings=tuple(headings), rows=tuple(map(tuple, rows)))
    return markdown_table(table).rstrip()


def _space(contents: Contents) -> Part:
    spec = contents.sweep.spec
    rows = [(f"families.{family}.{name}", _flow(value)) for family, name, value in _of_families(spec)]
    search = spec.get("search")
    rows += [(name, _flow(value)) for name, value in search.items()] if isinstance(search, dict) else []
    text = _table(("parameter", "values"), rows) if rows else "The spec names no parameter."
    return Part(title="Range of each searched parameter", is_answered=bool(rows), text=text)


def _of_families(spec: JsonObject) -> Iterator[tuple[str, str, object]]:
    families = spec.get("families")
    for family, settings in families.items() if isinstance(families, dict) else ():
        for name, value in settings.items() if isinstance(settings, dict) else ():
            yield family, name, value


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).replace("\n...", "").strip()


def _trials(contents: Contents) -> Part:
    counts: dict[str, dict[str, int]] = {}
    for trial in contents.listed:
        states = counts.setdefault(trial.family, {})
        states[trial.state] = states.get(trial.state, 0) + 1
    states = sorted({state for found in counts.values() for state in found})
    rows = [(family, *(str(found.get(state, 0)) for state in states)) for family, found in counts.items()]
    text = f"{contents.status.planned_trials} trials are planned.\n\n" + _table(("family", *states), rows)
    return Part(title="Number of trials of each family", is_answered=bool(rows), text=text)


def _method(contents: Contents) -> Part:
    spec = contents.sweep.spec
    names = ("sampler", "pruner", "rungs", "stop", "seed", "order", "concurrency", "budget", "priors", "constraints")
    rows = [(name, _flow(given)) for name in names if (given := _given(spec.get(name))) is not None]
    text = _table(("part of the spec", "value"), rows)
    return Part(title="Method of the search", is_answered="sampler" in spec, text=text)


def _given(value: object) -> object:
    """Return a part of a spec without what is not given; None if nothing is."""
    if not isinstance(value, dict):
        return value
    found = {name: inner for name, each in value.items() if (inner := _given(each)) not in (None, [])}
    return found or None


def _compute(contents: Contents) -> Part:
    status = contents.status
    engines = {_flow(_section(trial.config, "engine")) for trial in contents.listed}
    paid, alone = number_of(status.steps_paid, "optimiser step"), number_of(status.steps_unshared, "step")
    lines = [
        f"- Paid: {status.cost_paid_seconds / 3600:.2f} hours and {paid}, with scoring",
        f"- Without shared stages: {status.seconds_unshared / 3600:.2f} hours and {alone}",
        *(f"- Engine of a trial: `{engine}`" for engine in sorted(engines)),
        "- Add the model of the devices: the record does not have it",
    ]
    return Part(title="Compute", is_answered=status.cost_paid_seconds > 0, text="\n".join(lines))


def _selection(contents: Contents) -> Part:
    trial = _section(contents.sweep.spec, "trial")
    evaluation = _flow(_section(trial, "evaluation")) if "evaluation" in trial else "the default"
    confirmed = _confirmed(contents)
    labels = "English" if set(contents.sweep.goals) & set(SCORES) == {"english"} else "all evaluated languages"
    lines = [
        f"- Selected by: {', '.join(contents.sweep.goals)}, with the dev labels of {labels}",
        f"- Evaluation: `{evaluation}`",
        *(f"- Warning: {warning}" for warning in contents.warnings),
        "- The test split is locked: only a confirmation opens it, once",
    ]
    if confirmed is None:
        name = contents.sweep.name
        lines.append(f"- Missing: fresh seeds for what was selected; run `xstilts confirm {name}`")
    else:
        lines.append(f"- Confirmed with fresh seeds in the sweep `{confirmed.sweep}`")
    return Part(title="Selection, with fresh seeds", is_answered=confirmed is not None, text="\n".join(lines))


def _seeds(contents: Contents) -> Part:
    found = _confirmed(contents) or _first(contents)
    if found is None:
        return Part(title="Seeds", is_answered=False, text="There is no comparison yet; see `xstilts compare`.")
    rows = [
        (group.group, str(group.num_trials), str(group.num_intermediate_seeds), str(group.num_target_seeds))
        for group in found.groups
    ]
    text = f"Of the sweep `{found.sweep}`:\n\n"
    text += _table(("group", "trials", "intermediate seeds", "target seeds"), rows)
    numbers = [(group.num_intermediate_seeds, group.num_target_seeds) for group in found.groups]
    enough = min(map(min, numbers), default=0) >= MIN_SEEDS
    if not enough:
        text += f"\n\nMissing: {MIN_SEEDS} seeds for each group; `xstilts confirm` adds them."
    return Part(title="Seeds", is_answered=enough, text=text)


def _unpinned_encoders(contents: Contents) -> list[str]:
    """Return the names of encoders without a commit; the shipped one needs none."""
    found = [_section(trial.config, "encoder") for trial in contents.listed]
    names = {str(one.get("name", MINIATURE)) for one in found if one.get("revision") is None}
    return sorted(names - {MINIATURE})


def _commits(contents: Contents) -> Part:
    encoders = {_flow(_section(trial.config, "encoder")) for trial in contents.listed}
    rows: list[tuple[str, str, str, str]] = []
    unpinned = [f"encoder {name}" for name in _unpinned_encoders(contents)]
    for task in contents.tasks:
        source = _section(task, "source")
        place = source.get("repository") or source.get("generator") or source.get("type")
        revision = source.get("revision") or source.get("digest") or source.get("version")
        if revision is None:
            unpinned.append(str(task["name"]))
        rows.append((str(task["name"]), str(place), str(revision or "-"), str(task["licence"])))
    text = "\n".join(f"- Encoder: `{encoder}`" for encoder in sorted(encoders))
    text += "\n\n" + _table(("task", "source", "commit or version", "licence"), rows)
    if unpinned:
        text += f"\n\nMissing: a commit of {', '.join(unpinned)}."
    return Part(title="Commits of data and encoder", is_answered=not unpinned, text=text)


def _expected(contents: Contents) -> Part:
    groups: dict[str, list[float]] = {"all": [trial.score for trial in contents.trials]}
    for trial in contents.trials:
        groups.setdefault(trial.family, []).append(trial.score)
    title = "Expected best at n trials"
    if not contents.trials:
        return Part(title=title, is_answered=False, text="No trial has finished yet.")
    rows = [
        (str(num), *(_expected_percent(scores, num=num) for scores in groups.values()))
        for num in numbers_of_trials(len(contents.trials))
    ]
    text = f"Expected best {contents.sweep.objective} in % of n trials that are drawn from the finished ones (arXiv "
    text += "1909.03004). It describes a random search; pruned trials are left out.\n\n"
    return Part(title=title, is_answered=True, text=text + _table(("n", *groups), rows))


def _expected_percent(scores: Sequence[float], *, num: int) -> str:
    return f"{100 * expected_best(scores, num=num):.2f}" if num <= len(scores) else "-"


def _chances(record: Record, contents: Contents) -> Part:
    found = _confirmed(contents) or _first(contents)
    title = "Probability that a fresh run beats the baseline"
    if found is None:
        return Part(title=title, is_answered=False, text="There is no comparison yet; see `xstilts compare`.")
    scores = {row.number: row.score for row in record.trials(found.sweep) if row.score is not None}
    of_group = {group.group: [scores[number] for number in group.trials if number in scores] for group in found.groups}
    baseline = of_group.get(found.protocol.baseline, [])
    rows = [
        (name, f"{chance_to_beat(values, baseline):.2f}", f"{len(values)} x {len(baseline)}")
        for name, values in of_group.items()
        if name != found.protocol.baseline and values and baseline
    ]
    is_fresh = found.protocol.selection == "fresh"
    text = f"Of the sweep `{found.sweep}`, against {found.protocol.baseline} (arXiv 2103.03098):\n\n"
    text += _table(("group", "probability", "pairs of runs"), rows)
    if not is_fresh:
        missing = "runs that selected nothing: the search's sampler saw the scores of these trials"
        text += f"\n\nMissing: {missing}; run `xstilts confirm {contents.sweep.name}`."
    return Part(title=title, is_answered=is_fresh and bool(rows), text=text)


def _confirmed(contents: Contents) -> Comparison | None:
    found = [reported.comparison for reported in contents.comparisons if reported.comparison]
    return next((comparison for comparison in found if comparison.protocol.selection == "fresh"), None)


def _first(contents: Contents) -> Comparison | None:
    return contents.comparisons[0].comparison if contents.comparisons else None


def _section(parent: Mapping[str, object], name: str) -> JsonObject:
    section = parent.get(name)
    return section if isinstance(section, dict) else {}
