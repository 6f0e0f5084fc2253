"""Configuration of a training phase: its tasks, length, optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self, cast

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from trainables.config.adapter import AdapterConfig
from trainables.config.auxiliary import BesideConfig
from trainables.config.combining import AverageConfig, MergeConfig
from trainables.config.frozen import FrozenModel
from trainables.config.sampling import SamplingConfig
from trainables.config.validation import config_error


def _is_set(model: FrozenModel, name: str) -> bool:
    """Return whether a field differs from its default. A configuration that xstilts wrote contains every field."""
    return getattr(model, name) != type(model).model_fields[name].default


class ScheduleConfig(FrozenModel):
    """The learning-rate schedule of a phase: a factor of the peak learning rate for each step."""

    kind: Literal["linear", "constant", "warmup_stable_decay"] = "linear"
    """After warm-up: `linear` falls to 0, `constant` stays at 1, `warmup_stable_decay` stays at 1, then falls to 0."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the phase's steps for warm-up (XTREME, arXiv 2003.11080, appendix: 10 %). Not with `warmup_steps`."""
    warmup_steps: int | None = Field(default=None, ge=0, lt=2**31)
    """Warm-up in steps, instead of `warmup_fraction`. Rungs that share a trunk need it."""
    decay_fraction: float = Field(default=0.2, gt=0, le=1)
    """Share of the steps for decay; `warmup_stable_decay` only (Haegele et al. 2024, arXiv 2405.18392: 0.2)."""

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.warmup_steps is not None and _is_set(self, "warmup_fraction"):
            msg = "warmup_fraction has no effect together with warmup_steps; remove one of the two"
            raise ValueError(msg)
        if self.kind != "warmup_stable_decay" and _is_set(self, "decay_fraction"):
            msg = f"decay_fraction has no effect on kind {self.kind}; remove it, or set kind: warmup_stable_decay"
            raise ValueError(msg)
        return self


INTERMEDIATE_TOWER = "intermediate"
"""Name of a further target's tower that means: the tower of the trial's intermediate phase, if that has one."""


class VisionConfig(FrozenModel):
    """The vision tower of a phase with images. It is discarded after the phase."""

    tower: str = "small"
    """`small`: a ViT trained in the phase; `miniature`: the shipped one; `intermediate`: in a further target, that of
    the trial's intermediate phase; else a vision model, by hub name or path."""
    freeze: bool = False
    """Whether the tower's weights are frozen. Use it with a tower from the hub."""
    num_layers: int = Field(default=4, ge=1, le=24)
    """Layers of a `small` tower."""
    hidden_size: int = Field(default=128, ge=16, multiple_of=16, lt=2**31)
    """Hidden size of a `small` tower."""
    image_size: int = Field(default=48, ge=16, le=512)
    """Side of the square that images are resized to, in pixels; `small` tower only."""
    patch_size: int = Field(default=8, ge=4, lt=2**31)
    """Side of a patch, in pixels; `small` tower only."""

    @model_validator(mode="after")
    def _sizes_fit_and_have_an_effect(self) -> Self:
        if self.tower == "small":
            if self.image_size % self.patch_size:
                rule = f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}"
                msg = f"{rule}; change one of the two"
                raise ValueError(msg)
            if self.freeze:
                msg = (
                    "freeze is true, but a small tower starts untrained; set freeze: false, or name a pretrained tower"
                )
                raise ValueError(msg)
            return self
        if self.tower == INTERMEDIATE_TOWER and self.freeze:
            msg = "freeze has no effect on tower 'intermediate', which the intermediate phase defines; remove it"
            raise ValueError(msg)
        for name in ("num_layers", "hidden_size", "image_size", "patch_size"):
            if _is_set(self, name):
                rule = f"{name} has no effect on tower {self.tower!r}, whose checkpoint defines it"
                msg = f"{rule}; remove it, or set tower: small"
                raise ValueError(msg)
        return self


