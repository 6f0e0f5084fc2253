"""Which matrices of an encoder an adapter changes, and how large it is. No torch, no peft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any  # Any: JSON is untyped

from trainables.config.adapter import AdapterConfig
from trainables.models.families.by_name import family_of
from trainables.models.families.family import layer_of, length

_ATTENTION = frozenset({"attention", "self_attn", "attn"})
_QUERIES_AND_VALUES = frozenset({"query", "value", "query_proj", "value_proj", "q_proj", "v_proj", "Wqkv"})


def adapted(names: Iterable[str], adapter: AdapterConfig) -> list[str]:
    """Return the matrices that get an adapter, sorted.

    Args:
        names: Names of the linear matrices of the encoder's layers.
        adapter: The adapter.
    """
    return sorted(name for name in names if _is_adapted(name.split("."), adapter))


def adapter_bytes(config: Mapping[str, Any], adapter: AdapterConfig, *, bytes_per_weight: int = 4) -> int:
    """Return the size of an adapter's weights.

    Args:
        config: The content of the encoder's config.json.
        adapter: The adapter.
        bytes_per_weight: 4 for float32.
    """
    family = family_of(config["model_type"])
    complete = {**family.defaults, **config}
    shapes = {
        name.removesuffix(".weight"): [length(size, complete) for size in sizes]
        for name, sizes in family.tensors(complete)
        if name.endswith(".weight") and len(sizes) > 1 and layer_of(name) is not None
    }
    return bytes_per_weight * adapter.rank * sum(sum(shapes[name]) for name in adapted(shapes, adapter))


def _is_adapted(path: list[str], adapter: AdapterConfig) -> bool:
    if adapter.targets == "all":
        return True
    if _ATTENTION.isdisjoint(path):
        return False
    return adapter.targets == "attention" or path[-1] in _QUERIES_AND_VALUES
