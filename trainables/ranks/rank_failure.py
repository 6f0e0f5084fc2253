"""Why a rank could not do its job, in a form that crosses processes: from an error in the rank to one in the trial."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from trainables.config.frozen import FrozenModel
from trainables.errors import (
    BugError,
    DeviceFaultError,
    DiskError,
    DiskFullError,
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    PeerLostError,
    RunError,
    TrainablesError,
)
from trainables.failure_causes import FailureCause
from trainables.failures import exit_within, is_disk_full, is_disk_unusable, is_out_of_memory, vendor_cause_of
from trainables.ranks.rank_place import RankPlace


class RankFailure(FrozenModel):
    """Why a rank could not do its job."""

    cause: FailureCause
    """What went wrong; what is done about it: `failure_causes.RULES`."""
    message: str = ""
    """What the rank, a library or the system reports."""
    step: int = 0
    """Of cause `not_finite`: the optimiser step, counted from 0."""
    last_finite: float | None = None
    """Of cause `not_finite`: the last finite loss, or None."""

    def to_error(self, place: RankPlace) -> TrainablesError:
        """Return the error that the trial's process raises.

        Args:
            place: Host and GPU of the rank.
        """
        return _ERRORS.get(self.cause, _run_error)(self, place)


def _device_fault(failure: RankFailure, place: RankPlace) -> TrainablesError:
    return DeviceFaultError(failure.message, place=place, is_certain=failure.cause == "device_fault")


def _bug(failure: RankFailure, place: RankPlace) -> TrainablesError:
    return BugError(failure.message, place=place, may_be_device=failure.cause == "suspect")


def _run_error(failure: RankFailure, place: RankPlace) -> TrainablesError:
    del place
    return RunError(failure.message)


_ERRORS: dict[FailureCause, Callable[[RankFailure, RankPlace], TrainablesError]] = {
    "input": lambda failure, _: InputError(failure.message),
    "not_finite": lambda failure, _: NonFiniteLossError(failure.step, failure.last_finite),
    "out_of_memory": lambda failure, _: MemoryExhaustedError(failure.message),
    "peer_lost": lambda failure, _: PeerLostError(failure.message),
    "device_fault": _device_fault,
    "device_doubt": _device_fault,
    "bug": _bug,
    "suspect": _bug,
    "disk_full": lambda failure, _: DiskFullError("what a rank writes", failure.message),
    "disk": lambda failure, _: DiskError("what a rank writes or reads", failure.message),
}
"""Cause -> its error; a rank does not meet the other causes."""


def failure_of(error: Exception) -> RankFailure:
    """Return the failure that an error in a rank is; the stack of an unexpected error goes to the log.

    Raises:
        SystemExit: The process was asked to end, and the error hides that.
        KeyboardInterrupt: The same.
    """
    if isinstance(error, NonFiniteLossError):
        return RankFailure(cause="not_finite", step=error.step, last_finite=error.last_finite)
    if isinstance(error, InputError):
        return RankFailure(cause="input", message=str(error))
    return unexpected_failure(error)


def unexpected_failure(error: Exception) -> RankFailure:
    """Return the failure that an error is by its text and number, and print its stack to the log.

    Raises:
        SystemExit: The process was asked to end, and the error hides that.
        KeyboardInterrupt: The same.
    """
    if (exit_request := exit_within(error)) is not None:
        raise exit_request from error
    traceback.print_exc()
    text = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        return RankFailure(cause="out_of_memory", message=_in_one_line(text))
    if (cause := vendor_cause_of(error)) is not None:
        return RankFailure(cause=cause, message=_in_one_line(text))
    if is_disk_unusable(error):
        return RankFailure(cause="disk", message=text)
    return RankFailure(cause="disk_full" if is_disk_full(error) else "other", message=text)


def _in_one_line(text: str) -> str:
    """Return a library's text without its stack; NCCL gives the reason in its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines[1:] if "cuda failure" in line.lower()]
    return "; ".join([lines[0], *reasons[:1]])