class PhaseConfig(FrozenModel):
    """One training phase. Defaults follow Phang et al. 2020 (arXiv 2005.13013, section 3.3) for XLM-R."""

    sampling: SamplingConfig = SamplingConfig()
    """Where the weights come from. It is declared before `mixture` because the check of `mixture` uses it."""
    mixture: dict[str, float] = Field(min_length=1)
    """Task name -> sampling weight above 0; weights sum to 1. Or the name of a single task; or a list of names, if
    `sampling` computes weights."""
    beside: BesideConfig | None = None
    """Auxiliary training data: multilingual texts, or translations of the tasks; intermediate phase only."""
    steps: int | None = Field(default=None, ge=1, lt=2**31)
    """Optimiser steps. Exactly one of `steps` and `epochs` is given."""
    epochs: float | None = Field(default=None, gt=0, le=1000)
    """Passes over the mixture's examples (2-5 for MNLI in the literature)."""
    batch_size: int = Field(default=32, ge=1, lt=2**31)
    """Examples of one optimiser step, summed over all ranks and micro-batches."""
    learning_rate: float = Field(default=1e-5, gt=0, le=1)
    """Peak learning rate of AdamW (1e-5 to 3e-5 for XLM-R in the literature)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of matrices; biases and norms have none."""
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    """Second beta of AdamW; the first is 0.9."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Epsilon of AdamW."""
    max_gradient_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are clipped to this global norm; None turns clipping off."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Learning-rate schedule."""
    max_length: int = Field(default=128, ge=8, le=512)
    """Maximum length of a text in tokens, including special tokens; image tokens are added to it."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of encoder and head during the phase."""
    pooling: Literal["mean", "first"] = "mean"
    """How a text becomes one vector: mean over its tokens, or its first token."""
    freeze_embeddings: bool = False
    """Whether the encoder's embeddings are frozen."""
    freeze_layers: int = Field(default=0, ge=0, lt=2**31)
    """Number of the lowest layers that are frozen; above 0, the embeddings must be frozen too."""
    frozen_dropout: bool = True
    """Whether dropout acts in frozen parts too. Without it, the vectors above the frozen layers never change: they are
    computed once for a split, and shared by trials (`engine.prefix_cache`)."""
    num_examples: int | None = Field(default=None, ge=1, lt=2**31)
    """Number of training examples of each task, from the start of its split; None uses all."""
    num_dev_items: int = Field(default=1000, ge=0, lt=2**31)
    """Number of items of its English dev split on which each task is scored after training; 0 skips the scoring."""
    vision: VisionConfig | None = None
    """Vision tower. A task with images needs it; without such a task it is not allowed."""
    teacher: str | None = Field(default=None, min_length=1)
    """CLIP text model, by hub name or path, whose sentence vectors are learnt. Tasks of kind `distillation` need it;
    without such a task it is not allowed."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of data order, dropout, masking and new heads."""
    head_seed: int | None = Field(default=None, ge=0, lt=2**31)
    """Seed of new heads and of a new vision tower only; None takes `seed`. Runs that are averaged share it."""
    merge: MergeConfig | None = None
    """Merge the encoders of the mixture's tasks instead of training on the mixture; intermediate phase only."""
    average: AverageConfig | None = None
    """Average the weights of several runs of the phase; target phases only."""
    adapter: AdapterConfig | None = None
    """Train a low-rank adapter instead of the encoder's weights; not in a pretraining phase."""

    @field_validator("mixture", mode="before")
    @classmethod
    def _weights_of_names(cls, mixture: object, info: ValidationInfo) -> object:
        if isinstance(mixture, str):
            return {mixture: 1.0}
        if not isinstance(mixture, list | tuple):
            return mixture
        sampling = info.data.get("sampling")
        if isinstance(sampling, SamplingConfig) and not sampling.is_computed:
            msg = "a list of tasks has no weights; give a weight for each, or set sampling (proportional, uniform, ...)"
            raise ValueError(msg)
        return _equal_weights(cast("Sequence[object]", mixture))

    @field_validator("mixture")
    @classmethod
    def _weights_sum_to_one(cls, mixture: dict[str, float]) -> dict[str, float]:
        for task, weight in mixture.items():
            if weight <= 0:
                msg = f"the weight of {task!r} is {weight}; a weight must be above 0; raise it, or remove the task"
                raise ValueError(msg)
        total = math.fsum(mixture.values())
        if not math.isclose(total, 1, abs_tol=1e-6):
            msg = f"the weights sum to {total:g}; they must sum to 1; divide each weight by {total:g}"
            raise ValueError(msg)
        return mixture

    @model_validator(mode="after")
    def _weights_and_sampling_have_an_effect(self) -> Self:
        if not self.sampling.is_computed:
            return self
        if len(self.mixture) == 1:
            msg = f"sampling has no effect on a mixture of one task, {next(iter(self.mixture))!r}; remove it"
            raise ValueError(msg)
        if not all(math.isclose(weight, 1 / len(self.mixture), abs_tol=1e-6) for weight in self.mixture.values()):
            msg = f"weights have no effect with {self.sampling.kind} sampling; write the tasks' names as a list"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            msg = f"steps is {self.steps} and epochs is {self.epochs}; give exactly one of the two"
            raise ValueError(msg)
        if self.freeze_layers and not self.freeze_embeddings:
            rule = "layers can be frozen only if the embeddings below them are frozen"
            msg = f"freeze_layers is {self.freeze_layers}, but {rule}; set freeze_embeddings: true"
            raise ValueError(msg)
        if not self.frozen_dropout and not self.freeze_embeddings:
            msg = "frozen_dropout is false, but nothing is frozen; remove it, or set freeze_embeddings: true"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _combinations_fit(self) -> Self:
        if self.head_seed == self.seed:
            msg = f"head_seed {self.head_seed} has no effect, because it equals seed; remove it"
            raise ValueError(msg)
        if self.average is not None and self.average.select == "greedy" and not self.num_dev_items:
            msg = "select greedy compares scores on English dev items, but num_dev_items is 0; raise it"
            raise ValueError(msg)
        if self.merge is None:
            return self
        if self.sampling.is_computed:
            msg = f"{self.sampling.kind} sampling has no effect on a merge, which is not sampled; give weights instead"
            raise ValueError(msg)
        if unknown := [name for name in self.merge.parts if name not in self.mixture]:
            msg = (
                f"merge.parts has settings of {unknown[0]!r}, which is not merged; remove them, or add it to `mixture`"
            )
            raise ValueError(msg)
        for name in self.mixture:
            self.part(name)
        return self

    @model_validator(mode="after")
    def _adapter_fits(self) -> Self:
        if self.adapter is None:
            return self
        if self.merge is not None or self.average is not None:
            other = "merge" if self.merge is not None else "average"
            msg = f"adapter and {other} exclude each other: a stage of an adapter has no weights to combine; keep one"
            raise ValueError(msg)
        if self.freeze_embeddings and not self.freeze_layers:
            if not self.frozen_dropout:
                rule = "with an adapter, freeze_embeddings alone has no effect, and frozen_dropout neither"
                msg = f"{rule}; remove both, or set freeze_layers"
                raise ValueError(msg)
            # An adapter leaves the whole encoder frozen. A space can search both full training of the layers and an
            # adapter, so this is allowed, and the phase is the same as without it.
            object.__setattr__(self, "freeze_embeddings", False)
        return self

    def part(self, task: str) -> PhaseConfig:
        """Return the phase that trains one part of a merge, with the vision tower and the teacher of the whole.

        Args:
            task: A task of the mixture.

        Raises:
            ValueError: A setting of the part is wrong.
        """
        assert self.merge is not None  # noqa: S101  (the caller asks for a part of a merge)
        changes = self.merge.parts.get(task, {})
        of_whole = {"mixture", "sampling", "merge", "average", "vision", "teacher", "beside", "adapter"}
        if fixed := sorted(of_whole & changes.keys()):
            msg = f"merge.parts.{task} sets {fixed[0]!r}, which is a setting of the whole phase; remove it there"
            raise ValueError(msg)
        fields = self.model_dump(mode="json", exclude={"sampling", "merge", "average"}) | {"mixture": {task: 1.0}}
        for given, other in (("steps", "epochs"), ("epochs", "steps")):
            if given in changes and other not in changes:
                del fields[other]
        try:
            return PhaseConfig.model_validate(fields | changes)
        except ValidationError as error:
            msg = f"merge.parts.{task}.{config_error(error)}"
            raise ValueError(msg) from None


def _equal_weights(names: Sequence[object]) -> dict[str, float]:
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) != len(names) or not names:
        msg = f"{list(names)!r} is not a list of task names; write a list such as [squad, snli]"
        raise ValueError(msg)
    if len(set(texts)) != len(texts):
        msg = f"a task is listed twice in {', '.join(texts)}; list each task once"
        raise ValueError(msg)
    return {name: 1 / len(texts) for name in texts}
