"""Checks that a folder holds a vision tower that can be loaded: configuration, weights, and that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.pretrained.documents import read_object, unreadable
from trainables.models.pretrained.encoder_folder import CONFIG, check_not_pickled, check_types, unfit
from trainables.models.pretrained.header import FILE, INDEX, Tensor, read_tensors

PREPROCESSOR = "preprocessor_config.json"

_PATCHES = ("patch_embeddings.projection.weight", "patch_embedding.weight")
"""Endings of the name of the patch embedding, whose shape is [hidden size, channels, patch size, patch size]."""

_NUM_CHANNELS = 3


def check_vision_folder(path: Path) -> None:
    """Check that a folder holds a vision tower that can be loaded without running code of the checkpoint.

    Args:
        path: The folder; it has a config.json.

    Raises:
        CheckpointError: A file is missing, damaged or of a wrong type, or two files do not fit together; the message
            names the file.
    """
    config = vision_config(path)
    check_not_pickled(path)
    if not (path / FILE).is_file() and not (path / INDEX).is_file():
        rule = f"it has no weights; it must hold {FILE} or {INDEX}"
        msg = f"cannot load a vision tower from {str(path)!r}: {rule}; add the file"
        raise CheckpointError(msg, folder=path, field=FILE)
    weights = {name: tensor for name, tensor in read_tensors(path).items() if name.endswith((".weight", ".bias"))}
    check_types(path, weights)
    _check_patches(path, config=config, weights=weights)
    _check_preprocessor(path)


def vision_config(path: Path) -> Mapping[str, Any]:
    """Return the part of a checkpoint's configuration that describes the vision tower.

    Raises:
        CheckpointError: It is not JSON, or the size of its images or patches is not one whole number.
    """
    whole = read_object(path / CONFIG)
    if not isinstance(whole.get("model_type"), str):
        problem = f"is {whole.get('model_type')!r}, but a vision tower must be a ViT, CLIP, SigLIP or DINOv2"
        raise unfit(path, "model_type", problem, "choose such a checkpoint")
    config = cast("dict[str, Any]", whole.get("vision_config") or whole)
    for field in ("image_size", "patch_size", "hidden_size"):
        value = config.get(field)
        if value is not None and (type(value) is not int or value < 1):
            problem = f"is {value!r}, but must be a whole number above 0"
            raise unfit(path, field, problem, "choose a ViT, CLIP, SigLIP or DINOv2 checkpoint")
    image, patch = config.get("image_size"), config.get("patch_size")
    if image is not None and patch is not None and patch > image:
        problem = f"is {patch}, but must be at most image_size, which is {image}"
        raise unfit(path, "patch_size", problem, "copy config.json again")
    return config


def _check_patches(path: Path, *, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    name = next((name for name in weights if name.endswith(_PATCHES)), None)
    if name is None:
        msg = (
            f"cannot load a vision tower from {str(path)!r}: no tensor has a name such as {_PATCHES[0]}; choose a ViT, "
            "CLIP, SigLIP or DINOv2 checkpoint"
        )
        raise CheckpointError(msg, folder=path, field=_PATCHES[0])
    fields = ("hidden_size", "num_channels", "patch_size", "patch_size")
    shape = weights[name].shape
    has = shape if len(shape) == len(fields) else (None,) * len(fields)
    for field, size in zip(fields, has, strict=True):
        if config.get(field, size) != size:
            problem = f"is {config[field]}, but the weights have another shape: {name} is {' x '.join(map(str, shape))}"
            raise unfit(path, field, problem, "use config.json and weights of the same checkpoint")


def _check_preprocessor(path: Path) -> None:
    file = path / PREPROCESSOR
    if not file.is_file():
        return
    preprocessor = read_object(file)
    for field in ("image_mean", "image_std"):
        value = preprocessor.get(field)
        if value and not _are_channels(value):
            problem = f"has {field} {value!r}, but it must be a list of three numbers (red, green, blue)"
            raise unreadable(file, problem, "correct it")


def _are_channels(value: object) -> bool:
    numbers = cast("list[object]", value) if isinstance(value, list) else []
    return len(numbers) == _NUM_CHANNELS and all(isinstance(number, (int, float)) for number in numbers)
