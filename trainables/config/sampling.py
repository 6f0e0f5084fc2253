"""How often each task of a mixture is drawn."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config.frozen import FrozenModel

SamplingKind = Literal["given", "proportional", "temperature", "uniform"]
"""Where a mixture's weights come from."""


class SamplingConfig(FrozenModel):
    """Weights of a mixture's tasks: as given, or computed from the number of their training examples."""

    kind: SamplingKind = "given"
    """`given`: as in `mixture`. `proportional`: to a task's examples n. `temperature`: to n ^ (1 / T). `uniform`."""
    cap: int | None = Field(default=None, ge=1)
    """Examples that a task counts with at most; None: all (Phang et al. 2020, arXiv 2005.13013: 131072)."""
    temperature: float | None = Field(default=None, ge=1, le=1000)
    """T of `temperature`: 1 is proportional, larger is nearer to uniform (Raffel et al. 2020, arXiv 1910.10683)."""

    @property
    def is_computed(self) -> bool:
        """Whether the weights come from elsewhere than `mixture`."""
        return self.kind != "given"

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.cap is not None and self.kind not in {"proportional", "temperature"}:
            msg = f"cap has no effect on {self.kind} sampling; remove it, or set kind: proportional"
            raise ValueError(msg)
        if self.kind == "temperature" and self.temperature is None:
            msg = "kind temperature needs `temperature`, a number of at least 1; add it"
            raise ValueError(msg)
        if self.temperature is not None and self.kind != "temperature":
            msg = f"temperature has no effect on {self.kind} sampling; remove it, or set kind: temperature"
            raise ValueError(msg)
        return self
