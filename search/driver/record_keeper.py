"""The record of a sweep whose trials run on other hosts: one actor on the driver's host writes for all of them.

An SQLite record is a file on the driver's disk, which other hosts do not see; a database server is reached by every
trial itself. Writes are done in the order in which they come, each durable when its call returns. The actor ends with
the driver: a trial that outlives it can write nothing, as one that is fenced off.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Generator
from functools import partial
from typing import Any  # Any: handles of Ray's actors, and what is sent to them, are untyped

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.errors import RunError, SearchError
from search.record import Record, open_record

WRITES = frozenset({"start", "add_stage", "measure", "finish", "note", "wait", "fail"})
"""Methods of a record that trials call."""


class RecordKeeper:
    """The actor: does what trials ask of the record, on the host that has it.

    Args:
        path: Path of the record.
    """

    def __init__(self, path: str) -> None:
        self._record: Record = open_record(path)

    def write(self, what: str, sweep: str, *, fence: int | None, told: dict[str, Any]) -> None:
        """Call one of the record's methods.

        Args:
            what: Its name, one of WRITES.
            sweep: Name of the sweep.
            fence: Fencing number of the sweep's driver when the trial was started.
            told: What the method takes by name.

        Raises:
            RunError: The record refused it, and why.
        """
        if what not in WRITES:
            raise RunError(f"a trial cannot {what!r} a record")
        try:
            getattr(self._record.fenced(sweep, fence=fence), what)(sweep, **told)
        except SearchError as error:  # most have arguments of their own, without which they cannot be sent
            raise RunError(str(error)) from None


class RemoteRecord:
    """The record as a trial on any host has it: its writes are done by the sweep's keeper, which has a name in Ray.

    Args:
        keeper: The keeper's name.
        fence: Fencing number of the sweep's driver.
    """

    def __init__(self, keeper: str, *, fence: int | None) -> None:
        self._keeper, self._fence = keeper, fence

    def __getattr__(self, what: str) -> Callable[..., None]:
        """Return one of the record's writes."""
        if what not in WRITES:
            raise AttributeError(what)
        return partial(self._write, what)

    def _write(self, what: str, sweep: str, **told: Any) -> None:
        try:
            keeper = ray.get_actor(self._keeper)
            ray.get(keeper.write.remote(what, sweep, fence=self._fence, told=told))
        except RayTaskError as error:
            raise RunError(str(error.cause)) from None
        except (ValueError, RayActorError) as error:
            raise RunError(f"the sweep's driver, whose host has the record, is gone: {error}") from error


@contextlib.contextmanager
def record_keeper(record: str, *, is_cluster: bool) -> Generator[str | None]:
    """Have a keeper meanwhile, where the record is a file and trials may run on other hosts; yields its name, or None.

    Args:
        record: Path or URL of the record.
        is_cluster: Whether Ray is a cluster that was there before.
    """
    if not is_cluster or ("://" in record and not record.startswith("sqlite")):
        yield None
        return
    name = f"xstilts-record-{uuid.uuid4().hex}"
    here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(RecordKeeper)
    keeper = actor.options(name=name, num_cpus=0, scheduling_strategy=here).remote(record)
    try:
        yield name
    finally:
        ray.kill(keeper)
