"""The order that a trial actor receives. This module does not import Ray, so that orders can be made without it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from trainables.config import FrozenModel, RungsConfig, TrialConfig
from trainables.ranks.devices import RankDevices
from trainables.tasks.spec import TaskSpec


class TrialOrder(FrozenModel):
    """Everything that a trial actor needs to run a trial."""

    sweep: str
    """Name of the sweep."""
    number: int = Field(ge=0)
    """The trial's number in it."""
    config: TrialConfig
    """The trial at its last rung."""
    devices: RankDevices
    """Devices of its ranks, which the driver has chosen for the sweep."""
    rungs: RungsConfig = RungsConfig()
    """Its rungs."""
    rung: int = Field(default=0, ge=0)
    """The first rung to run; the rungs below have been measured."""
    expired: str | None = None
    """A lease whose holder is dead, so that the trial can take it (`StageStore.expired_lease`)."""
    tasks: tuple[TaskSpec, ...] = ()
    """The user's own tasks; processes that Ray starts do not know them otherwise."""
    record: str
    """Path or URL of the record."""
    keeper: str | None = None
    """Name of the Ray actor that writes the record, if it is a file on another host; None if the trial writes it."""
    fence: int | None = None
    """Fencing number of the sweep's driver: the record refuses this trial's writes after another driver took over."""
    store: str
    """Path or URL of the store."""
    downloads: Path = Field(strict=False)
    """Folder on the trial's host for downloads from a store in a bucket."""
    progress: Path = Field(strict=False)
    """File for the trial's progress."""
    log: Path = Field(strict=False)
    """File for details of a failure: the stack of an unexpected error, or the stacks of hung ranks."""
    stop: Path | None = Field(default=None, strict=False)
    """File that asks the trial, by its existence, to save a checkpoint and stop."""
