"""Names processes uniquely, and detects processes that have ended; only on the same host since its boot."""

from __future__ import annotations

import os
import re
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ENDED = "ended"
_NOWHERE = "-:-"
"""Stands for a host that is not known; two hosts can be called so."""
_NUMBER = re.compile("[0-9]{1,10}")
_START_FIELD = 19
"""Index of `starttime` in /proc/PID/stat, counted from the field after the process's name (proc(5): field 22)."""


def identity() -> str:
    """Return a unique name of this process among all processes of all hosts, also earlier ones.

    It joins the host's boot id, the namespace of process numbers (containers have their own), number and start time.
    Without /proc some of these are empty.
    """
    return ":".join((_realm(), str(os.getpid()), _started(os.getpid()) or ""))


def is_known_dead(process: str) -> bool:
    """Return whether a process has certainly ended; False if it runs, or if this host cannot know."""
    boot, namespace, number, started = [*process.split(":"), "", "", "", ""][:4]
    realm = f"{boot}:{namespace}"
    if not _NUMBER.fullmatch(number) or not started or realm == _NOWHERE or realm != _realm():
        return False  # notes and leases hold what whoever may write the store wrote
    found = _started(int(number))
    if found is None:
        return not _exists(int(number))
    return found != started


def _realm() -> str:
    try:
        return f"{_BOOT_ID.read_text().strip()}:{Path('/proc/self/ns/pid').readlink().name[5:-1]}"
    except OSError:  # not Linux: other processes are unknown
        return _NOWHERE


def _started(number: int) -> str | None:
    """Return when a process started, in ticks since the boot, or None if `/proc` does not show it.

    A zombie has ended: the result is `_ENDED`, which is the start of no process.
    """
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return _ENDED if fields[0] in {"Z", "X"} else fields[_START_FIELD]


def _exists(number: int) -> bool:
    """Return whether there is a process of this number, also where `/proc` is mounted with `hidepid` and hides it.

    The signal 0 is checked and not sent: another user's process answers with EPERM, which proves that it exists.
    """
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
