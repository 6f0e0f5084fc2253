"""Reports progress while the test split is scored: trials, items, items per second, and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from search.live_view import SECONDS_BETWEEN_LINES, clock, read_progress, writing_lines
from trainables.monitoring.progress import Progress
from trainables.number_words import number_of


@dataclass(slots=True, kw_only=True)
class Scoring:
    """Progress of the scoring of some trials. Each scoring thread adds the number of its trial."""

    files: dict[int, Path]
    """Trial -> its progress file."""
    num_languages: int
    done: set[int] = field(default_factory=set[int])
    """Trials that are scored."""

    def line(self) -> str:
        """Return the progress as one line."""
        running = [read_progress(path) for trial, path in self.files.items() if trial not in self.done]
        return scoring_line(
            [progress for progress in running if progress is not None and progress.phase == "evaluation"],
            num_done=len(self.done),
            num_trials=len(self.files),
            num_languages=self.num_languages,
        )


def scoring_line(running: Sequence[Progress], *, num_done: int, num_trials: int, num_languages: int) -> str:
    """Return the progress of the scoring as one line.

    Args:
        running: The last progress of each trial that is being scored.
        num_done: Trials that are scored.
        num_trials: Trials in all.
        num_languages: Languages of each.
    """
    progress = f"test split: {num_done} of {number_of(num_trials, 'trial')} scored"
    languages = number_of(num_languages, "language")
    if not running:
        return f"{progress}; reading the items in {languages}"
    num_items = max(trial.num_steps for trial in running)
    at = num_done * num_items + sum(trial.step for trial in running)
    progress = f"{progress}, {len(running)} running; {at:,} of {num_trials * num_items:,} items in {languages}"
    rate = sum((trial.num_steps - trial.step) / trial.seconds_left for trial in running if trial.seconds_left)
    if not rate:
        return progress
    return f"{progress}, {rate:,.0f} items/s, about {clock((num_trials * num_items - at) / rate)} left"


@contextlib.contextmanager
def showing_scoring(scoring: Scoring, *, seconds: float = SECONDS_BETWEEN_LINES) -> Generator[None]:
    """Write a line on standard error after each change, at most one per `seconds`; delete the files at the end."""
    try:
        with writing_lines(scoring.line, seconds=seconds):
            yield
    finally:
        for path in scoring.files.values():
            path.unlink(missing_ok=True)
