"""The errors of `trainables`.

    TrainablesError
    ├── InputError (ValueError)            the user's input is wrong: exit code 2
    │   ├── ConfigError                    a field of a trial's configuration
    │   ├── TaskFileError                  a field of a user's task file
    │   ├── YamlFileError                  a file cannot be read as YAML; carries line and column
    │   ├── UnknownTaskError               a task's name; carries near matches
    │   ├── OutOfReachError                a task of the literature whose rows are nowhere as a data set
    │   ├── TaskDataError                  a task's rows do not fit its columns or kind
    │   ├── UnavailableError               neither mirror, nor cache, nor hub has it
    │   ├── CheckpointError                a checkpoint's folder; carries folder and field
    │   └── StoreUnusableError             a store that cannot be written
    └── RunError (RuntimeError)            the run failed: exit code 1
        ├── NonFiniteLossError             the loss became NaN or infinite
        ├── MemoryExhaustedError           a rank had not enough memory
        ├── DiskError                      a disk cannot be used for now
        │   └── DiskFullError              it, or a quota, has no space left
        ├── RankLostError                  a rank's process ended
        │   ├── PeerLostError              a rank waits for another one that is gone
        │   ├── PlaceLostError                 Ray has no room any more for a trial that had some
        │   ├── DeviceFaultError           a rank's GPU, or its host, cannot do the work
        │   └── HangError                  the ranks made no progress
        ├── BugError                       training went wrong in a way that values do not cause
        ├── StoppedError                   it was asked to stop, and left a checkpoint
        ├── StageBusyError                 another trial makes a stage that this one needs
        ├── StageDamagedError              a stage's files do not match its manifest
        ├── LeaseLostError                 another process has taken over a stage
        └── StorageError                   a bucket that worked does not answer

Messages have four parts: what failed, the value, the rule, the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.ranks.rank_place import RankPlace


class TrainablesError(Exception):
    """Root of every error that `trainables` raises on purpose."""


class InputError(TrainablesError, ValueError):
    """The user's input is wrong; nothing was started."""


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
        name: The name that was asked for.
        known: Names that exist, for near matches.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown task {name!r}{near_matches(name, known)}; `xstilts tasks` lists every task")
        self.name = name


class OutOfReachError(InputError):
    """The literature has a task of this name, but its rows are not to be had as a data set.

    Args:
        name: The name that was asked for.
        reason: Why.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"task {name!r} cannot be had: {reason}; describe your own copy in a task file of that name")
        self.name, self.reason = name, reason


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

    def __init__(self, step: int, last_finite: float | None) -> None:
        super().__init__(
            f"the loss is not finite at step {step} (last finite loss: {last_finite}); "
            "lower the learning rate or lengthen the warm-up"
        )
        self.step, self.last_finite = step, last_finite
        self.stage: str | None = None
        """Key of the stage that was being made, where that is known: whoever needs it fails in the same way."""


class MemoryExhaustedError(RunError):
    """A rank asked for more memory than its device, or its host, had.

    Args:
        said: What the allocator said.
    """

    def __init__(self, said: str) -> None:
        super().__init__(
            f"a rank ran out of memory ({said}); lower engine.tokens_per_micro_batch, set "
            "engine.gradient_checkpointing, or raise engine.zero_stage and engine.num_workers"
        )
        self.said = said


class DiskError(RunError):
    """A disk cannot be written or read for now; what was there before is whole, and work can go on from it.

    Args:
        place: What was being written or read.
        said: What the system said.
    """

    def __init__(self, place: str, said: str) -> None:
        super().__init__(self._message(place, said))
        self.place, self.said = place, said

    @staticmethod
    def _message(place: str, said: str) -> str:
        return f"{place} cannot be written or read ({said}); mend its disk, then run the same command again"


class DiskFullError(DiskError):
    """A disk or a quota has no space left. Arguments are those of DiskError."""

    @staticmethod
    def _message(place: str, said: str) -> str:
        return (
            f"no space is left for {place} ({said}); free some (`xstilts stages gc` removes stages that no trial "
            "needs), then run the same command again"
        )


class RankLostError(RunError):
    """A rank's process ended before its work was done."""


class PeerLostError(RankLostError):
    """A rank could not reach another one: a process that ended, or a network that is cut.

    Args:
        said: What the library said.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"a rank could not reach the others ({said}); the trial can be run again")
        self.said = said


class PlaceLostError(RankLostError):
    """A host of the trial is gone, and Ray has no other room for its ranks.

    Args:
        seconds: How long room was waited for.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"a host of the trial is gone, and its ranks found no other for {seconds:g} s; the trial can be run again"
        )


class DeviceFaultError(RankLostError):
    """A rank's GPU, or its host, cannot do the work: it is done again by fresh ranks, elsewhere where that goes on.

    Args:
        said: What the library said.
        place: Host and GPU.
        is_certain: Whether nothing but the device can be the cause.
    """

    def __init__(self, said: str, *, place: RankPlace, is_certain: bool = True) -> None:
        super().__init__(
            f"{place} failed ({said}); `nvidia-smi -q` and the kernel's log (Xid) there say more. The trial can be run "
            "again"
        )
        self.said, self.place, self.is_certain = said, place, is_certain


class BugError(RunError):
    """Training went wrong in a way that no value of a trial causes.

    Args:
        said: What the library said.
        place: Host and GPU.
        may_be_device: Whether a device that has gone wrong can be the cause too, so that trying once more tells.
    """

    def __init__(self, said: str, *, place: RankPlace, may_be_device: bool = False) -> None:
        super().__init__(
            f"training did what a GPU or a library forbids, on {place} ({said}); this points to a bug of xstilts or of "
            "a library, not to the trial's values: the stack is in the ranks' log, please report it"
        )
        self.said, self.place, self.may_be_device = said, place, may_be_device


class HangError(RankLostError):
    """The ranks made no progress for too long, and were ended.

    Args:
        seconds: How long.
        stacks: Where each rank was, as text.
    """

    def __init__(self, seconds: float, stacks: str) -> None:
        super().__init__(
            f"the ranks made no progress for {seconds:g} s and were ended; their stacks are in the trial's log. Raise "
            "engine.hang_seconds if a step or a data set takes that long"
        )
        self.seconds, self.stacks = seconds, stacks


class StoppedError(RunError):
    """Training was asked to stop, and a checkpoint holds what was done.

    Args:
        step: Steps of the phase that the checkpoint holds.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}, as asked; a checkpoint is kept, run the same command to go on")
        self.step = step


class StageBusyError(RunError):
    """Another trial is making a stage that this one needs, and this one is not to wait for it.

    Args:
        key: The stage's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"stage {key[:12]} is being made by another trial; run this one again once it is complete")
        self.key = key


class StageDamagedError(RunError):
    """A stage's files do not match its manifest."""


class LeaseLostError(RunError):
    """A stage's lease is not, or no longer, held by who wants to write the stage.

    Args:
        key: The stage's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the lease of stage {key[:12]} is not held by this process: another one took it over, because this one "
            "gave no sign of life; nothing was written, run the trial again"
        )
        self.key = key


class StorageError(RunError):
    """A bucket that could be reached when it was opened does not answer, or refuses."""


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'a' or 'b'?`, or an empty string when nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
