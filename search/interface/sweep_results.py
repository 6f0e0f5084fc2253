"""One sweep of a record, for notebooks and scripts: its progress, its best trials, comparisons, plots and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from search.errors import InputError
from search.home import Home, find_home
from search.interface.displays import BestTrials, ComparisonTable, SweepPlot, html_table
from search.query import SweepStatus, sweep_status
from search.query.frames import frame_of, table_frame, view_frame
from search.query.views import ViewName
from search.record import Record, open_record
from trainables.config.literature import GROUPS
from trainables.number_words import number_of

if TYPE_CHECKING:
    import pandas as pd

_PLOTS = {
    "families": "two finished trials of two families",
    "heatmap": "a finished trial",
    "history": "a finished trial",
    "cost": "a finished trial",
    "importance": "about ten finished trials",
    "parallel": "finished trials with different values of a parameter",
    "stages": "a stage that several trials share",
}
"""Name of a plot in the report -> what it needs."""


class Sweep:
    """One sweep of a record, made by `search.open_sweep`, `search.launch` or `search.resume`.

    Each method reads the record again. None changes the sweep.

    Args:
        name: Name of the sweep.
        home: Has the record, the store and the progress files.
    """

    def __init__(self, name: str, *, home: Home) -> None:
        self.name, self._home = name, home

    @property
    def record(self) -> str:
        """Path or URL of the record."""
        return self._home.record

    def status(self) -> SweepStatus:
        """Return the progress of the sweep: trials in each state, costs in steps and seconds, the best trial."""
        with self._open() as record:
            return sweep_status(record, sweep=self.name)

    def best(
        self,
        top: int = 5,
        *,
        by: Literal["family"] | None = None,
        metric: str | None = None,
        where: str | Sequence[str] | None = None,
        rung: int | None = None,
    ) -> BestTrials:
        """Return the best finished trials, the best first.

        Args:
            top: Number of trials; with `by`, of each family.
            by: `family` returns the best of each family.
            metric: `average`, `english`, `worst`, a language code, or `xtreme` or `xtreme_r` for a benchmark's average;
                None: the sweep's objective.
            where: Expressions that trials must match, as `xstilts best --where` takes them.
            rung: Rank by the scores at this rung, with trials that were pruned later; not by a benchmark's average.

        Raises:
            FilterError: The metric or an expression is wrong.
            InputError: Both `by` and `rung` are given.
        """
        from search import query

        if by is not None and rung is not None:
            raise InputError("best: `by` and `rung` cannot be combined; leave one out")
        if metric is not None and metric in GROUPS and rung is None:
            return self._best_on_benchmark(metric, top=top, by=by, where=where)
        with self._open() as record:
            if rung is not None:
                found = query.best_at_rung(record, sweep=self.name, rung=rung, top=top, metric=metric, where=where)
            elif by == "family":
                found = query.best_of_families(record, sweep=self.name, top=top, metric=metric, where=where)
            else:
                found = query.best(record, sweep=self.name, top=top, metric=metric, where=where)
            chosen = metric or record.sweep(self.name).objective
        return BestTrials(found, title=f"Best of {self.name} by {chosen}")

    def _best_on_benchmark(
        self, benchmark: str, *, top: int, by: Literal["family"] | None, where: str | Sequence[str] | None
    ) -> BestTrials:
        from search.query.benchmark_ranking import rank_on_benchmark

        with self._open() as record:
            ranking = rank_on_benchmark(record, sweep=self.name, benchmark=benchmark, where=where)
        found = ranking.of_families(top=top) if by == "family" else ranking.ranked[:top]
        num_lacking = sum(len(group.trials) for group in ranking.unranked)
        lacking = f"; {number_of(num_lacking, 'trial')} not scored on all of its tasks" if num_lacking else ""
        return BestTrials(found, title=f"Best of {self.name} by {benchmark}{lacking}")

    def compare(
        self,
        by: Literal["family", "task", "encoder", "where"] = "family",
        *,
        baseline: str | None = None,
        where: str | Sequence[str] = (),
        metric: str | None = None,
        margin: float = 0.5,
    ) -> ComparisonTable:
        """Return the effects of groups of finished trials against a baseline, with verdicts.

        Args:
            by: What defines a group. `where` needs two expressions, the baseline's first.
            baseline: The group that the others are compared with; None: `none`, or the first encoder.
            where: Expressions that trials must match.
            metric: `average`, `english`, `worst`, a language code, or `xtreme` or `xtreme_r` for a benchmark's average;
                None: the sweep's objective.
            margin: Margin of equivalence, in points.

        Raises:
            InputError: A group is missing, or an expression is wrong.
        """
        from search.compare.comparison import Question, compare

        wheres = (where,) if isinstance(where, str) else tuple(where)
        question = Question(sweep=self.name, by=by, baseline=baseline, wheres=wheres, metric=metric, margin=margin)
        with self._open() as record:
            found = compare(record, question, store=self._home.store, downloads=self._home.downloads)
        return ComparisonTable.model_validate(dict(found))

    def plot_families(self) -> SweepPlot:
        """Return the effects of the families, with their intervals.

        Raises:
            InputError: The sweep has too few finished trials for it, as for each plot.
        """
        return self._plot("families")

    def plot_languages(self) -> SweepPlot:
        """Return the mean score of each intermediate task in each language."""
        return self._plot("heatmap")

    def plot_history(self) -> SweepPlot:
        """Return each trial's score, and the best score so far."""
        return self._plot("history")

    def plot_cost(self) -> SweepPlot:
        """Return score against cost, with the Pareto front."""
        return self._plot("cost")

    def plot_importance(self) -> SweepPlot:
        """Return the importance of the parameters."""
        return self._plot("importance")

    def plot_parameters(self) -> SweepPlot:
        """Return each trial as a line over its parameters and its score."""
        return self._plot("parallel")

    def plot_stages(self) -> SweepPlot:
        """Return the tree of the stages that trials start from or share."""
        return self._plot("stages")

    def trials(self) -> pd.DataFrame:
        """Return one row for each trial; `assignment` and `config` are dictionaries."""
        return self._view("trials")

    def scores(self) -> pd.DataFrame:
        """Return one row for each trial, rung, metric and language."""
        return self._view("scores")

    def stages(self) -> pd.DataFrame:
        """Return one row for each trial, rung and stage of its lineage."""
        return self._view("stages")

    def events(self) -> pd.DataFrame:
        """Return one row for each event, in order; `payload` is a dictionary."""
        return self._view("events")

    def table(self, *, every_rung: bool = False) -> pd.DataFrame:
        """Return one row for each trial; its score in each language and its parameters are columns.

        Args:
            every_rung: Whether to return a row for each rung of a trial, instead of its highest rung only.
        """
        with self._open() as record:
            return table_frame(record, sweep=self.name, every_rung=every_rung)

    def wait(self, *, seconds: float | None = None) -> bool:
        """Show the progress until no process drives the sweep; return whether the sweep is complete.

        Args:
            seconds: Longest time to wait; None: without a limit.
        """
        from search.driver.follower import watch_sweep

        return watch_sweep(self.name, home=self._home, seconds=seconds)

    def __repr__(self) -> str:
        found = self.status()
        score = "" if found.best_score is None else f", best {found.objective} {found.best_score:.4f}"
        return f"Sweep({self.name!r}: {found.num_done} of {number_of(found.planned_trials, 'trial')} done{score})"

    def _repr_html_(self) -> str:
        found = self.status()
        cells = {
            "done": f"{found.num_done} of {found.planned_trials}",
            **{state: str(count) for state, count in found.states.items()},
            "objective": ", ".join(found.goals),
            "cost": f"{found.cost_paid_seconds:.0f} s, {number_of(found.steps_paid, 'step')}",
            "without sharing": f"{found.seconds_unshared:.0f} s, {number_of(found.steps_unshared, 'step')}",
        }
        best = self.best()
        parts = [html_table(f"Sweep {self.name}", frame_of(tuple(cells), [tuple(cells.values())]))]
        if best:
            parts += [best._repr_html_(), self.plot_history()._repr_html_()]  # pyright: ignore[reportPrivateUsage]  the notebook's protocol
        return "".join(parts)

    def _open(self) -> Record:
        return open_record(self._home.record, read_only=True)

    def _view(self, view: ViewName) -> pd.DataFrame:
        with self._open() as record:
            return view_frame(record, sweep=self.name, view=view)

    def _plot(self, name: str) -> SweepPlot:
        from search.report import draw_plots, read_contents

        with self._open() as record:
            contents = read_contents(record, sweep=self.name, store=self._home.store)
        for plot in draw_plots(contents):
            if plot.name == name:
                return SweepPlot(plot=plot)
        msg = f"sweep {self.name!r} has no plot {name!r} yet: it needs {_PLOTS[name]}; `xstilts status {self.name}`"
        raise InputError(msg)


def open_sweep(name: str, *, record: str | None = None, store: str | None = None) -> Sweep:
    """Return a sweep of a record. `search.open_sweep` is its public name, which documents it."""
    home = find_home(record=record, store=store)
    with open_record(home.record, read_only=True) as opened:
        opened.sweep(name)
    return Sweep(name, home=home)
