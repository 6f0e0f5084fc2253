"""When a sweep ends by itself, before its number of trials and its budget, which stay the upper bounds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config import FrozenModel


class StopConfig(FrozenModel):
    """What ends a sweep: verdicts on its families, or a small expected gain of a further trial."""

    decided: Literal["families"] | None = None
    """`families`: the sweep ends when every family is better, worse or equivalent against `none`. It then runs what
    would decide: the families at their defaults, again and again with fresh seeds."""
    margin: float = Field(default=0.5, gt=0, le=100)
    """Margin of equivalence of `decided`, in points."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of a wrong verdict of `decided`, over all families and all looks at them."""
    expected_gain: float | None = Field(default=None, gt=0, le=100)
    """The sweep ends when its sampler expects no further trial to improve the best score by this many points."""

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.decided is not None and self.expected_gain is not None:
            msg = (
                "decided and expected_gain exclude each other: one repeats configurations, the other looks for new ones"
            )
            raise ValueError(f"{msg}; keep one")
        for name in ("margin", "alpha"):
            if self.decided is None and getattr(self, name) != type(self).model_fields[name].default:
                msg = f"{name} has no effect without decided; set decided: families, or remove it"
                raise ValueError(msg)
        return self
