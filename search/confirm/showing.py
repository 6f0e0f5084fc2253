"""What is told while the test split is scored: trials, items, rate, and an estimate."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from search.progress import SECONDS_BETWEEN_LINES, clock, read_progress, writing_lines
from trainables.monitoring.progress import Progress


@dataclass(slots=True, kw_only=True)
class Scoring:
    """How far the scoring of some trials is. Changed by the threads that score, one number each."""

    files: dict[int, Path]
    """Trial -> its progress file."""
    num_languages: int
    done: set[int] = field(default_factory=set[int])
    """Trials that are scored."""

    def line(self) -> str:
        """Return it as one line."""
        running = [read_progress(path) for trial, path in self.files.items() if trial not in self.done]
        return scoring_line(
            [one for one in running if one is not None and one.phase == "evaluation"],
            num_done=len(self.done),
            num_trials=len(self.files),
            num_languages=self.num_languages,
        )


def scoring_line(running: Sequence[Progress], *, num_done: int, num_trials: int, num_languages: int) -> str:
    """Return how far a scoring is.

    Args:
        running: Of each trial that is being scored, what its ranks said last.
        num_done: Trials that are scored.
        num_trials: Trials in all.
        num_languages: Languages of each.
    """
    told = f"test split: {num_done} of {num_trials} trials scored"
    if not running:
        return f"{told}; reading the items in {num_languages} languages"
    num_items = max(one.num_steps for one in running)
    at = num_done * num_items + sum(one.step for one in running)
    told = f"{told}, {len(running)} running; {at:,} of {num_trials * num_items:,} items in {num_languages} languages"
    rate = sum((one.num_steps - one.step) / one.seconds_left for one in running if one.seconds_left)
    if not rate:
        return told
    return f"{told}, {rate:,.0f} items/s, about {clock((num_trials * num_items - at) / rate)} left"


@contextlib.contextmanager
def showing_scoring(scoring: Scoring, *, seconds: float = SECONDS_BETWEEN_LINES) -> Generator[None]:
    """Write a line on standard error now and then, where something has changed; the files are removed at the end."""
    try:
        with writing_lines(scoring.line, seconds=seconds):
            yield
    finally:
        for path in scoring.files.values():
            path.unlink(missing_ok=True)
