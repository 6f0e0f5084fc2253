"""Raises the limit of open files where that is allowed, and checks it before anything starts.

A connection is an open file too. Each rank has connections to all others, and Ray's processes to one another. Where
there are too few, trials fail with the message of a library that names neither the limit nor its number.
"""

from __future__ import annotations

import contextlib
import resource

from trainables.errors import InputError

ENOUGH = 65536
"""Ray's own advice; a soft limit is raised up to it."""
_OF_A_PROCESS, _OF_A_RANK, _OF_RAY = 32, 8, 256
"""Open files that a process, each rank of a trial, and Ray's processes need. Measured: two ranks without Ray
train with 32; a sweep of one trial at a time fails with 64 and runs with 128."""


def of_ranks(num_ranks: int) -> int:
    """Return the open files that a trial of some ranks needs."""
    return _OF_A_PROCESS + _OF_A_RANK * num_ranks


def with_ray(num_ranks: int) -> int:
    """Return the open files that a sweep of such trials needs."""
    return _OF_RAY + of_ranks(num_ranks)


def raise_open_files(*, needed: int) -> int:
    """Raise this process's soft limit of open files to its hard limit, and return the limit that now holds.

    Processes that are started later inherit the limit. Above `ENOUGH` it is left as it is.

    Args:
        needed: Open files that what starts now needs.

    Raises:
        InputError: The hard limit is below what is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS allows fewer than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft != resource.RLIM_INFINITY and soft < needed:
        msg = (
            f"this process may have {soft} files open, and what starts here needs {needed}, since a connection is an "
            f"open file too; raise the limit (`ulimit -n {needed}`, `LimitNOFILE=` of a service, `--ulimit nofile=` of "
            "a container)"
        )
        raise InputError(msg)
    return soft
