"""Checks that a folder holds a CLIP text model that can teach: configuration, weights, tokenizer. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.pretrained.documents import read_object
from trainables.models.pretrained.encoder_folder import CONFIG, check_not_pickled, check_types, unfit
from trainables.models.pretrained.header import FILE, INDEX, read_tensors
from trainables.models.pretrained.vocabulary import TOKENIZER

MODEL_TYPES = ("clip", "clip_text_model")
"""Model types of checkpoints with a CLIP text model: a whole CLIP, or its text tower."""

PROJECTION = "text_projection.weight"
"""Tensor that maps a text to the space that it shares with images, shape [size of the vectors, hidden size]."""

_REMEDY = "choose a CLIP checkpoint, such as openai/clip-vit-large-patch14"


def check_teacher_folder(path: Path) -> None:
    """Check that a folder holds a CLIP text model that can be loaded without running code of the checkpoint.

    Args:
        path: The folder.

    Raises:
        CheckpointError: A file is missing, damaged or of a wrong type; the message names the file.
    """
    size = teacher_size(path)
    check_not_pickled(path)
    if not any((path / name).is_file() for name in (FILE, INDEX)):
        raise _lacks(path, f"{FILE} or {INDEX}")
    if not (path / TOKENIZER).is_file():
        raise _lacks(path, TOKENIZER)
    weights = read_tensors(path)
    if PROJECTION not in weights:
        msg = f"cannot load a teacher from {str(path)!r}: it has no tensor {PROJECTION!r}; {_REMEDY}"
        raise CheckpointError(msg, folder=path, field=PROJECTION)
    check_types(path, {PROJECTION: weights[PROJECTION]})
    if weights[PROJECTION].shape[0] != size:
        problem = f"is {size}, but {PROJECTION} has {weights[PROJECTION].shape[0]} rows"
        raise unfit(path, "projection_dim", problem, "use config.json and weights of the same checkpoint")


def teacher_size(path: Path) -> int:
    """Return the size of the sentence vectors of a teacher.

    Raises:
        CheckpointError: The folder has no configuration of a CLIP text model.
    """
    if not (path / CONFIG).is_file():
        raise _lacks(path, CONFIG)
    config = read_object(path / CONFIG)
    if config.get("model_type") not in MODEL_TYPES:
        raise unfit(path, "model_type", f"is {config.get('model_type')!r}, but a teacher is a CLIP text model", _REMEDY)
    text = cast("dict[str, Any]", config.get("text_config") or {})
    size = config.get("projection_dim", text.get("projection_dim", 512))  # 512 is transformers' default
    if type(size) is not int or size < 1:
        raise unfit(path, "projection_dim", f"is {size!r}, but must be a whole number above 0", "copy it again")
    return size


def _lacks(path: Path, name: str) -> CheckpointError:
    msg = f"cannot load a teacher from {str(path)!r}: it has no {name}; give the folder of a CLIP checkpoint"
    return CheckpointError(msg, folder=path, field=name)
