"""What stays in the store while a sweep runs, so that a long sweep fits its disk."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config import FrozenModel

KeptPhase = Literal["pretraining", "intermediate", "target"]
"""A phase whose stages can be removed; evaluations are small, and `xstilts compare` reads them, so they always stay."""


class KeepConfig(FrozenModel):
    """Which stages of ended trials stay in the store; a removed stage is made again if a later trial needs it."""

    best: int = Field(default=3, ge=1, lt=2**31)
    """Finished trials, the best by the first objective, whose stages stay with all that they were made from."""
    bytes: int | None = Field(default=None, ge=1, lt=2**63)
    """Limit of the store's complete stages, in bytes. Checkpoints of stages in training come on top. None: no limit."""
    phases: tuple[KeptPhase, ...] = Field(default=("pretraining", "intermediate"), strict=False)
    """Phases whose stages stay for all ended trials while `bytes` has room: later trials may share them."""

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if self.bytes is None and set(self.phases) == set(KeptPhase.__args__):
            msg = "nothing would be removed: every phase stays and there is no limit; set bytes, or name fewer phases"
            raise ValueError(msg)
        return self
