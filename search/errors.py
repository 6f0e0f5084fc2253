"""The errors of `search`.

    SearchError
    ├── InputError (trainables.InputError)   the user's input is wrong; exit code 2
    │   ├── UnknownSweepError                no sweep of this name; names near matches
    │   ├── UnknownTrialError                no trial of this number
    │   ├── SweepOwnedError                  another process drives the sweep, or may drive it
    │   ├── SweepDiffersError                the name is taken by a sweep with another spec
    │   ├── StoreSharedError                 a store has stages that the record does not know
    │   ├── RayUnusableError                 Ray cannot be started or joined; has the variable and its value
    │   ├── ClusterFileError                 a cluster file has an unknown key or a wrong value
    │   ├── FilterError                      a wrong `--where` expression
    │   ├── QueryRefusedError                a statement that `xstilts sql` does not run
    │   ├── RecordMissingError               no record at this place
    │   ├── RecordForeignError               the database belongs to another program
    │   ├── RecordNewerError                 a record written by a newer xstilts
    │   ├── RecordOlderError                 a record of an older schema that cannot be changed here
    │   ├── RecordDamagedError               the record's file is not a database any more
    │   └── RecordUnusableError              the record cannot be opened, read or written
    └── RunError (trainables.RunError)       the run failed; exit code 1
        ├── ClusterError                     a cluster cannot be launched, reached or used
        ├── RecordFullError                  the record's disk is full or has failed
        ├── FencedError                      another process has taken the sweep over
        ├── ResultDiffersError               a measured trial got a second, different result
        └── StateError                       a trial cannot change from its state to the requested one

Messages have four parts: what failed, the value, the rule, the next step.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from trainables import errors
from trainables.errors import near_matches


class SearchError(errors.TrainablesError):
    """Root of every error that `search` raises on purpose."""


class InputError(SearchError, errors.InputError):
    """The user's input is wrong; nothing was started."""


class UnknownSweepError(InputError):
    """The record has no sweep of this name.

    Args:
        name: The requested name.
        known: Names of the sweeps in the record, for near matches.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"the record has no sweep {name!r}{near_matches(name, known)}; `xstilts status` lists all sweeps"
        )
        self.name = name


class UnknownTrialError(InputError):
    """The sweep has no trial of this number.

    Args:
        sweep: Name of the sweep.
        number: The requested number.
        num_trials: Number of trials of the sweep.
    """

    def __init__(self, sweep: str, *, number: int, num_trials: int) -> None:
        has = f"it has trials 0 to {num_trials - 1}" if num_trials else "it has no trials yet"
        super().__init__(f"sweep {sweep!r} has no trial {number}: {has}; `xstilts status {sweep}` lists them")
        self.sweep, self.number = sweep, number


class SweepOwnedError(InputError):
    """Another process drives the sweep, or may drive it.

    Args:
        sweep: Name of the sweep.
        host: Host of the driver.
        process: Identity of the driver's process.
        is_beating: Whether the driver sent a heartbeat while this process watched; None: it did not watch.
    """

    def __init__(self, sweep: str, *, host: str, process: str, is_beating: bool | None) -> None:
        number = [*process.split(":"), "?", "?", "?"][2]
        next_step = "" if is_beating else "; if that process has ended or hangs, continue with --take-over"
        super().__init__(
            f"sweep {sweep!r} is being run by another process ({number} on {host}), and a sweep has only one driver; "
            f"see its progress with `xstilts status {sweep}`{next_step}"
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
            f"sweep {name!r} exists with another spec: {', '.join(self.fields)} differ; these fields decide what the "
            f"scores mean, so they cannot change: continue the sweep with `xstilts resume {name}`, or give the new "
            "one another name with --name; the new one reuses the finished stages of the store"
        )


class StoreSharedError(InputError):
    """Stages cannot be freed: other records may need them.

    Args:
        store: The store.
        record: The record that was given.
        others: The sweeps that used the store and are not in the record, one text each; empty where no such sweep is
            known, but no stage of the store belongs to a trial of the record.
    """

    def __init__(self, store: str, *, record: str, others: Iterable[str]) -> None:
        self.others = tuple(others)
        found = (
            f"sweeps that are not in this record used the store: {'; '.join(self.others[:5])}"
            if self.others
            else "none of the store's stages belongs to a trial of this record"
        )
        more = f" and {len(self.others) - 5} more" if len(self.others) > 5 else ""  # noqa: PLR2004  a message's length
        super().__init__(
            f"the store {store!r} was not cleaned with the record {record!r}: {found}{more}. This could remove "
            "stages that trials of another record need. With --record, name the record of all sweeps that use the "
            "store; or give each record a store of its own; or add --force if those sweeps are not needed any more"
        )


class ClusterFileError(InputError):
    """A cluster file is not in Ray's format.

    Args:
        path: The file.
        problem: What is wrong: the predicate of a sentence whose subject is the file.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"cluster file {path} {problem}; correct it (for examples see cluster.yaml and clusters/)")
        self.path = path


