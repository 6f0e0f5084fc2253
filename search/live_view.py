"""The live view of a running sweep: a table on a terminal, otherwise one line of text for each event."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from search.query import SweepStatus, sweep_status
from search.record import Event, Record, TrialRow
from search.verbosity import VERBOSITY
from trainables.data.labels.left_out import is_new
from trainables.monitoring.progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

HEADINGS = ("trial", "family", "phase", "step", "loss", "left")
"""Columns of the table of running trials; `progress_cells` returns their cells."""

SECONDS_BETWEEN_LINES = 5.0
"""Seconds between two lines where there is no terminal."""

_SHOWN_EVENTS = frozenset({"running", "finished", "failed", "pruned", "interrupted"})
_MAX_ROWS = 16


def read_progress(path: Path) -> Progress | None:
    """Return the newest report in a progress file, or None when there is none."""
    try:
        return Progress.model_validate_json(path.read_text())
    except (OSError, ValueError):
        return None


def progress_cells(trial: TrialRow, progress: Progress | None) -> tuple[str, ...]:
    """Return the cells of one running trial, in the order of HEADINGS."""
    if progress is None:
        return (str(trial.number), trial.family, "starting", "", "", "")
    return (
        str(trial.number),
        trial.family,
        progress.phase,
        f"{progress.step}/{progress.num_steps}",
        "" if progress.loss is None else f"{progress.loss:.3f}",
        "" if progress.seconds_left is None else clock(progress.seconds_left),
    )


@contextlib.contextmanager
def showing_progress(path: Path, *, seconds: float = SECONDS_BETWEEN_LINES) -> Generator[None]:
    """Print the progress of a single trial on standard error, at regular intervals, while the block runs.

    Args:
        path: The trial's progress file; deleted at the end.
        seconds: Seconds between two lines.
    """

    def line() -> str | None:
        progress = read_progress(path)
        return None if progress is None else progress_line(progress)

    try:
        with writing_lines(line, seconds=seconds):
            yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_lines(line: Callable[[], str | None], *, seconds: float) -> Generator[None]:
    """Print a line on standard error at regular intervals, if it has changed, while the block runs.

    Args:
        line: Returns the line, or None while there is nothing to print.
        seconds: Seconds between two calls of `line`.
    """
    ended = threading.Event()

    def write() -> None:
        written: str | None = None
        while not ended.wait(seconds):
            newest = line()
            if newest is not None and newest != written:
                sys.stderr.write(f"{newest}\n")
                sys.stderr.flush()
                written = newest

    if VERBOSITY.is_quiet:
        yield
        return
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def progress_line(progress: Progress) -> str:
    """Return a report as one line of text."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
    left = "" if progress.seconds_left is None else f", {clock(progress.seconds_left)} left in this phase"
    return f"{progress.phase} {progress.step}/{progress.num_steps}{loss}{left}"


class LiveView:
    """Shows the progress of a sweep. Only one thread may use it. It holds no state of the sweep.

    Args:
        sweep: Name of the sweep.
        record: The record with the sweep.
        folder: Holds `<number>.json`, a ProgressFile, for each running trial.
        stream: Stream to write to; None: standard error, because standard output is for results.
    """

    def __init__(self, sweep: str, *, record: Record, folder: Path, stream: TextIO | None = None) -> None:
        self._sweep, self._record, self._folder = sweep, record, folder
        self._stream = stream or sys.stderr
        self._live: Live | None = None
        self._last_event = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the view; it shows only the events from now on."""
        events = self._record.events(self._sweep)
        self._last_event = events[-1].id if events else 0
        if self._stream.isatty() and not VERBOSITY.is_quiet:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._stream), auto_refresh=False)
            self._live.start()
        self.update()

    def update(self) -> None:
        """Show the current state. Call it about once a second."""
        for event in self._record.events(self._sweep, after=self._last_event):
            self._last_event = event.id
            if event.kind == "left_out":
                self._warn(str(event.payload["warning"]))
            elif event.kind in _SHOWN_EVENTS and self._live is None and not VERBOSITY.is_quiet:
                self._write(self._line(event))
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)

    def stop(self) -> None:
        """Show the last state, and end the view."""
        self.update()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _warn(self, warning: str) -> None:
        """Print a warning once, although each process of a sweep reports it."""
        if is_new(warning):
            self._write(warning)

    def _write(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
            return
        self._stream.write(line + "\n")
        self._stream.flush()

    def _line(self, event: Event) -> str:
        score = event.payload.get("score")
        shown_score = f" {_percent(score)}" if isinstance(score, float) else ""
        error = event.payload.get("error")
        reason = f": {str(error).splitlines()[0]}" if error else ""
        return f"[{self._num_done()}] trial {event.trial} {event.kind}{shown_score}{reason}"

    def _num_done(self) -> str:
        status = self._status()
        return f"{status.num_done}/{status.planned_trials}"

    def _drawn(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        running = self._record.trials(self._sweep, states=("running",))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, width=80)
        for heading in HEADINGS:
            table.add_column(heading, no_wrap=True)
        for trial in running[:_MAX_ROWS]:
            table.add_row(*progress_cells(trial, read_progress(self._folder / f"{trial.number}.json")))
        return Group(Text(self._headline(num_running=len(running))), table)

    def _headline(self, *, num_running: int) -> str:
        status = self._status()
        best = ""
        if status.best_score is not None:
            best = f", best so far {_percent(status.best_score)} (trial {status.best_trial})"
        left = "" if status.seconds_left is None else f", about {clock(status.seconds_left)} left"
        return f"{self._sweep}: {self._num_done()} done, {num_running} running{best}{left}"

    def _status(self) -> SweepStatus:
        return sweep_status(self._record, sweep=self._sweep)


def _percent(score: float) -> str:
    """Return a score as the tables of the commands print it, with its unit."""
    return f"{100 * score:.1f} %"


def clock(seconds: float) -> str:
    """Return seconds as `M:SS`, or `H:MM:SS` from one hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
