"""Configuration of the sampling weights of a mixture."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config.frozen import FrozenModel

SamplingKind = Literal["given", "proportional", "temperature", "uniform"]
"""Where a mixture's weights come from."""


class SamplingConfig(FrozenModel):
    """Weights of a mixture's tasks: given, or computed from the numbers of their training examples."""

    kind: SamplingKind = "given"
    """`given`: weights of `mixture`. `proportional` to the examples n of a task, or (`temperature`) to n ^ (1 / T).
    `uniform`: equal weights."""
    cap: int | None = Field(default=None, ge=1, lt=2**31)
    """Upper limit of n; None: no limit (Phang et al. 2020, arXiv 2005.13013: 131072)."""
    temperature: float | None = Field(default=None, ge=1, le=1000)
    """T of `temperature`: 1 is proportional, larger is nearer to uniform (Raffel et al. 2020, arXiv 1910.10683)."""

    @property
    def is_computed(self) -> bool:
        """Whether the weights are computed, and not given in `mixture`."""
        return self.kind != "given"

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.cap is not None and self.kind not in {"proportional", "temperature"}:
            msg = f"cap has no effect on {self.kind} sampling; remove it, or set kind: proportional"
            raise ValueError(msg)
        if self.kind == "temperature" and self.temperature is None:
            msg = "kind temperature needs `temperature`, a number of 1 or more; add it"
            raise ValueError(msg)
        if self.temperature is not None and self.kind != "temperature":
            msg = f"temperature has no effect on {self.kind} sampling; remove it, or set kind: temperature"
            raise ValueError(msg)
        return self
