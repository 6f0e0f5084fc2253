"""Low-rank adapters, through peft: adds a new one to an encoder, and merges trained ones into its weights.

The only door to peft. An adapter in a stage's folder is `adapter.safetensors`, with the names of the model's own
matrices: `<matrix>.lora_A` (rank x inputs) and `<matrix>.lora_B` (outputs x rank); `adapter.json` has its settings.

Shapes: R rank, I inputs of a matrix, N its outputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: peft is untyped

import torch
from torch import Tensor, nn

from trainables.config.adapter import AdapterConfig
from trainables.models.families.adapted_matrices import adapted
from trainables.models.families.by_name import family_of
from trainables.models.weights import read_weights, write_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER, SETTINGS = "adapter.safetensors", "adapter.json"
"""Files of an adapter in a stage's folder."""

_NAME = "default"


def add_adapter(model: PreTrainedModel, adapter: AdapterConfig, *, seed: int) -> None:
    """Freeze the model of an encoder and add a new adapter, which changes no output before it is trained.

    Args:
        model: The model of transformers, changed in place.
        adapter: Settings of the adapter.
        seed: Seed of its weights; the global random state is neither read nor changed.
    """
    from peft import inject_adapter_in_model

    digest = hashlib.sha256(f"{seed} adapter".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest[:8], "big", signed=True))
        inject_adapter_in_model(_settings(model, adapter), model, adapter_name=_NAME)


def is_of_adapter(name: str) -> bool:
    """Return whether a weight of a model with an adapter is the adapter's, by its name."""
    return ".lora_A." in name or ".lora_B." in name


def write_adapter(state: Mapping[str, Tensor], *, adapter: AdapterConfig, folder: Path, dtype: torch.dtype) -> None:
    """Write a trained adapter into a folder.

    Args:
        state: Weights of an encoder with an adapter, by their names in transformers; only the adapter is written.
        adapter: Its settings.
        folder: The folder; it is created if it is missing.
        dtype: Type in which the weights are stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of_adapter = {_short(name): tensor.to(dtype) for name, tensor in state.items() if is_of_adapter(name)}
    write_weights(of_adapter, folder / ADAPTER)
    (folder / SETTINGS).write_text(adapter.model_dump_json())


def has_adapter(folder: Path) -> bool:
    """Return whether a stage's folder holds an adapter in place of an encoder."""
    return (folder / ADAPTER).is_file()


def merge_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Add a trained adapter to the weights of the encoder that it was trained on.

    Args:
        model: The model of transformers, changed in place.
        folder: Folder with the adapter.
    """
    adapter = AdapterConfig.model_validate_json((folder / SETTINGS).read_bytes())
    tensors = read_weights(folder / ADAPTER)
    for name in sorted(name.removesuffix(".lora_A") for name in tensors if name.endswith(".lora_A")):
        weight = model.get_parameter(f"{name}.weight")
        low_RI, high_NR = tensors[f"{name}.lora_A"].float(), tensors[f"{name}.lora_B"].float()
        with torch.no_grad():
            weight += high_NR @ low_RI * (adapter.alpha / adapter.rank)


def _settings(model: PreTrainedModel, adapter: AdapterConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # pyright: ignore[reportArgumentType]  (peft only divides it)
        lora_dropout=adapter.dropout,
        target_modules=_matrices(model, adapter),
        bias="none",
    )


def _matrices(model: PreTrainedModel, adapter: AdapterConfig) -> list[str]:
    """Return the full names of the matrices that get an adapter."""
    layers = (part for layer in family_of(model.config.model_type).layers(model) for part in layer)
    in_layers = {id(module) for part in layers for module in part.modules()}
    linear = (
        name for name, module in model.named_modules() if isinstance(module, nn.Linear) and id(module) in in_layers
    )
    return adapted(linear, adapter)


def _short(name: str) -> str:
    """Return the name under which a weight of an adapter is stored."""
    return name.removesuffix(f".{_NAME}.weight")
