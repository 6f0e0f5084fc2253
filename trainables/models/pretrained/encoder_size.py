"""The sizes of an encoder that decide how much memory its training takes, from its config.json alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: JSON

from trainables.models.families.by_name import family_of
from trainables.models.families.family import layer_of, length


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSize:
    """Sizes of an encoder."""

    num_below: int
    """Parameters outside of the layers: embeddings, and what all layers share."""
    of_layers: tuple[int, ...]
    """Parameters of each layer, the lowest first."""
    largest_tensor: int
    """Elements of the largest weight."""
    hidden_size: int
    """Size of the vectors between two layers."""
    feed_forward_size: int
    """Size of the vectors inside a layer's feed-forward part."""
    num_score_heads: int = 0
    """Attention heads whose scores are kept for the backward pass; 0 where the attention keeps none."""

    @property
    def num_parameters(self) -> int:
        """All parameters."""
        return self.num_below + sum(self.of_layers)

    def num_trained(self, *, freeze_embeddings: bool, freeze_layers: int) -> int:
        """Return the number of parameters that a phase trains.

        Args:
            freeze_embeddings: Whether everything below the first layer is frozen.
            freeze_layers: Number of frozen layers.
        """
        return (0 if freeze_embeddings else self.num_below) + sum(self.of_layers[freeze_layers:])


def encoder_size(config: Mapping[str, Any]) -> EncoderSize:
    """Return the sizes of an encoder.

    Args:
        config: Content of a config.json of a family; missing sizes have the family's defaults.
    """
    family = family_of(config["model_type"])
    complete = {**family.defaults, **config}
    of_layers = [0] * complete["num_hidden_layers"]
    below = largest = 0
    for name, sizes in family.tensors(complete):
        num = math.prod(length(size, complete) for size in sizes)
        largest = max(largest, num)
        layer = layer_of(name)
        if layer is None:
            below += num
        else:
            of_layers[layer] += num
    return EncoderSize(
        num_below=below,
        of_layers=tuple(of_layers),
        largest_tensor=largest,
        hidden_size=complete["hidden_size"],
        feed_forward_size=complete["intermediate_size"],
        num_score_heads=complete["num_attention_heads"] if family.attention == "eager" else 0,
    )
