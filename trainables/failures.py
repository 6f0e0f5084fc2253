"""What kind of failure an error is, as whoever decides what happens next needs to know it. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Literal

from trainables.errors import (
    BugError,
    DeviceFaultError,
    DiskError,
    HangError,
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    RankLostError,
)
from trainables.vendor_errors import VendorClass, vendor_class

FailureKind = Literal["input", "not_finite", "out_of_memory", "lost", "hang", "disk", "other", "device_fault", "bug"]
"""`input`: data, checkpoint or configuration; `not_finite`: the loss; `lost`: a process or host went away;
`device_fault`: a GPU or its host broke; `bug`: ours, or a library's."""

_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (NonFiniteLossError, "not_finite"),
    (MemoryExhaustedError, "out_of_memory"),
    (HangError, "hang"),
    (DeviceFaultError, "device_fault"),
    (RankLostError, "lost"),
    (DiskError, "disk"),
    (InputError, "input"),
    (BugError, "bug"),
)

_PRECEDENCE: tuple[VendorClass, ...] = ("device_fault", "out_of_memory", "bug", "suspect", "device_doubt", "lost")
"""Which of the errors that led to each other counts: what broke first, then what followed from it."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNUSABLE = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.EREMOTEIO)
"""Of a disk that cannot be used for now: it fell back to read-only, failed, or its server is gone."""

# What says so without an error number: safetensors, Arrow, SQLite.
_FULL_WORDS = ("no space left on device", "disk quota exceeded", "database or disk is full")

# Of the system, where a library passes its error number's words on.
_MEMORY_WORDS = ("out of memory", "not enough memory", "cannot allocate memory", "unable to allocate")


def failure_kind(error: BaseException) -> FailureKind:
    """Return what kind of failure an error is."""
    kinds: list[FailureKind] = [kind for error_type, kind in _KINDS if isinstance(error, error_type)]
    return kinds[0] if kinds else "other"


def exit_within(error: BaseException) -> SystemExit | KeyboardInterrupt | None:
    """Return the request to end that an error hides, or None.

    Ray ends a worker by an exception in its main thread, wherever that is. Inside a lock of `threading` another one
    takes its place (`RuntimeError: release unlocked lock`): the process is to end, and what it did has not failed.
    """
    found = (one for one in _causes(error) if isinstance(one, SystemExit | KeyboardInterrupt))
    return next(found, None)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a disk or quota without space."""
    return any(
        (isinstance(one, OSError) and one.errno in _FULL) or any(words in str(one).lower() for words in _FULL_WORDS)
        for one in _causes(error)
    )


def is_disk_unusable(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a disk that cannot be written or read for now."""
    return any(isinstance(one, OSError) and one.errno in _UNUSABLE for one in _causes(error))


def vendor_class_of(error: BaseException) -> VendorClass | None:
    """Return what an error, or what caused it, means by the words of CUDA, NCCL, gloo and torch; None for others.

    Only RuntimeError is asked, which all of them raise: a download that is reset by its peer is another thing.
    """
    found = {vendor_class(f"{type(one).__name__}: {one}") for one in _causes(error) if isinstance(one, RuntimeError)}
    return next((one for one in _PRECEDENCE if one in found), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is a lack of memory, of the device or of the host."""
    return vendor_class_of(error) == "out_of_memory" or any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and any(words in str(one).lower() for words in _MEMORY_WORDS))
        for one in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
