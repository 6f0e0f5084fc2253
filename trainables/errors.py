"""The errors of `trainables`.

    TrainablesError
    ├── InputError (ValueError)            the user's input is wrong; exit code 2
    │   ├── ConfigError                    a field of a trial's configuration
    │   ├── TaskFileError                  a field of a user's task file
    │   ├── YamlFileError                  a file cannot be read as YAML; carries line and column
    │   ├── UnknownTaskError               a task's name; carries near matches
    │   ├── TaskDataError                  a task's rows do not fit its columns or kind
    │   ├── UnavailableError               neither mirror, nor cache, nor hub has it
    │   ├── CheckpointError                a checkpoint's folder; carries folder and field
    │   └── StoreUnusableError             a store that cannot be written
    └── RunError (RuntimeError)            the run failed; exit code 1
        ├── NonFiniteLossError             the loss became NaN or infinite
        ├── MemoryExhaustedError           a rank did not have enough memory
        ├── DiskError                      a disk cannot be used for now
        │   └── DiskFullError              a disk or a quota has no space left
        ├── RankLostError                  a rank's process ended
        │   ├── PeerLostError              a rank cannot reach another one
        │   ├── HostLostError              a host ended, and Ray has no other room for the trial's ranks
        │   ├── DeviceFaultError           a rank's GPU or host is faulty
        │   └── HangError                  the ranks made no progress
        ├── BugError                       training failed in a way that no value of a trial can cause
        ├── StoppedError                   training stopped on request, and left a checkpoint
        ├── StageBusyError                 another trial makes a stage that this one needs
        ├── LeaseLostError                 another process has taken over a stage
        └── StorageError                   a bucket that worked no longer responds

Messages have four parts: what failed, the value, the rule, the next step. Each error carries its cause
(`failure_causes`), which decides how the error is handled.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.failure_causes import FailureCause
from trainables.near_names import near_names

if TYPE_CHECKING:
    from trainables.ranks.rank_place import RankPlace


class TrainablesError(Exception):
    """Root of every error that `trainables` raises on purpose."""

    cause: FailureCause = "other"
    """The cause of the error; it decides how the error is handled."""


class InputError(TrainablesError, ValueError):
    """The user's input is wrong; nothing was started."""

    cause: FailureCause = "input"


class ConfigError(InputError):
    """A field of a configuration is wrong.

    Args:
        field: Dotted path of the field, for example `target.learning_rate`.
        message: The value, the rule, and the next step.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class TaskFileError(InputError):
    """A field of a user's task file is wrong.

    Args:
        file: The file, as the user named it.
        field: Dotted path of the field, for example `columns.label`; empty where the message names it.
        message: The value, the rule, and the next step.
    """

    def __init__(self, file: str, field: str, message: str) -> None:
        super().__init__(f"{file}: {field}: {message}" if field else f"{file}: {message}")
        self.file, self.field = file, field


class YamlFileError(InputError):
    """A file cannot be read as YAML.

    Args:
        file: The file, as the user named it.
        message: What is wrong and what to do.
        line: Line, counted from 1, or None when no place is known.
        column: Column, counted from 1.
    """

    def __init__(self, file: str, message: str, *, line: int | None = None, column: int | None = None) -> None:
        place = "" if line is None else f":{line}:{column}"
        super().__init__(f"{file}{place}: {message}")
        self.file, self.line, self.column = file, line, column


class UnknownTaskError(InputError):
    """No task has this name.

    Args:
        name: The requested name.
        known: Names that exist, for near matches.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown task {name!r}{near_matches(name, known)}; `xstilts tasks` lists every task")
        self.name = name


class TaskDataError(InputError):
    """A task's rows do not have the columns or values that its kind needs."""


class UnavailableError(InputError):
    """A repository is in no mirror and no cache, and the hub cannot be reached."""


class CheckpointError(InputError):
    """The folder of a pretrained encoder or vision tower lacks a part, or a part is damaged or does not fit.

    Args:
        message: What is wrong, the value, the rule, and the next step.
        folder: The folder, where it is known.
        field: The file, the field of its config.json, or the tensor that is wrong.
    """

    def __init__(self, message: str, *, folder: Path | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.folder, self.field = folder, field


class StoreUnusableError(InputError):
    """The store's folder cannot be created or written."""


class RunError(TrainablesError, RuntimeError):
    """A run that had started failed."""


class NonFiniteLossError(RunError):
    """The training loss became NaN or infinite.

    Args:
        step: Optimiser step at which it was seen, counted from 0.
        last_finite: The last finite loss, or None.
    """

    cause: FailureCause = "not_finite"

    def __init__(self, step: int, last_finite: float | None) -> None:
        super().__init__(
            f"the loss is not finite at step {step} (last finite loss: {last_finite}); "
            "lower the learning rate or lengthen the warm-up"
        )
        self.step, self.last_finite = step, last_finite
        self.stage: str | None = None
        """Key of the stage that was being made, if known: every trial that needs it fails in the same way."""


class MemoryExhaustedError(RunError):
    """A rank requested more memory than its device or its host had.

    Args:
        reason: The allocator's message.
    """

    cause: FailureCause = "out_of_memory"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"a rank ran out of memory ({reason}); lower engine.tokens_per_micro_batch, set "
            "engine.gradient_checkpointing, or raise engine.zero_stage and engine.num_workers"
        )
        self.reason = reason


