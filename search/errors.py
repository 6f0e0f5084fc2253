"""The errors of `search`.

    SearchError
    ├── InputError (trainables.InputError)   the user's input is wrong: exit code 2
    │   ├── UnknownSweepError                a sweep's name; carries near matches
    │   ├── UnknownTrialError                a trial's number
    │   ├── SweepOwnedError                  another process drives the sweep, or may
    │   ├── SweepDiffersError                the name is taken by a sweep with another spec
    │   ├── RayUnusableError                 Ray cannot be started or joined; carries variable and value
    │   ├── ClusterFileError                 a cluster file has an unknown key or a wrong value
    │   ├── FilterError                      a `--where` expression
    │   ├── QueryRefusedError                a statement of `xstilts sql`
    │   ├── RecordMissingError               no record where one is to be read
    │   ├── RecordForeignError               a database of another program's
    │   ├── RecordNewerError                 a record written by a newer xstilts
    │   ├── RecordOlderError                 a record of an older schema that may not be changed
    │   ├── RecordDamagedError               the record's file is no database any more
    │   └── RecordUnusableError              the record cannot be opened, read or written
    └── RunError (trainables.RunError)       the run failed: exit code 1
        ├── ClusterError                     a cluster cannot be launched, reached or used
        ├── RecordFullError                  the record's disk is full, or fails
        ├── FencedError                      another process has taken the sweep over
        ├── ResultDiffersError               a finished trial was given another result
        └── StateError                       a trial cannot go from its state to the one asked for

Messages have four parts: what failed, the value, the rule, the next step.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trainables import errors
from trainables.errors import near_matches


class SearchError(errors.TrainablesError):
    """Root of every error that `search` raises on purpose."""


class InputError(SearchError, errors.InputError):
    """The user's input is wrong; nothing was started."""


class UnknownSweepError(InputError):
    """The record has no sweep of this name.

    Args:
        name: The name that was asked for.
        known: Names that the record has, for near matches.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"the record has no sweep {name!r}{near_matches(name, known)}; `xstilts status` lists every sweep"
        )
        self.name = name


class UnknownTrialError(InputError):
    """The sweep has no trial of this number.

    Args:
        sweep: Name of the sweep.
        number: The number that was asked for.
        num_trials: How many trials the sweep has.
    """

    def __init__(self, sweep: str, *, number: int, num_trials: int) -> None:
        has = f"it has trials 0 to {num_trials - 1}" if num_trials else "it has no trials yet"
        super().__init__(f"sweep {sweep!r} has no trial {number}: {has}; `xstilts status {sweep}` lists them")
        self.sweep, self.number = sweep, number


class SweepOwnedError(InputError):
    """Another process drives the sweep, or may.

    Args:
        sweep: Name of the sweep.
        host: The owner's host.
        process: Identity of its process.
        is_beating: Whether its beat was seen to move; None when nobody watched.
    """

    def __init__(self, sweep: str, *, host: str, process: str, is_beating: bool | None) -> None:
        number = [*process.split(":"), "?", "?", "?"][2]
        next_step = "" if is_beating else "; if that process is gone or hangs, continue with --take-over"
        super().__init__(
            f"sweep {sweep!r} is being run by another process ({number} on {host}); a sweep has one driver: watch it "
            f"with `xstilts status {sweep}`{next_step}"
        )
        self.sweep, self.host, self.process, self.is_beating = sweep, host, process, is_beating


class SweepDiffersError(InputError):
    """The name is taken by a sweep with another spec.

    Args:
        name: Name of the sweep.
        fields: Dotted paths of the fields that differ.
    """

    def __init__(self, name: str, fields: Iterable[str]) -> None:
        self.name, self.fields = name, tuple(fields)
        super().__init__(
            f"sweep {name!r} exists with another spec: {', '.join(self.fields)} differ; these decide what its scores "
            f"mean, so a sweep keeps them: continue it with `xstilts resume {name}`, or give the new one another name "
            "with --name; it finds the finished stages in the store"
        )


class ClusterFileError(InputError):
    """A cluster file is not as Ray wants it.

    Args:
        path: The file.
        problem: What is wrong, as the end of a sentence that begins with the file's name.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"cluster file {path} {problem}; correct it (cluster.yaml and clusters/ show what is known)")
        self.path = path


