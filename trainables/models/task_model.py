"""What a phase trains: one encoder, a head for each task of the mixture, and a vision tower where there are images.

Only the encoder outlives the phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict, TypeVar

import torch
from torch import Tensor, nn

from trainables.config import PhaseConfig
from trainables.errors import ConfigError
from trainables.models.encoder import Encoder, freeze
from trainables.models.head import Head, HeadOutput
from trainables.models.text_heads import build_head
from trainables.models.vision import VisionTower, build_vision_tower
from trainables.plan.mixture import phase_tasks
from trainables.tasks.spec import TaskSpec

_ENCODER_PREFIX, _HEADS_PREFIX = "encoder.model.", "heads."

_Built = TypeVar("_Built", bound=nn.Module)


class ParameterGroup(TypedDict):
    """Weights that share a weight decay, in the form torch's optimisers take."""

    params: list[nn.Parameter]
    weight_decay: float


class TaskModel(nn.Module):
    """An encoder, its heads and its vision tower.

    Args:
        encoder: Shared by all tasks.
        heads: Task name -> head.
        vision: Reads images for every task that has them, or None.
    """

    def __init__(self, encoder: Encoder, *, heads: Mapping[str, Head], vision: VisionTower | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        self.vision = vision

    def forward(self, task: str, tensors: Mapping[str, Tensor]) -> HeadOutput:
        """Return losses and outputs of one task's batch.

        Args:
            task: Name of the task that the whole batch belongs to.
            tensors: The batch, as `trainables/tasks/kinds/kind.py` names it; `image_features_BKV`, computed earlier by
                this tower, may stand for the pixels.
        """
        return self.heads[task](self.encoder, tensors, self._image_features(tensors))

    def _image_features(self, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """Return the features of each example's images, those of several one after the other."""
        if self.vision is None or "image_features_BKV" in tensors:
            return tensors.get("image_features_BKV")
        if "pixel_values_B3HW" in tensors:
            return self.vision(tensors["pixel_values_B3HW"])
        if "pixel_values_BN3HW" not in tensors:
            return None
        pixels_BN3HW = tensors["pixel_values_BN3HW"]
        return self.vision(pixels_BN3HW.flatten(0, 1)).unflatten(0, pixels_BN3HW.shape[:2]).flatten(1, 2)


def build_task_model(
    phase: PhaseConfig, specs: Mapping[str, TaskSpec], *, encoder: Encoder, vision_folder: Path | None = None
) -> TaskModel:
    """Return a phase's model: the given encoder frozen as asked, with new heads and vision tower.

    What is new depends on `phase.seed` and on its own task's name only: not on the mixture's other tasks, nor on the
    global random state, which is left as it was.

    Args:
        phase: The phase.
        specs: Task name -> spec, for each task of the mixture.
        encoder: Loaded with `dropout=phase.dropout`; frozen in place.
        vision_folder: Checkpoint of the vision tower, where it has one.

    Raises:
        ConfigError: More layers are frozen than there are, or images and vision tower do not go together.
    """
    _check_vision(phase, specs=specs)
    freeze(encoder, embeddings=phase.freeze_embeddings, layers=phase.freeze_layers)
    vision = None
    if phase.vision is not None:
        config = phase.vision
        vision = _drawn(lambda: build_vision_tower(config, folder=vision_folder), phase.seed, name="vision")
    heads = {name: _new_head(phase, specs[name], encoder=encoder, vision=vision) for name in phase_tasks(phase)}
    return TaskModel(encoder, heads=heads, vision=vision)


def parameter_groups(model: nn.Module, *, weight_decay: float) -> list[ParameterGroup]:
    """Return the trained parameters: matrices, which decay, then biases, norms and scales, which do not.

    Call it before DeepSpeed shards the model: a shard has one dimension whatever its parameter has.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = (
        ParameterGroup(params=[one for one in trained if one.ndim > 1], weight_decay=weight_decay),
        ParameterGroup(params=[one for one in trained if one.ndim <= 1], weight_decay=0.0),
    )
    return [group for group in groups if group["params"]]


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's part of a `TaskModel`'s state, by the names that transformers gives them."""
    return _part(state, prefix=_ENCODER_PREFIX)


def head_state(state: Mapping[str, Tensor], *, task: str) -> dict[str, Tensor]:
    """Return one head's part of a `TaskModel`'s state, by the head's own names."""
    return _part(state, prefix=f"{_HEADS_PREFIX}{task}.")


def _part(state: Mapping[str, Tensor], *, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _check_vision(phase: PhaseConfig, *, specs: Mapping[str, TaskSpec]) -> None:
    if phase.vision is not None and not any(specs[name].has_images for name in phase.mixture):
        msg = f"is set, but none of {', '.join(phase.mixture)} has images; leave it out"
        raise ConfigError("vision", msg)


def _new_head(phase: PhaseConfig, spec: TaskSpec, *, encoder: Encoder, vision: VisionTower | None) -> Head:
    return _drawn(
        lambda: build_head(
            spec,
            hidden_size=encoder.hidden_size,
            vocab_size=encoder.vocab_size,
            pooling=phase.pooling,
            dropout=phase.dropout,
            vision_size=None if vision is None else vision.hidden_size,
        ),
        phase.seed,
        name=f"head {spec.name}",
    )


def _drawn(build: Callable[[], _Built], seed: int, *, name: str) -> _Built:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest[:8], "big", signed=True))
        return build()
