"""Configuration of an adapter: small matrices that are trained in place of the encoder's weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel


class AdapterConfig(FrozenModel):
    """A low-rank adapter (Hu et al. 2021, arXiv 2106.09685). The encoder itself is frozen; heads train as without it.

    The stage stores the adapter alone. A phase that starts from it adds the adapter to the encoder's weights.
    """

    kind: Literal["lora"] = "lora"
    """Kind of the adapter."""
    rank: int = Field(default=8, ge=1, le=1024)
    """Rank of the product that is added to a matrix."""
    alpha: float = Field(default=16.0, gt=0, le=100_000)
    """The product is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the adapter's input."""
    targets: Literal["query_value", "attention", "all"] = "query_value"
    """The layers' matrices that have one: of queries and values (arXiv 2106.09685, section 7.1); all of attention; all
    linear ones. Where one matrix makes queries, keys and values, it counts as each."""
