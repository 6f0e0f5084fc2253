"""Shows the progress of a sweep that another process drives. Writes nothing."""

from __future__ import annotations

import sys
import time

from search.driver.sweep import SECONDS_BETWEEN_VIEWS, SweepRequest, has_stopped, is_unfinished
from search.home import Home
from search.live_view import LiveView
from search.record import Owner, Record, open_record
from trainables.processes import is_known_dead

SECONDS_WITHOUT_BEAT = 60.0
"""Seconds without a heartbeat after which an owner on another host counts as dead."""


def follow_sweep(request: SweepRequest) -> bool:
    """Show the progress of a sweep that another process drives, and return whether the sweep is complete at the end.

    Args:
        request: The user's request. Only its sweep and folders are used; nothing is run or changed.
    """
    with open_record(request.home.record, read_only=True) as record:
        owner = record.owner(request.name)
        if owner is not None:
            place = f"process {_process_id(owner)} on host {owner.host}"
            sys.stderr.write(
                f"Sweep {request.name} is driven by another process ({place}).\nThis command only shows its progress.\n"
            )
        if record.sweep(request.name).planned_trials < request.trials:
            sys.stderr.write(f"--trials {request.trials} has no effect while another process drives the sweep.\n")
    return watch_sweep(request.name, home=request.home)


def watch_sweep(name: str, *, home: Home, seconds: float | None = None) -> bool:
    """Show the progress of a sweep until no process drives it, and return whether the sweep is complete then.

    Args:
        name: Name of the sweep.
        home: Has its record and its progress files.
        seconds: Longest time to watch; None: without a limit.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    end = time.monotonic() + (float("inf") if seconds is None else seconds)
    with (
        open_record(home.record, read_only=True) as record,
        LiveView(name, record=record, folder=home.progress_folder(name)) as view,
    ):
        watch = OwnerWatch(record, name)
        while watch.is_alive() and time.monotonic() < end:
            time.sleep(SECONDS_BETWEEN_VIEWS)
            view.update()
        return has_stopped(record, name) or not is_unfinished(record, name)


class OwnerWatch:
    """Watches whether a sweep's owner is alive.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
    """

    def __init__(self, record: Record, sweep: str) -> None:
        self._record, self._sweep = record, sweep
        self._beat: int | None = None
        self._since = time.monotonic()

    def is_alive(self) -> bool:
        """Return whether a process still drives the sweep."""
        owner = self._record.owner(self._sweep)
        if owner is None or owner.token is None or is_known_dead(owner.process):
            return False
        if owner.beat != self._beat:
            self._beat, self._since = owner.beat, time.monotonic()
        return time.monotonic() - self._since <= SECONDS_WITHOUT_BEAT


def _process_id(owner: Owner) -> str:
    return owner.process.split(":")[-2] if owner.process.count(":") >= 2 else owner.process  # noqa: PLR2004