class RayUnusableError(InputError):
    """Ray cannot be started on this machine, or the cluster that RAY_ADDRESS names cannot be joined.

    Args:
        variable: The environment variable, or the folder, to change.
        value: Its value.
        message: The whole message.
    """

    def __init__(self, variable: str, value: str, message: str) -> None:
        super().__init__(message)
        self.variable, self.value = variable, value


class FilterError(InputError):
    """A `--where` expression is wrong."""


class QueryRefusedError(InputError):
    """A statement that `xstilts sql` does not run.

    Args:
        statement: The statement.
        reason: Why it does not run.
        views: The views and their columns.
    """

    def __init__(self, statement: str, *, reason: str, views: str) -> None:
        shown = repr(statement if len(statement) <= 200 else f"{statement[:200]}...")  # noqa: PLR2004  fits a screen
        super().__init__(
            f"sql {shown} is refused: {reason}; write one SELECT (or WITH ... SELECT) over the views {views}"
        )
        self.statement, self.reason = statement, reason


class RecordMissingError(InputError):
    """There is no record at the place to read it from."""


class RecordForeignError(InputError):
    """The database belongs to another program; nothing was written to it.

    Args:
        where: Its place.
        holds: What the database holds that a record does not hold, as a clause.
    """

    def __init__(self, where: str, *, holds: str) -> None:
        super().__init__(
            f"record {where} is another program's database: {holds}; a record needs its own file, or its own schema "
            "on a server: name another place with --record (nothing was changed)"
        )


class RecordNewerError(InputError):
    """The record was written by a newer xstilts.

    Args:
        where: Place of the record.
        version: Schema version of the record.
        known: Newest schema version that this xstilts can read.
    """

    def __init__(self, where: str, *, version: int, known: int) -> None:
        super().__init__(
            f"record {where} has a newer schema: version {version}, and this xstilts knows {known}; update xstilts"
        )
        self.version, self.known = version, known


class RecordOlderError(InputError):
    """The record has an older schema, and this process cannot write it to update the schema.

    Args:
        where: Place of the record.
        version: Schema version of the record.
        known: Schema version that this xstilts reads.
    """

    def __init__(self, where: str, *, version: int, known: int) -> None:
        super().__init__(
            f"record {where} has an older schema: version {version}, and this xstilts reads {known}; it cannot be "
            "updated here: run any xstilts command once where the record can be written"
        )
        self.version, self.known = version, known


class RecordDamagedError(InputError):
    """The record's file is not a database any more."""


class RecordUnusableError(InputError):
    """The record cannot be opened, read or written."""


class RunError(SearchError, errors.RunError):
    """A run that had started failed."""


class ClusterError(RunError):
    """A cluster cannot be launched, reached or used."""


class RecordFullError(RunError):
    """The record's disk is full or has failed; the record is intact and keeps what was written before.

    Args:
        record: Place of the record.
    """

    def __init__(self, record: str) -> None:
        super().__init__(
            f"record {record} could not be written or read: its disk is full, or fails; free some space or repair it, "
            "then run the same command again: it continues from what is recorded"
        )
        self.record = record

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Return how Ray makes it again in another process."""
        return type(self), (self.record,)


class FencedError(RunError):
    """Another process has taken the sweep over, and this one must not write to it any more.

    Args:
        sweep: Name of the sweep.
        fence: Fencing number of the refused write.
        owner_fence: Fencing number of the new driver.
        owner: Host and process of the new driver.
    """

    def __init__(self, sweep: str, *, fence: int, owner_fence: int, owner: str) -> None:
        super().__init__(
            f"sweep {sweep!r} was taken over by another process ({owner}): its fencing number is {owner_fence}, the "
            f"one of this process is {fence}, and only the newest can write; nothing was changed, see the sweep's "
            f"progress with `xstilts status {sweep}`"
        )
        self.sweep, self.fence, self.owner_fence = sweep, fence, owner_fence


class ResultDiffersError(RunError):
    """A measured trial got a second, different result."""


class StateError(RunError):
    """A trial cannot change from its state to the requested one.

    Args:
        sweep: Name of the sweep.
        number: Number of the trial.
        state: Its state.
        wanted: The requested state.
    """

    def __init__(self, sweep: str, *, number: int, state: str, wanted: str) -> None:
        super().__init__(
            f"trial {number} of sweep {sweep!r} is {state} and cannot become {wanted}; "
            "another process has already ended it; you do not need to do anything"
        )
        self.sweep, self.number, self.state = sweep, number, state
