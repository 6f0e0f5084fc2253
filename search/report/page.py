"""Renders the page of a report from its contents and plots. The page loads nothing from the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

from search.compare.comparison_result import Comparison, GroupComparison
from search.compare.inconclusive_reasons import reasons
from search.report.contents import Contents, ReportedComparison
from search.report.family_plots import plot_heatmap, plot_intervals
from search.report.parameter_plots import plot_importance, plot_parallel
from search.report.stage_plots import plot_stages
from search.report.svg import Plot
from search.report.trial_data import trial_data
from search.report.trial_plots import plot_cost, plot_history


def draw_plots(contents: Contents) -> tuple[Plot, ...]:
    """Return the plots that the contents have numbers for, in the order of the page."""
    found: list[Plot | None] = [
        plot_intervals(reported.comparison, name=reported.name, title=reported.title)
        for reported in contents.comparisons
        if reported.comparison
    ]
    trials = contents.trials
    # Three narrow plots fill a row of a desktop screen, or a broad one and a narrow one.
    found += [
        plot_history(trials),
        plot_heatmap(trials),
        plot_cost(trials),
        plot_parallel(trials),
        plot_importance(trials),
        plot_stages(contents.stages, families={trial.number: trial.family for trial in trials}),
    ]
    return tuple(plot for plot in found if plot)


def render_page(contents: Contents, *, plots: tuple[Plot, ...], version: str | None = None) -> str:
    """Return the whole HTML document.

    Args:
        contents: Contents of the report.
        plots: Its plots.
        version: Version of the page for `--watch`: the page then asks its server for newer ones. None: a file.
    """
    import jinja2

    folder = resources.files("search.report")
    comparisons = [reported.comparison for reported in contents.comparisons if reported.comparison]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string((folder / "page.html.jinja").read_text(encoding="utf-8")).render(
        contents=contents,
        plots=plots,
        headlines=headlines(contents.comparisons),
        next_steps=reasons(group for comparison in comparisons for group in comparison.groups),
        notes=_notes(contents),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        configurations=[yaml.safe_dump(trial.config, sort_keys=False) for trial in contents.best],
        spec=yaml.safe_dump(contents.sweep.spec, sort_keys=False),
        trial_data=trial_data(contents.listed),
        script="\n".join(
            (folder / "script" / name).read_text(encoding="utf-8") for name in _SCRIPTS[: None if version else -1]
        ),
        version=version,
    )


_SCRIPTS = ("trials.js", "details.js", "plots.js", "live.js")
"""The page's scripts, in the order of their use; the last one only asks a server."""


def _notes(contents: Contents) -> list[str]:
    """Return what a reader must know of the scores and the comparisons, each once and without its full stop."""
    comparisons = [reported.comparison for reported in contents.comparisons if reported.comparison]
    notes = (*contents.warnings, *(note for comparison in comparisons for note in comparison.notes))
    return list(dict.fromkeys(note.rstrip(".") for note in notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The result of a comparison in sentences."""

    title: str
    lines: tuple[str, ...]
    """A sentence for each group that is not a control, or the reason why there is no comparison."""


def headlines(comparisons: Sequence[ReportedComparison]) -> list[Headline]:
    """Return the results of the comparisons in sentences; each pair of groups appears only once."""
    seen: set[frozenset[str]] = set()
    return [_headline(reported, seen=seen) for reported in comparisons]


def _headline(reported: ReportedComparison, *, seen: set[frozenset[str]]) -> Headline:
    """Return the sentences of one comparison, without the pairs of groups in `seen`, and add its pairs to `seen`."""
    comparison = reported.comparison
    if comparison is None:
        return Headline(title=reported.title, lines=(f"No comparison: {reported.reason}",))
    baseline = comparison.protocol.baseline
    arms = [group for group in comparison.groups if group.verdict != "baseline" and not group.control_of]
    new = [arm for arm in arms if frozenset({arm.group, baseline}) not in seen]
    seen |= {frozenset({arm.group, baseline}) for arm in new}
    lines = tuple(_sentence(comparison, arm) for arm in new)
    if not arms:
        lines = ("Only the baseline has finished trials yet.",)
    return Headline(title=reported.title, lines=lines)


def _sentence(found: Comparison, arm: GroupComparison) -> str:
    protocol = found.protocol
    effect = "" if arm.effect is None else f": {arm.effect:+.2f} points of {protocol.metric} dev score"
    if arm.low is not None and arm.high is not None:
        effect += f", {100 * (1 - protocol.alpha):.3g} % interval {arm.low:+.2f} to {arm.high:+.2f}"
    return f"{arm.group} {_VERBS[arm.verdict]} {protocol.baseline}{effect}."


_VERBS = {
    "better": "is better than",
    "worse": "is worse than",
    "equivalent": "is equivalent to",
    "undecided": "is undecided against",
}
"""Verdict -> the words between a group and its baseline."""
