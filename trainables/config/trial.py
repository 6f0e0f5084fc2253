"""One trial: encoder, intermediate phase or none, target phase, evaluation, and how it is run."""

from __future__ import annotations

from typing import Any, Literal  # Any: what a user wrote, before it is checked

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from trainables.config.deepspeed_settings import complaint, decisive
from trainables.config.evaluation import EvaluationConfig
from trainables.config.frozen import FrozenModel
from trainables.config.further import FurtherTarget, fill_further
from trainables.config.phases import PhaseConfig


class EncoderConfig(FrozenModel):
    """The pretrained multilingual encoder that a trial starts from."""

    name: str = Field(default="FacebookAI/xlm-roberta-large", min_length=1)
    """Hub name, path of a folder, or `miniature` (shipped). XLM-R family, or a BERT-type encoder with its tokenizer."""
    revision: str | None = None
    """Commit on the hub; None takes the newest. A mirror holds one, which is taken."""


class EngineConfig(FrozenModel):
    """How the training is run. Not part of what a trial is, but for what `deciding` returns."""

    num_workers: int = Field(default=1, ge=1, le=1024)
    """Ranks that share each training step."""
    zero_stage: Literal[0, 1, 2, 3] = 0
    """DeepSpeed's ZeRO stage: 1 shards optimiser state, 2 gradients too, 3 parameters too (arXiv 1910.02054)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of training; weights are trained in float32 either way."""
    stored_weights: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type that encoders are kept in between phases: a half takes half the space, and rounds what follows."""
    threads_per_rank: int | None = Field(default=None, ge=1)
    """CPU threads of a rank; None divides this machine's cores among the ranks."""
    tokens_per_micro_batch: int = Field(default=4096, ge=64)
    """Tokens, padding included, of one forward and backward pass on one rank."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    checkpoint_seconds: float = Field(default=180.0, gt=0)
    """Time between two checkpoints inside a training stage; a crash loses at most this."""
    hang_seconds: float = Field(default=1800.0, gt=0)
    """Time without a step, a scored batch or a read data set after which the ranks count as hung and are replaced."""
    reduction: Literal["float32", "bfloat16"] = "float32"
    """Type that gradients are summed over ranks in, at every ZeRO stage alike: bfloat16 sends half as much and rounds;
    it needs precision bfloat16 (docs/decisions/0023)."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What ZeRO keeps in CPU memory: `optimizer` needs stage 1 or above, `all` stage 3."""
    deepspeed: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Further settings of DeepSpeed, as in its own JSON; in a trial file or spec also the name of a file with them,
    relative to it. What other fields set is refused (docs/how-to/deepspeed.md)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes CUDA where a host has a GPU, or an autoscaler could add one; settled once, when a sweep starts."""
    gpus_per_worker: float = Field(default=1.0, ge=0.1, le=1.0)
    """Share of a GPU that a rank takes, 0.1 to 1: with 0.5 two share one, each bounded to half of its memory."""
    accelerator_type: str | None = Field(default=None, min_length=1)
    """Ray's name of the GPU that ranks ask for, for example `A100`; None takes any."""

    @field_validator("deepspeed")
    @classmethod
    def _is_taken_by_deepspeed(cls, settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if said := complaint(settings):
            raise ValueError(said)
        return settings

    def deciding(self) -> EngineConfig:
        """Return what of it decides a trial's results, the rest at its defaults."""
        return EngineConfig(
            precision=self.precision,
            stored_weights=self.stored_weights,
            reduction=self.reduction,
            deepspeed=decisive(self.deepspeed),
        )


class TrialConfig(FrozenModel):
    """A trial. Everything but most of `engine` decides its results and enters its stages' keys."""

    encoder: EncoderConfig = EncoderConfig()
    """Starting point."""
    pretraining: PhaseConfig | None = None
    """Masked-LM phase before the intermediate one, or None."""
    intermediate: PhaseConfig | None = None
    """Intermediate phase; None is the baseline family."""
    target: PhaseConfig = PhaseConfig(mixture={"mnli": 1.0}, epochs=2)
    """English NLI training (Phang et al. 2020: MNLI, 2 epochs)."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Zero-shot scoring: the sweep's objective."""
    further: dict[str, FurtherTarget] = Field(default_factory=dict[str, FurtherTarget])
    """Evaluation task -> its own target, from the same intermediate encoder; or `xtreme`, `xtreme_r`, or a list."""
    engine: EngineConfig = EngineConfig()
    """How it is run."""

    @field_validator("further", mode="before")
    @classmethod
    def _as_in_the_literature(cls, value: Any, info: ValidationInfo) -> Any:
        evaluation = info.data.get("evaluation")
        return fill_further(value, main=evaluation.task if evaluation else None)

    @field_validator("further")
    @classmethod
    def _each_task_is_scored_once(
        cls, further: dict[str, FurtherTarget], info: ValidationInfo
    ) -> dict[str, FurtherTarget]:
        evaluation = info.data.get("evaluation")
        for name, one in further.items():
            if one.evaluation.task != name:
                msg = f"entry {name!r} is scored on {one.evaluation.task!r}; name an entry after its evaluation task"
                raise ValueError(msg)
            if evaluation and evaluation.task == name:
                msg = f"the trial is scored on {name!r} already (`evaluation`); leave one of the two out"
                raise ValueError(msg)
        return further
