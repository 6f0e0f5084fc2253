"""Which process is this, and is another one still there? Answers only where it can know: on the same running host."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_FIELD = 19
"""Place of `starttime` in /proc/PID/stat, counted from the field after the process's name (proc(5): field 22)."""


def identity() -> str:
    """Return a text that names this process among all that ever ran on all hosts, as far as the system tells.

    It joins the host's boot, the namespace of process numbers (containers have their own), number and start time.
    """
    return ":".join((_realm(), str(os.getpid()), _started(os.getpid()) or ""))


def is_known_dead(process: str) -> bool:
    """Return whether a process, by its identity, is certainly gone; False also means that it cannot be known here."""
    boot, namespace, number, started = [*process.split(":"), "", "", "", ""][:4]
    if not number.isdigit() or not started or f"{boot}:{namespace}" != _realm():
        return False
    return _started(int(number)) != started


def _realm() -> str:
    try:
        return f"{_BOOT_ID.read_text().strip()}:{Path('/proc/self/ns/pid').readlink().name[5:-1]}"
    except OSError:  # no Linux: nothing is known about other processes
        return "-:-"


def _started(number: int) -> str | None:
    """Return when a process started, in ticks since the boot, or None when there is none; a zombie is gone too."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[_START_FIELD]
