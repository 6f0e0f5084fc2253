"""Reads and makes the models of transformers behind encoders: their configuration and weights, in float32."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast  # Any: transformers is untyped

import torch
import transformers
from transformers import AttentionInterface, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from trainables.errors import CheckpointError
from trainables.models.families.by_name import FAMILIES, PAGE, family_of
from trainables.models.layers import attention
from trainables.models.pretrained.loading_errors import loading
from trainables.models.text_towers import TextTower, read_text_tower
from trainables.models.weights import read_place, read_renamed
from trainables.tensor_files import Place

AttentionInterface.register(attention.NAME, attention.attend)


@contextmanager
def quiet_transformers() -> Generator[None]:
    """Turn off transformers' progress bars and load reports on stderr; restore its settings afterwards."""
    verbosity, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bar:
            transformers_logging.enable_progress_bar()


def read_config(folder: Path, *, dropout: float | None = None) -> PreTrainedConfig:
    """Return the configuration of a checkpoint.

    Args:
        folder: Folder of the checkpoint.
        dropout: Dropout probability of hidden states and attention; None keeps that of the checkpoint.

    Raises:
        CheckpointError: The folder has no configuration, or one of another family.
    """
    config = _stored_config(folder)
    if dropout is not None:
        _set_dropout(config, dropout)
    return config


def _stored_config(folder: Path) -> PreTrainedConfig:
    tower = read_text_tower(folder)
    if tower is not None:
        return AutoConfig.for_model(**tower.config)
    if not (folder / "config.json").is_file():
        msg = (
            f"cannot load an encoder from {str(folder)!r}: it has no config.json; give the folder of a Hugging Face "
            "checkpoint"
        )
        raise CheckpointError(msg)
    with loading(folder, what="a configuration", needs="the config.json of an encoder"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    _check_family(config.model_type, where=str(folder))
    return config


def read_model(folder: Path, *, config: PreTrainedConfig, shared: Path | None = None) -> PreTrainedModel:
    """Return the model of a checkpoint without a head, with a configuration that `read_config` returned.

    Args:
        folder: Folder of a checkpoint or a stage.
        config: Its configuration.
        shared: Folder with the tensors that a stage shares with others, if its own folder lacks them.

    Raises:
        CheckpointError: It cannot be loaded, or a weight is missing.
    """
    tower = read_text_tower(folder)
    if tower is not None:
        return _read_text_tower(tower, config=config)
    loaded: tuple[PreTrainedModel, dict[str, Any]]
    with (
        loading(folder, what="an encoder", needs="a whole model.safetensors and its config.json"),
        quiet_transformers(),
    ):
        # transformers 5 otherwise keeps the checkpoint's type, and DeepSpeed then trains in float16.
        options: dict[str, Any] = {**_arguments(config), "dtype": torch.float32, "output_loading_info": True}
        if shared is None:
            loaded = AutoModel.from_pretrained(
                folder, config=config, use_safetensors=True, local_files_only=True, **options
            )
        else:
            model_class: Any = getattr(transformers, family_of(config.model_type).model_class)
            state = read_place(Place(folder, shared))
            loaded = model_class.from_pretrained(None, config=config, state_dict=state, **options)
    model, report = loaded
    if report["missing_keys"]:
        # transformers initialises missing weights randomly and only warns.
        missing = sorted(report["missing_keys"])
        msg = (
            f"cannot load an encoder from {str(folder)!r}: {len(missing)} of its weights are missing, the first is "
            f"{missing[0]}; copy the checkpoint again"
        )
        raise CheckpointError(msg)
    return model


def _read_text_tower(tower: TextTower, *, config: PreTrainedConfig) -> PreTrainedModel:
    with loading(tower.weights.parent, what="an encoder", needs="a whole text tower"):
        model: PreTrainedModel = AutoModel.from_config(config, **_arguments(config), dtype=torch.float32)
        missing, unexpected = model.load_state_dict(read_renamed(tower.weights, names=tower.names), strict=False)
    if missing or unexpected:
        wrong = f"lacks the tensor {missing[0]}" if missing else f"has the unknown tensor {unexpected[0]}"
        msg = f"cannot load an encoder from {str(tower.weights)!r}: its text tower {wrong}; copy the checkpoint again"
        raise CheckpointError(msg)
    return model


def new_model(config: Mapping[str, object], *, dropout: float) -> PreTrainedModel:
    """Return an untrained model, whose weights depend on torch's global random state.

    Raises:
        CheckpointError: The `model_type` of the configuration is that of no family.
    """
    _check_family(config.get("model_type"), where="the configuration")
    parsed: PreTrainedConfig = AutoConfig.for_model(**cast("dict[str, Any]", config))
    _set_dropout(parsed, dropout)
    return AutoModel.from_config(parsed, **_arguments(parsed), dtype=torch.float32)


def _check_family(model_type: object, *, where: str) -> None:
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        rule = f"{where} has the model type {model_type!r}, but an encoder must be one of {known}"
        msg = f"cannot load an encoder: {rule}; choose such a checkpoint, or add the architecture ({PAGE})"
        raise CheckpointError(msg)


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    for field in family_of(config.model_type).dropout_fields:
        setattr(config, field, dropout)


def _arguments(config: PreTrainedConfig) -> dict[str, Any]:
    """Return the arguments of a model's class: its attention, and that it has no pooler."""
    family = family_of(config.model_type)
    function = attention.NAME if family.attention == "ours" else family.attention
    return {**family.model_arguments, "attn_implementation": function}
