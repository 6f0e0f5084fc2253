"""How much of an encoder a phase freezes. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any  # Any: JSON is untyped

from trainables.models.families.by_name import family_of
from trainables.models.families.family import layer_of, length


def frozen_bytes(config: Mapping[str, Any], *, num_layers: int, bytes_per_weight: int = 4) -> int:
    """Return the size of an encoder's embeddings and lowest layers, which a phase does not change.

    A norm above the last layer counts as part of the embeddings here; it has a few thousand numbers.

    Args:
        config: The content of the encoder's config.json.
        num_layers: Number of frozen layers.
        bytes_per_weight: 4 for float32.
    """
    family = family_of(config["model_type"])
    complete = {**family.defaults, **config}
    sizes = (
        math.prod(length(size, complete) for size in sizes)
        for name, sizes in family.tensors(complete)
        if (layer := layer_of(name)) is None or layer < num_layers
    )
    return bytes_per_weight * sum(sizes)
