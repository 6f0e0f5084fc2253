"""What a trial actor is told to do. No Ray here: who writes an order need not import it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from trainables.config import FrozenModel, RungsConfig, TrialConfig
from trainables.ranks.devices import RankDevices
from trainables.tasks.spec import TaskSpec


class TrialOrder(FrozenModel):
    """What a trial actor is told to do."""

    sweep: str
    """Name of the sweep."""
    number: int = Field(ge=0)
    """The trial's number in it."""
    config: TrialConfig
    """The trial, as it is at its last rung."""
    devices: RankDevices
    """What its ranks compute on, as the driver has settled it for the sweep."""
    rungs: RungsConfig = RungsConfig()
    """Its rungs."""
    rung: int = Field(default=0, ge=0)
    """The first rung to run; those below have been measured."""
    expired: str | None = None
    """A lease that the driver has seen expire, which the trial may take (`StageStore.expired_lease`)."""
    tasks: tuple[TaskSpec, ...] = ()
    """The user's own tasks, which no process of Ray's would know otherwise."""
    record: str
    """Path or URL of the record."""
    keeper: str | None = None
    """Name of the Ray actor that writes the record, where it is a file of another host; None writes it from here."""
    fence: int | None = None
    """Fencing number of the sweep's driver: what this trial writes once another driver has taken over is refused."""
    store: str
    """Path or URL of the store."""
    downloads: Path = Field(strict=False)
    """Folder on the trial's host for what is downloaded from a store in a bucket."""
    progress: Path = Field(strict=False)
    """File for the trial's progress."""
    log: Path = Field(strict=False)
    """File for what is worth knowing of a failure: the stack of an unexpected error, those of hung ranks."""
    stop: Path | None = Field(default=None, strict=False)
    """File whose existence asks the trial to leave a checkpoint and stop."""
