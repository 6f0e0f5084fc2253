"""Makes a file system read-only while a sweep uses it."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

MS_RDONLY, MS_REMOUNT = 1, 32

_libc = ctypes.CDLL(None, use_errno=True)


def make_read_only(folder: Path, *, while_true: Callable[[], bool]) -> None:
    """Make a mounted file system read-only, as soon as no file on it is open for writing: before, the kernel refuses.

    A stage that is being made holds such files. So the moment lies between two stages and is short: the call is made
    here again and again, because starting `mount` takes longer than the moment lasts.

    Args:
        folder: Where it is mounted.
        while_true: Whether its user still runs.
    """
    while _libc.mount(None, os.fsencode(folder), None, MS_REMOUNT | MS_RDONLY, None):
        number = ctypes.get_errno()
        assert number == errno.EBUSY, os.strerror(number)
        assert while_true(), "the sweep ended before its disk could be made read-only"
        time.sleep(0.0005)
