"""Which tokens a masked-LM task masks. No torch here."""

from __future__ import annotations

from pydantic import Field

from trainables.config.frozen import FrozenModel


class MaskingPolicy(FrozenModel):
    """Which tokens a masked-LM task masks."""

    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens of a masked side that is predicted (Devlin et al. 2019: 0.15)."""
    one_side_probability: float = Field(default=0.0, ge=0, le=1)
    """For pairs: probability that only one side, drawn at random, is masked; the other side then holds the answer."""
    frequency_exponent: float = Field(default=0.0, ge=-2, le=2)
    """A token is chosen with a probability proportional to its frequency to this power (-0.5 favours rare words)."""
