"""A training phase: which tasks, for how long, with which optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trainables.config.beside import BesideConfig
from trainables.config.frozen import FrozenModel
from trainables.config.sampling import SamplingConfig


def _is_set(model: FrozenModel, name: str) -> bool:
    """Return whether a field differs from its default: a configuration that was written out names every field."""
    return getattr(model, name) != type(model).model_fields[name].default


class ScheduleConfig(FrozenModel):
    """The learning rate over the steps of a phase, as a factor of the peak."""

    kind: Literal["linear", "constant", "warmup_stable_decay"] = "linear"
    """After warm-up: `linear` falls to 0, `constant` stays at 1, `warmup_stable_decay` stays and then falls to 0."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the phase's steps that warm up (XTREME, arXiv 2003.11080, appendix: 10 %). Not with `warmup_steps`."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Warm-up in steps, in place of the fraction. Rungs that share a trunk need it."""
    decay_fraction: float = Field(default=0.2, gt=0, le=1)
    """Share of the steps that decays; `warmup_stable_decay` only (Haegele et al. 2024, arXiv 2405.18392: 0.2)."""

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.warmup_steps is not None and _is_set(self, "warmup_fraction"):
            msg = "warmup_fraction has no effect beside warmup_steps; give one of the two"
            raise ValueError(msg)
        if self.kind != "warmup_stable_decay" and _is_set(self, "decay_fraction"):
            msg = f"decay_fraction has no effect on a {self.kind} schedule; remove it, or set warmup_stable_decay"
            raise ValueError(msg)
        return self


class VisionConfig(FrozenModel):
    """The vision tower of a phase with images. Dropped after the phase."""

    tower: str = "small"
    """`small`: a ViT trained with the phase; `miniature`: the shipped one; else a hub vision model, by name or path."""
    freeze: bool = False
    """Whether the tower's own weights stay as loaded. A tower from the hub is meant to be frozen."""
    num_layers: int = Field(default=4, ge=1, le=24)
    """Layers of a `small` tower."""
    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    """Width of a `small` tower."""
    image_size: int = Field(default=48, ge=16, le=512)
    """Side of the square that images are scaled to, in pixels; `small` tower only."""
    patch_size: int = Field(default=8, ge=4)
    """Side of a patch, in pixels; `small` tower only."""

    @model_validator(mode="after")
    def _sizes_fit_and_have_an_effect(self) -> Self:
        if self.tower == "small":
            if self.image_size % self.patch_size:
                msg = f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}; change one of them"
                raise ValueError(msg)
            if self.freeze:
                msg = (
                    "freeze is true, but a small tower starts untrained; set freeze: false, or name a pretrained tower"
                )
                raise ValueError(msg)
            return self
        for name in ("num_layers", "hidden_size", "image_size", "patch_size"):
            if _is_set(self, name):
                msg = f"{name} has no effect on tower {self.tower!r}, which has its own; remove it, or set tower: small"
                raise ValueError(msg)
        return self


class PhaseConfig(FrozenModel):
    """One training phase. Defaults follow Phang et al. 2020 (arXiv 2005.13013, section 3.3) for XLM-R."""

    sampling: SamplingConfig = SamplingConfig()
    """Where the weights come from; above `mixture` because that is checked against it."""
    mixture: dict[str, float] = Field(min_length=1)
    """Task name -> sampling weight, above 0, summing to 1; or a list of names where `sampling` computes the weights."""
    beside: BesideConfig | None = None
    """Multilingual texts or translated copies beside the tasks; intermediate phase only."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps. Exactly one of `steps` and `epochs`."""
    epochs: float | None = Field(default=None, gt=0, le=1000)
    """Passes over the mixture's examples (2-5 for MNLI in the literature)."""
    batch_size: int = Field(default=32, ge=1)
    """Examples of one optimiser step, over all ranks and micro-batches."""
    learning_rate: float = Field(default=1e-5, gt=0, le=1)
    """Peak learning rate of AdamW (1e-5 to 3e-5 for XLM-R in the literature)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay on matrices; biases and norms have none."""
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    """Second-moment decay of AdamW; the first is 0.9."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Epsilon of AdamW."""
    max_gradient_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are scaled down to this global norm; None leaves them."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Learning-rate schedule."""
    max_length: int = Field(default=128, ge=8, le=512)
    """Longest text in tokens, special tokens included; image tokens come on top."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of encoder and head during the phase."""
    pooling: Literal["mean", "first"] = "mean"
    """How a text becomes one vector: mean over its tokens, or its first token."""
    freeze_embeddings: bool = False
    """Whether the encoder's embeddings stay as they are."""
    freeze_layers: int = Field(default=0, ge=0)
    """How many of the lowest layers stay as they are; needs frozen embeddings when above 0."""
    num_examples: int | None = Field(default=None, ge=1)
    """Use only the first examples of each task's training split; None uses all."""
    num_dev_items: int = Field(default=1000, ge=0)
    """After training, each task is scored on the first items of its own English dev split; 0 skips that."""
    vision: VisionConfig | None = None
    """Vision tower; needed by, and only allowed with, a task that has images."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seeds data order, dropout, masking, and the new heads."""

    @field_validator("mixture", mode="before")
    @classmethod
    def _names_stand_for_equal_weights(cls, mixture: object, info: ValidationInfo) -> object:
        if not isinstance(mixture, list | tuple):
            return mixture
        sampling = info.data.get("sampling")
        if isinstance(sampling, SamplingConfig) and not sampling.is_computed:
            msg = "a list of tasks has no weights; give each its weight, or set sampling (proportional, uniform, ...)"
            raise ValueError(msg)
        return _equal_weights(cast("Sequence[object]", mixture))

    @field_validator("mixture")
    @classmethod
    def _weights_sum_to_one(cls, mixture: dict[str, float]) -> dict[str, float]:
        for task, weight in mixture.items():
            if weight <= 0:
                msg = f"weight of {task!r} is {weight}; a weight is above 0 (leave the task out instead)"
                raise ValueError(msg)
        total = math.fsum(mixture.values())
        if not math.isclose(total, 1, abs_tol=1e-6):
            msg = f"weights sum to {total:g}; they must sum to 1 (divide each by {total:g})"
            raise ValueError(msg)
        return mixture

    @model_validator(mode="after")
    def _weights_and_sampling_have_an_effect(self) -> Self:
        if not self.sampling.is_computed:
            return self
        if len(self.mixture) == 1:
            msg = f"sampling has no effect on a single task, {next(iter(self.mixture))!r}; remove it"
            raise ValueError(msg)
        if not all(math.isclose(weight, 1 / len(self.mixture), abs_tol=1e-6) for weight in self.mixture.values()):
            msg = f"weights have no effect beside {self.sampling.kind} sampling; give the tasks' names as a list"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            msg = f"steps is {self.steps} and epochs is {self.epochs}; give exactly one of `steps` and `epochs`"
            raise ValueError(msg)
        if self.freeze_layers and not self.freeze_embeddings:
            msg = f"freeze_layers is {self.freeze_layers} but embeddings train below them; set freeze_embeddings: true"
            raise ValueError(msg)
        return self


def _equal_weights(names: Sequence[object]) -> dict[str, float]:
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) != len(names) or not names:
        msg = f"{list(names)!r} is no list of task names; write it like [squad, snli]"
        raise ValueError(msg)
    if len(set(texts)) != len(texts):
        msg = f"a task stands twice in {', '.join(texts)}; list each once"
        raise ValueError(msg)
    return {name: 1 / len(texts) for name in texts}