class RayUnusableError(InputError):
    """Ray cannot be started on this machine, or the cluster that RAY_ADDRESS names cannot be joined.

    Args:
        variable: The environment variable, or the place, to change.
        value: What it is.
        message: What is wrong, the value, the rule, and the next step.
    """

    def __init__(self, variable: str, value: str, message: str) -> None:
        super().__init__(message)
        self.variable, self.value = variable, value


class FilterError(InputError):
    """A `--where` expression that is not understood."""


class QueryRefusedError(InputError):
    """A statement of `xstilts sql` that is not answered.

    Args:
        statement: The statement.
        reason: Why not.
        views: The views and their columns.
    """

    def __init__(self, statement: str, *, reason: str, views: str) -> None:
        shown = repr(statement if len(statement) <= 200 else f"{statement[:200]}...")  # noqa: PLR2004  fits a screen
        super().__init__(
            f"sql {shown} is refused: {reason}; write one SELECT (or WITH ... SELECT) over the views {views}"
        )
        self.statement, self.reason = statement, reason


class RecordMissingError(InputError):
    """There is no record where one is to be read."""


class RecordForeignError(InputError):
    """The database is another program's; nothing was written to it.

    Args:
        where: Its place.
        holds: What it holds that is no record's, in words.
    """

    def __init__(self, where: str, *, holds: str) -> None:
        super().__init__(
            f"record {where} is another program's database: {holds}; a record has a file, or on a server a schema, of "
            "its own: name another place with --record (it was left as it is)"
        )


class RecordNewerError(InputError):
    """The record was written by a newer xstilts.

    Args:
        where: Place of the record.
        version: Schema version that it has.
        known: Newest schema version that this xstilts knows.
    """

    def __init__(self, where: str, *, version: int, known: int) -> None:
        super().__init__(
            f"record {where} is of a newer schema: has version {version}, this xstilts knows {known}; update xstilts"
        )
        self.version, self.known = version, known


class RecordOlderError(InputError):
    """The record has an older schema, and was opened where it cannot be brought to the newest.

    Args:
        where: Place of the record.
        version: Schema version that it has.
        known: Schema version that this xstilts reads.
    """

    def __init__(self, where: str, *, version: int, known: int) -> None:
        super().__init__(
            f"record {where} is of an older schema: has version {version}, this xstilts reads {known}, and it cannot "
            "be changed here; run any xstilts command once where it may be written"
        )
        self.version, self.known = version, known


class RecordDamagedError(InputError):
    """The record's file is no database any more."""


class RecordUnusableError(InputError):
    """The record cannot be opened, read or written."""


class RunError(SearchError, errors.RunError):
    """A run that had started failed."""


class ClusterError(RunError):
    """A cluster cannot be launched, reached or used."""


class RecordFullError(RunError):
    """The record's disk is full, or failed; the record is whole and holds what was written before.

    Args:
        record: Where it is.
    """

    def __init__(self, record: str) -> None:
        super().__init__(
            f"record {record} could not be written or read: its disk is full, or fails; free some space or mend it, "
            "then run the same command again, which goes on from what is recorded"
        )
        self.record = record


class FencedError(RunError):
    """Another process has taken the sweep over, and this one may not write to it any more.

    Args:
        sweep: Name of the sweep.
        fence: Fencing number that the refused write carried.
        owner_fence: Fencing number of the owner.
        owner: Host and process of the owner.
    """

    def __init__(self, sweep: str, *, fence: int, owner_fence: int, owner: str) -> None:
        super().__init__(
            f"sweep {sweep!r} was taken over by another process ({owner}): it writes under number {owner_fence}, this "
            f"one under {fence}, and only the newest may write; nothing was changed, watch the sweep with "
            f"`xstilts status {sweep}`"
        )
        self.sweep, self.fence, self.owner_fence = sweep, fence, owner_fence


class ResultDiffersError(RunError):
    """A measured trial was given another result."""


class StateError(RunError):
    """A trial cannot go from its state to the one asked for.

    Args:
        sweep: Name of the sweep.
        number: Number of the trial.
        state: The state that it is in.
        wanted: The state that was asked for.
    """

    def __init__(self, sweep: str, *, number: int, state: str, wanted: str) -> None:
        super().__init__(
            f"trial {number} of sweep {sweep!r} is {state} and cannot become {wanted}; "
            "another process has ended it: leave it as it is"
        )
        self.sweep, self.number, self.state = sweep, number, state