class DiskError(RunError):
    """A disk cannot be written or read at the moment; files that it held before are complete, so work can continue.

    Args:
        place: The file or folder that was written or read.
        reason: The system's message.
    """

    cause: FailureCause = "disk"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(self._message(place, reason))
        self.place, self.reason = place, reason

    @staticmethod
    def _message(place: str, reason: str) -> str:
        return f"{place} cannot be written or read ({reason}); repair its disk, then run the same command again"


class DiskFullError(DiskError):
    """A disk or a quota has no space left. Arguments are those of DiskError."""

    cause: FailureCause = "disk_full"

    @staticmethod
    def _message(place: str, reason: str) -> str:
        return (
            f"no space is left for {place} ({reason}); free some (`xstilts stages gc` removes stages that no trial "
            "needs), then run the same command again"
        )


class RankLostError(RunError):
    """A rank's process ended before its work was done."""

    cause: FailureCause = "lost"


class PeerLostError(RankLostError):
    """A rank could not reach another one: its process ended, or the network failed.

    Args:
        reason: The library's message.
    """

    cause: FailureCause = "peer_lost"

    def __init__(self, reason: str) -> None:
        super().__init__(f"a rank could not reach the others ({reason}); run the trial again")
        self.reason = reason


class HostLostError(RankLostError):
    """A host of the trial ended, and Ray has no other room for its ranks.

    Args:
        seconds: How long the trial waited for room.
    """

    cause: FailureCause = "place_lost"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"a host of the trial ended, and Ray found no other for its ranks in {seconds:g} s; run the trial again"
        )


class DeviceFaultError(RankLostError):
    """A rank's GPU or host is faulty: new ranks repeat the work, on another GPU or host if the fault repeats.

    Args:
        reason: The library's message.
        place: Host and GPU.
        is_certain: Whether only the device can be the cause.
    """

    def __init__(self, reason: str, *, place: RankPlace, is_certain: bool = True) -> None:
        super().__init__(
            f"{place} failed ({reason}); read `nvidia-smi -q` and the kernel's log (Xid) on that host. Then run the "
            "trial again"
        )
        self.reason, self.place, self.is_certain = reason, place, is_certain
        self.cause = "device_fault" if is_certain else "device_doubt"


class BugError(RunError):
    """Training failed in a way that no value of a trial can cause.

    Args:
        reason: The library's message.
        place: Host and GPU.
        may_be_device: Whether a broken device can be the cause; a second attempt shows which it is.
    """

    def __init__(self, reason: str, *, place: RankPlace, may_be_device: bool = False) -> None:
        super().__init__(
            f"training ran an operation that a GPU or a library does not allow, on {place} ({reason}); the cause is "
            "probably a bug of xstilts or of a library, not a value of the trial: report it, with the stack in the "
            "ranks' log"
        )
        self.reason, self.place, self.may_be_device = reason, place, may_be_device
        self.cause = "suspect" if may_be_device else "bug"


class HangError(RankLostError):
    """The ranks made no progress for too long and were stopped.

    Args:
        seconds: The limit.
        stacks: The stack of each rank, as text.
    """

    cause: FailureCause = "hang"

    def __init__(self, seconds: float, stacks: str) -> None:
        super().__init__(
            f"the ranks made no progress for {seconds:g} s and were stopped; their stacks are in the trial's log. "
            "Raise engine.hang_seconds if a step or a data set takes that long"
        )
        self.seconds, self.stacks = seconds, stacks


class StoppedError(RunError):
    """Training stopped on request; a checkpoint holds the steps so far.

    Args:
        step: Steps of the phase that the checkpoint holds.
    """

    def __init__(self, step: int) -> None:
        super().__init__(
            f"stopped after step {step}, as requested; a checkpoint is kept; run the same command to continue"
        )
        self.step = step


class StageBusyError(RunError):
    """Another trial makes a stage that this trial needs, and this trial does not wait for it.

    Args:
        key: The stage's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"stage {key[:12]} is being made by another trial; run this one again once it is complete")
        self.key = key


class LeaseLostError(RunError):
    """The process that writes a stage does not hold the stage's lease any more.

    Args:
        key: The stage's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(
            f"this process no longer holds the lease of stage {key[:12]}: another process took it over, because this "
            "one wrote no heartbeat; nothing was written, run the trial again"
        )
        self.key = key


class StorageError(RunError):
    """A bucket that responded when it was opened no longer responds, or denies the request."""


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'a' or 'b'?`, or an empty string when nothing is near."""
    near = near_names(name, known)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
