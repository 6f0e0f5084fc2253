"""Reads the text tower of an image-text checkpoint: an XLM-R that was trained together with an image encoder.

Three layouts hold an XLM-R under other tensor names. Their other parts (projections, the image tower) are not used:

    AltCLIP (arXiv 2211.06679)         text_model.roberta.*, or roberta.* where only the text model was saved
    Multilingual CLIP (LREC 2022)      transformer.*; its config.json names XLM-R and has no shapes
    open_clip                          text.transformer.*; open_clip_config.json instead of config.json

Shapes are read from the headers of the weights. No torch and no transformers here: a mistake is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.pretrained.documents import read_object
from trainables.models.pretrained.header import read_header

KNOWN = ("altclip", "altclip_text_model", "M-CLIP", "open_clip")
"""Types of image-text checkpoints whose text tower can be used as an encoder."""

OPEN_CLIP_CONFIG = "open_clip_config.json"

_WEIGHTS = ("model.safetensors", "open_clip_model.safetensors")
_PREFIXES = ("text_model.roberta.", "roberta.", "text.transformer.", "transformer.")
_WORDS, _POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
_TYPES, _FEED_FORWARD = "embeddings.token_type_embeddings.weight", "encoder.layer.0.intermediate.dense.weight"
_LAYER = re.compile(r"^encoder\.layers?\.(\d+)\.")
_HEAD_SIZE = 64
"""Width of an attention head in every XLM-R (arXiv 1911.02116, appendix B)."""
_SETTINGS = ("num_attention_heads", "hidden_act", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """An XLM-R in a checkpoint of another type.

    Args:
        weights: The safetensors file.
        names: Tensor name in an XLM-R of transformers -> tensor name in the file.
        config: The content of a config.json for this XLM-R.
    """

    weights: Path
    names: Mapping[str, str]
    config: Mapping[str, Any]


def is_image_text(folder: Path) -> bool:
    """Return whether a folder holds an image-text checkpoint of a known type."""
    return _type_of(folder) in KNOWN


def read_text_tower(folder: Path) -> TextTower | None:
    """Return the text tower of an image-text checkpoint, or None if the folder does not hold one of a known type.

    Raises:
        CheckpointError: It has a known type, but its text model is not an XLM-R, or is incomplete.
    """
    if not is_image_text(folder):
        return None
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        names = " or ".join(_WEIGHTS)
        msg = f"cannot load an encoder from {str(folder)!r}: it has no weights; it must hold {names}; add the file"
        raise CheckpointError(msg)
    shapes = {name: tensor.shape for name, tensor in read_header(weights).items()}
    prefix = next((prefix for prefix in _PREFIXES if prefix + _WORDS in shapes), None)
    if prefix is None:
        msg = (
            f"cannot load an encoder from {str(folder)!r}: its text model is not an XLM-R (no tensor has a name such "
            f"as {_PREFIXES[0]}{_WORDS}); choose an image-text checkpoint with an XLM-R text tower"
        )
        raise CheckpointError(msg)
    names = {_own_name(name.removeprefix(prefix)): name for name in shapes if name.startswith(prefix)}
    names = {own: name for own, name in names.items() if own.startswith(("embeddings.", "encoder."))}
    names.pop("embeddings.position_ids", None)
    return TextTower(weights=weights, names=names, config=_config(folder, shapes=shapes, names=names))


def _type_of(folder: Path) -> object:
    if (folder / OPEN_CLIP_CONFIG).is_file() and not (folder / "config.json").is_file():
        return "open_clip"
    return _json(folder / "config.json").get("model_type")


def _own_name(name: str) -> str:
    """Return a tensor's name in transformers' XLM-R: AltCLIP calls the list of layers `layers`."""
    return name.replace("encoder.layers.", "encoder.layer.", 1)


def _config(folder: Path, *, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str]) -> dict[str, Any]:
    missing = [name for name in (_WORDS, _POSITIONS, _TYPES, _FEED_FORWARD) if name not in names]
    if missing:
        msg = (
            f"cannot load an encoder from {str(folder)!r}: its text model lacks the tensor {missing[0]}; copy the "
            "checkpoint again"
        )
        raise CheckpointError(msg)
    vocab_size, hidden_size = shapes[names[_WORDS]]
    layers = {int(match[1]) for match in map(_LAYER.match, names) if match}
    given = _json(folder / "config.json")
    given = cast("dict[str, Any]", given.get("text_config") or given)
    return {
        "model_type": "xlm-roberta",
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(1, hidden_size // _HEAD_SIZE),
        "intermediate_size": shapes[names[_FEED_FORWARD]][0],
        "max_position_embeddings": shapes[names[_POSITIONS]][0],
        "type_vocab_size": shapes[names[_TYPES]][0],
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    } | {name: given[name] for name in _SETTINGS if given.get(name) is not None}


def _json(path: Path) -> Mapping[str, Any]:
    return read_object(path) if path.is_file() else {}
