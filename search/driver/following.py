"""A second command on a sweep that another process drives: it shows how the sweep goes on, and writes nothing."""

from __future__ import annotations

import sys
import time

from search.driver.sweep import SECONDS_BETWEEN_VIEWS, SweepRequest, is_unfinished
from search.progress import LiveView
from search.record import Owner, Record, open_record
from trainables.processes import is_known_dead

SECONDS_WITHOUT_BEAT = 60.0
"""How long the beat of an owner on another host may stand still before it counts as gone here."""


def follow_sweep(request: SweepRequest) -> bool:
    """Show the progress of a sweep while another process drives it; returns whether the sweep is complete then.

    Args:
        request: What the user asked for; nothing of it is done.
    """
    with open_record(request.home.record, read_only=True) as record:
        owner = record.owner(request.name)
        if owner is not None:
            place = f"{owner.host}, process {_number(owner)}"
            sys.stderr.write(f"Sweep {request.name} is driven by {place}; this command shows its progress.\n")
        if record.sweep(request.name).planned_trials < request.trials:
            sys.stderr.write(f"--trials {request.trials} changes nothing while another process drives it.\n")
        folder = request.home.progress_folder(request.name)
        with LiveView(request.name, record=record, folder=folder) as view:
            gone = _Gone(record, request.name)
            while not gone.is_seen():
                time.sleep(SECONDS_BETWEEN_VIEWS)
                view.update()
        return not is_unfinished(record, request.name)


class _Gone:
    """Watches whether a sweep's owner is still there."""

    def __init__(self, record: Record, sweep: str) -> None:
        self._record, self._sweep = record, sweep
        self._beat: int | None = None
        self._since = time.monotonic()

    def is_seen(self) -> bool:
        """Return whether nobody drives the sweep any more."""
        owner = self._record.owner(self._sweep)
        if owner is None or owner.token is None or is_known_dead(owner.process):
            return True
        if owner.beat != self._beat:
            self._beat, self._since = owner.beat, time.monotonic()
        return time.monotonic() - self._since > SECONDS_WITHOUT_BEAT


def _number(owner: Owner) -> str:
    return owner.process.split(":")[-2] if owner.process.count(":") >= 2 else owner.process  # noqa: PLR2004
