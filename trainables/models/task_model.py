"""The model of a phase: one encoder, a head for each task of the mixture, and a vision tower for tasks with images.

Only the encoder is used after the phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict, TypeVar

import torch
from torch import Tensor, nn

from trainables.config import PhaseConfig
from trainables.errors import ConfigError
from trainables.models.encoder import Encoder, freeze
from trainables.models.head import Head, HeadOutput
from trainables.models.layers.linear import use_fast_linear
from trainables.models.pretrained.teacher_folder import teacher_size
from trainables.models.text_heads import build_head
from trainables.models.vision import VisionTower, build_vision_tower
from trainables.plan.mixture import phase_tasks
from trainables.tasks.spec import TaskSpec

_ENCODER_PREFIX, _HEADS_PREFIX = "encoder.model.", "heads."

_Built = TypeVar("_Built", bound=nn.Module)


class ParameterGroup(TypedDict):
    """Parameters with the same weight decay, in the form that torch's optimisers need."""

    params: list[nn.Parameter]
    weight_decay: float


class TaskModel(nn.Module):
    """An encoder, its heads and its vision tower.

    Args:
        encoder: Shared by all tasks.
        heads: Task name -> head.
        vision: Vision tower for all tasks with images, or None.
    """

    def __init__(self, encoder: Encoder, *, heads: Mapping[str, Head], vision: VisionTower | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        self.vision = vision

    def forward(self, task: str, tensors: Mapping[str, Tensor]) -> HeadOutput:
        """Return losses and outputs of a batch of one task.

        Args:
            task: Name of the task that the batch belongs to.
            tensors: The batch, with the names of `trainables/tasks/kinds/kind.py`; `image_features_BKV`, which this
                tower computed before, can replace the pixels.
        """
        return self.heads[task](self.encoder, tensors, self._image_features(tensors))

    def _image_features(self, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """Return the features of each example's images; those of several images are concatenated."""
        if self.vision is None or "image_features_BKV" in tensors:
            return tensors.get("image_features_BKV")
        if "pixel_values_B3HW" in tensors:
            return self.vision(tensors["pixel_values_B3HW"])
        if "pixel_values_BN3HW" not in tensors:
            return None
        pixels_BN3HW = tensors["pixel_values_BN3HW"]
        return self.vision(pixels_BN3HW.flatten(0, 1)).unflatten(0, pixels_BN3HW.shape[:2]).flatten(1, 2)


def build_task_model(
    phase: PhaseConfig,
    specs: Mapping[str, TaskSpec],
    *,
    encoder: Encoder,
    vision_folder: Path | None = None,
    teacher_folder: Path | None = None,
) -> TaskModel:
    """Return the model of a phase: the encoder, frozen as configured, with new heads and a new vision tower.

    The new weights depend only on `phase.head_seed` (else `phase.seed`) and on the name of their own task: not on the
    mixture's other tasks, and not on the global random state, which does not change.

    Args:
        phase: The phase.
        specs: Task name -> spec, for each task of the mixture.
        encoder: The encoder, loaded with `dropout=phase.dropout`; it is frozen in place.
        vision_folder: Checkpoint of the vision tower, if it has one.
        teacher_folder: Checkpoint of the teacher, if the phase has one; only the size of its vectors is read.

    Raises:
        ConfigError: More layers are frozen than the encoder has, or a vision tower is set without images or missing.
    """
    _check_vision(phase, specs=specs)
    freeze(
        encoder,
        embeddings=phase.freeze_embeddings,
        layers=phase.freeze_layers,
        dropout=phase.frozen_dropout,
    )
    vision = None
    if phase.vision is not None:
        config = phase.vision
        seed = _head_seed(phase)
        vision = _built_with_seed(lambda: build_vision_tower(config, folder=vision_folder), seed, name="vision")
    sizes = _Sizes(
        vision=None if vision is None else vision.hidden_size,
        teacher=None if teacher_folder is None else teacher_size(teacher_folder),
    )
    heads = {name: _new_head(phase, specs[name], encoder=encoder, sizes=sizes) for name in phase_tasks(phase)}
    model = TaskModel(encoder, heads=heads, vision=vision)
    use_fast_linear(model)
    return model


class _Sizes(NamedTuple):
    """Sizes of what a head reads beside the encoder's states; None where the phase does not have it."""

    vision: int | None
    teacher: int | None


def parameter_groups(model: nn.Module, *, weight_decay: float) -> list[ParameterGroup]:
    """Return the trained parameters: matrices with weight decay, then biases, norms and scales without it.

    Call this before DeepSpeed shards the model: a shard always has one dimension.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = (
        ParameterGroup(params=[weight for weight in trained if weight.ndim > 1], weight_decay=weight_decay),
        ParameterGroup(params=[weight for weight in trained if weight.ndim <= 1], weight_decay=0.0),
    )
    return [group for group in groups if group["params"]]


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's part of a `TaskModel`'s state, with the names of transformers."""
    return _part(state, prefix=_ENCODER_PREFIX)


def head_state(state: Mapping[str, Tensor], *, task: str) -> dict[str, Tensor]:
    """Return one head's part of a `TaskModel`'s state, with the head's own names."""
    return _part(state, prefix=f"{_HEADS_PREFIX}{task}.")


def _part(state: Mapping[str, Tensor], *, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _check_vision(phase: PhaseConfig, *, specs: Mapping[str, TaskSpec]) -> None:
    if phase.vision is not None and not any(specs[name].has_images for name in phase.mixture):
        msg = f"has no effect: no task of {', '.join(phase.mixture)} has images; remove it"
        raise ConfigError("vision", msg)


def _new_head(phase: PhaseConfig, spec: TaskSpec, *, encoder: Encoder, sizes: _Sizes) -> Head:
    return _built_with_seed(
        lambda: build_head(
            spec,
            shape=encoder.shape,
            pooling=phase.pooling,
            dropout=phase.dropout,
            vision_size=sizes.vision,
            teacher_size=sizes.teacher,
        ),
        _head_seed(phase),
        name=f"head {spec.name}",
    )


def _head_seed(phase: PhaseConfig) -> int:
    return phase.seed if phase.head_seed is None else phase.head_seed


def _built_with_seed(build: Callable[[], _Built], seed: int, *, name: str) -> _Built:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest[:8], "big", signed=True))
        return build()
