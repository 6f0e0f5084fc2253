"""How much of an encoder a phase freezes. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any  # Any: JSON is untyped

from trainables.models.families.by_name import family_of
from trainables.models.families.family import layer_of, length


def frozen_share(config: Mapping[str, Any], *, num_layers: int) -> float:
    """Return the share of an encoder's weights in its embeddings and lowest layers, which a phase does not change.

    A norm above the last layer counts as part of the embeddings here; it has a few thousand numbers.

    Args:
        config: The content of the encoder's config.json.
        num_layers: Number of frozen layers.
    """
    family = family_of(config["model_type"])
    complete = {**family.defaults, **config}
    sizes = [
        (layer_of(name), math.prod(length(size, complete) for size in shape))
        for name, shape in family.tensors(complete)
    ]
    frozen = sum(size for layer, size in sizes if layer is None or layer < num_layers)
    return frozen / sum(size for _, size in sizes)
