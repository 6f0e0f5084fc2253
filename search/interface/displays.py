"""Results as Python shows them: as text, as pandas frames, and as tables and pictures in a notebook."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from search.compare.comparison_result import MEAN, Comparison
from search.errors import InputError
from search.query import BestTrial
from search.query.frames import frame_of
from search.report.plot_files import standalone, write_figures
from search.report.svg import Plot

if TYPE_CHECKING:
    import pandas as pd


class BestTrials(Sequence[BestTrial]):
    """The best trials of a sweep, the best first. A notebook shows them as a table.

    Args:
        trials: The trials.
        title: Title of the table.
    """

    def __init__(self, trials: Sequence[BestTrial], *, title: str) -> None:
        self.trials, self.title = tuple(trials), title

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, index: int) -> BestTrial:  # pyright: ignore[reportIncompatibleMethodOverride]  no slices
        return self.trials[index]

    def __iter__(self) -> Iterator[BestTrial]:
        return iter(self.trials)

    def frame(self) -> pd.DataFrame:
        """Return one row for each trial; scores are 0..1, the cost is in seconds of the stages that it made."""
        columns = ("trial", "score", "en", "lowest", "family", "tasks", "cost_paid_seconds")
        return frame_of(columns, [_row(trial) for trial in self.trials])

    def __repr__(self) -> str:
        return f"{self.title}\n{self.frame().round(4).to_string(index=False) if self.trials else 'no trial yet'}"

    def _repr_html_(self) -> str:
        return html_table(self.title, self.frame())


class ComparisonTable(Comparison):
    """A comparison of groups of trials with a baseline. A notebook shows it as a table."""

    def frame(self) -> pd.DataFrame:
        """Return one row for each group: means are 0..1, effects and their intervals are in points."""
        columns = ("group", "num_trials", "num_intermediate_seeds", "mean", "effect", "low", "high", "adjusted_p")
        names = (*columns, "verdict")
        return frame_of(names, [[getattr(group, name) for name in names] for group in self.groups])

    @property
    def title(self) -> str:
        """What is compared, in words."""
        protocol = self.protocol
        return f"{self.sweep} by {protocol.by}, {protocol.metric} dev score, against {protocol.baseline}"

    def __repr__(self) -> str:
        return f"{self.title}\n{self.frame().round(4).to_string(index=False)}"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        notes = [f"mean: {MEAN}", *(group.reason for group in self.groups if group.reason), *self.notes]
        lines = "".join(f"<p>{escape(note)}</p>" for note in dict.fromkeys(notes))
        return html_table(self.title, self.frame()) + lines


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SweepPlot:
    """A plot of the report. A notebook shows it as a picture."""

    plot: Plot
    """The plot as the report has it."""

    @property
    def svg(self) -> str:
        """The picture as a document of SVG, in the colours for paper."""
        return standalone(self.plot)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the plot, as text."""
        return frame_of(self.plot.headings, self.plot.rows)

    def save(self, path: str | Path) -> Path:
        """Write the plot as `.svg` or `.png`, and return the path.

        Raises:
            InputError: The suffix is another one, or the file cannot be written.
        """
        place = Path(path)
        if place.suffix not in {".svg", ".png"}:
            msg = f"a plot cannot be written to {str(place)!r}: the suffix says no format; use .svg or .png"
            raise InputError(msg)
        with tempfile.TemporaryDirectory() as folder:
            made = {file.suffix: file.read_bytes() for file in write_figures((self.plot,), folder=Path(folder))}
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(made[place.suffix])
        except OSError as error:
            msg = f"the plot cannot be written to {str(place)!r}: {error.strerror}; give another file"
            raise InputError(msg) from error
        return place

    def __repr__(self) -> str:
        return f"SweepPlot({self.plot.name!r}: {self.plot.title})"

    def _repr_html_(self) -> str:
        # An image: the plot's style then reaches nothing else on the page.
        data = base64.b64encode(self.svg.encode()).decode()
        title, caption = escape(self.plot.title, quote=True), escape(self.plot.caption)
        return (
            f"<figure><strong>{title}</strong><br>"
            f'<img src="data:image/svg+xml;base64,{data}" alt="{title}" style="max-width: 100%">'
            f"<figcaption>{caption}</figcaption></figure>"
        )


def html_table(title: str, frame: pd.DataFrame) -> str:
    """Return a frame as an HTML table with a caption."""
    table = frame.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format, escape=True)
    return f"<p><strong>{escape(title)}</strong></p>{table}"


def _row(trial: BestTrial) -> tuple[object, ...]:
    scores = trial.languages
    tasks = " + ".join(trial.tasks) or "-"
    lowest = min(scores.values())
    return trial.trial, trial.score, scores.get("en"), lowest, trial.family, tasks, trial.cost_paid_seconds
