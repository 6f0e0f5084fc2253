"""The page: a template filled with contents and plots. It asks nothing of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import yaml

from search.compare.answers import Comparison, GroupComparison
from search.compare.wording import reasons
from search.report.contents import Answered, Contents
from search.report.drawing import Plot
from search.report.family_plots import plot_heatmap, plot_intervals
from search.report.parameter_plots import plot_importance, plot_parallel
from search.report.stage_plots import plot_stages
from search.report.trial_plots import plot_cost, plot_history


def draw_plots(contents: Contents) -> tuple[Plot, ...]:
    """Return the plots that the contents have numbers for, in the page's order."""
    names = ("families", "families_against_text", "confirmed")
    found = [
        plot_intervals(answer.found, name=name, title=answer.question)
        for name, answer in zip(names, contents.comparisons, strict=False)
        if answer.found
    ]
    trials = contents.trials
    found += [
        plot_heatmap(trials),
        plot_history(trials),
        plot_cost(trials),
        plot_importance(trials),
        plot_parallel(trials),
    ]
    found.append(plot_stages(contents.stages, families={trial.number: trial.family for trial in trials}))
    return tuple(plot for plot in found if plot)


def render_page(contents: Contents, *, plots: tuple[Plot, ...], refresh: bool = False) -> str:
    """Return the whole HTML document.

    Args:
        contents: What it tells.
        plots: Its plots.
        refresh: Whether it asks its own server for a newer one: only a watched page does.
    """
    import jinja2

    folder = resources.files("search.report")
    told = headlines(contents.comparisons)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string((folder / "page.html.jinja").read_text(encoding="utf-8")).render(
        contents=contents,
        plots=plots,
        headlines=told,
        next_steps=reasons(group for one in contents.comparisons if one.found for group in one.found.groups),
        notes=list(dict.fromkeys(note for one in contents.comparisons if one.found for note in one.found.notes)),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        configurations=[yaml.safe_dump(trial.config, sort_keys=False) for trial in contents.best],
        spec=yaml.safe_dump(contents.sweep.spec, sort_keys=False),
        refresh=refresh,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What a comparison says at a glance."""

    question: str
    lines: tuple[str, ...]
    """A sentence for each group that is no control; the refusal where nothing was compared."""


def headlines(answers: Sequence[Answered]) -> list[Headline]:
    """Return what the comparisons say; a pair of groups that one has told of is left out of the others."""
    told: set[frozenset[str]] = set()
    return [_headline(answer, told=told) for answer in answers]


def _headline(answer: Answered, *, told: set[frozenset[str]]) -> Headline:
    if answer.found is None:
        return Headline(question=answer.question, lines=(f"No answer: {answer.refusal}",))
    baseline = answer.found.protocol.baseline
    arms = [group for group in answer.found.groups if group.verdict != "baseline" and not group.control_of]
    new = [arm for arm in arms if frozenset({arm.group, baseline}) not in told]
    told |= {frozenset({arm.group, baseline}) for arm in new}
    lines = tuple(_sentence(answer.found, arm) for arm in new)
    if not arms:
        lines = ("No group but the baseline has finished trials yet.",)
    return Headline(question=answer.question, lines=lines)


def _sentence(found: Comparison, arm: GroupComparison) -> str:
    protocol = found.protocol
    effect = "" if arm.effect is None else f": {arm.effect:+.2f} points of {protocol.metric} dev score"
    if arm.low is not None and arm.high is not None:
        effect += f", {100 * (1 - protocol.alpha):.3g} % interval {arm.low:+.2f} to {arm.high:+.2f}"
    is_ = "is undecided against" if arm.verdict == "undecided" else f"is {arm.verdict} {_THAN[arm.verdict]}"
    return f"{arm.group} {is_} {protocol.baseline}{effect}."


_THAN = {"better": "than", "worse": "than", "equivalent": "to"}
