"""Finds the cause of an error, from its type, its number or its text. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from trainables.errors import TrainablesError
from trainables.failure_causes import RULES, FailureCause, FailureKind, FailureRule
from trainables.vendor_errors import vendor_cause

_PRECEDENCE: tuple[FailureCause, ...] = (
    "device_fault",
    "out_of_memory",
    "bug",
    "suspect",
    "device_doubt",
    "peer_lost",
)
"""Which cause counts where one error led to another: what broke first, before what followed from it."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNUSABLE = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.EREMOTEIO)
"""Error numbers of a disk that cannot be used for now: it is read-only, it failed, or its server is unreachable."""

# Texts of errors without an error number: safetensors, Arrow, SQLite.
_FULL_WORDS = ("no space left on device", "disk quota exceeded", "database or disk is full")

# Texts of the system, in errors of libraries that pass them on.
_MEMORY_WORDS = ("out of memory", "not enough memory", "cannot allocate memory", "unable to allocate")
_NO_THREAD = "can't start new thread"
"""Python's text where the system has no memory for one more thread, or allows this user no more of them."""


def failure_kind(error: BaseException) -> FailureKind:
    """Return the kind that the record stores for an error."""
    return failure_rule(error).kind


def failure_rule(error: BaseException) -> FailureRule:
    """Return what follows from an error; one that `trainables` did not raise has the cause `other`."""
    return RULES[error.cause if isinstance(error, TrainablesError) else "other"]


def exit_within(error: BaseException) -> SystemExit | KeyboardInterrupt | None:
    """Return the request to exit that an error hides, or None.

    Ray ends a worker by an exception in its main thread, at any point. Inside a lock of `threading` another error
    replaces it (`RuntimeError: release unlocked lock`): the process was asked to exit, and its work has not failed.
    """
    found = (each for each in _causes(error) if isinstance(each, SystemExit | KeyboardInterrupt))
    return next(found, None)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a full disk or quota."""
    return any(
        (isinstance(each, OSError) and each.errno in _FULL) or any(words in str(each).lower() for words in _FULL_WORDS)
        for each in _causes(error)
    )


def is_disk_unusable(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a disk that cannot be written or read for now."""
    return any(isinstance(each, OSError) and each.errno in _UNUSABLE for each in _causes(error))


def vendor_cause_of(error: BaseException) -> FailureCause | None:
    """Return the cause that the text of an error, or of what caused it, has by `vendor_errors`; None if no row matches.

    Only a RuntimeError counts, because all these libraries raise it: a reset download is not a lost peer.
    """
    found = {
        vendor_cause(f"{type(each).__name__}: {each}") for each in _causes(error) if isinstance(each, RuntimeError)
    }
    return next((each for each in _PRECEDENCE if each in found), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a lack of memory, of the device or of the host."""
    return vendor_cause_of(error) == "out_of_memory" or any(
        isinstance(each, MemoryError)
        or (isinstance(each, RuntimeError) and _NO_THREAD in str(each))
        or (isinstance(each, OSError) and any(words in str(each).lower() for words in _MEMORY_WORDS))
        for each in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
