"""The budget of a sweep: bounds of its cost."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config import FrozenModel


class BudgetConfig(FrozenModel):
    """Bounds of a sweep's cost. It stops at the first bound; stages of other sweeps that it reuses cost nothing."""

    steps: int | None = Field(default=None, ge=1, lt=2**63)
    """Optimiser steps of all trials together."""
    gpu_hours: float | None = Field(default=None, gt=0, le=1e9)
    """Hours of all ranks, each on a GPU or, without one, on its CPUs."""
    hours: float | None = Field(default=None, gt=0, le=1e9)
    """Wall time, from the start of each command that drives the sweep."""
    dollars: float | None = Field(default=None, gt=0)
    """Price of the GPU hours, at `dollars_per_gpu_hour`."""
    dollars_per_gpu_hour: float | None = Field(default=None, gt=0)
    """Price of one hour of one rank."""
    at_end: Literal["finish", "cut"] = "finish"
    """What running trials do at the bound: `finish` lets them finish; with `cut` they write a checkpoint and stop."""

    @model_validator(mode="after")
    def _dollars_have_a_price(self) -> Self:
        if (self.dollars is None) != (self.dollars_per_gpu_hour is None):
            msg = "dollars and dollars_per_gpu_hour go together; set both, or use gpu_hours"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _at_end_has_an_effect(self) -> Self:
        if self.at_end != "finish" and not self.is_bounded:
            msg = "at_end has no effect without a bound; set steps, gpu_hours, hours or dollars, or remove it"
            raise ValueError(msg)
        return self

    @property
    def is_bounded(self) -> bool:
        """Whether anything is bounded."""
        return any(bound is not None for bound in (self.steps, self.gpu_hours, self.hours, self.dollars))
