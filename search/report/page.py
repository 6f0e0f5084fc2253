"""The page: a template filled with contents and plots. It asks nothing of the network."""

from __future__ import annotations

from importlib import resources

import yaml

from search.compare.answers import Comparison, GroupComparison
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
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string((folder / "page.html.jinja").read_text(encoding="utf-8")).render(
        contents=contents,
        plots=plots,
        headlines=[line for answer in contents.comparisons for line in headlines(answer)],
        style=(folder / "page.css").read_text(encoding="utf-8"),
        configurations=[yaml.safe_dump(trial.config, sort_keys=False) for trial in contents.best],
        spec=yaml.safe_dump(contents.sweep.spec, sort_keys=False),
        refresh=refresh,
    )


def headlines(answer: Answered) -> list[str]:
    """Return what a comparison says, a sentence for each group that is no control; its refusal where it refuses."""
    if answer.found is None:
        return [f"{answer.question}: no answer. {answer.refusal}"]
    arms = [group for group in answer.found.groups if group.verdict != "baseline" and not group.control_of]
    return [_sentence(answer.found, arm) for arm in arms] or [
        f"{answer.question}: no group but the baseline has finished trials yet."
    ]


def _sentence(found: Comparison, arm: GroupComparison) -> str:
    protocol = found.protocol
    against = f"{arm.group} against {protocol.baseline}"
    effect = "" if arm.effect is None else f" {arm.effect:+.2f} points of {protocol.metric} dev score"
    if arm.low is not None and arm.high is not None:
        effect += f", {100 * (1 - protocol.alpha):.3g} % interval {arm.low:+.2f} to {arm.high:+.2f}"
    return f"{against}: {arm.verdict}.{effect}{'.' if effect else ''} {arm.reason}".strip()
