"""Configuration of a trial: encoder, intermediate phase or none, target phase, evaluation, and engine."""

from __future__ import annotations

from typing import Any, Literal  # Any: what a user wrote, before it is checked

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from trainables.config.deepspeed_settings import decisive, settings_problem
from trainables.config.evaluation import EvaluationConfig
from trainables.config.frozen import FrozenModel
from trainables.config.further import FurtherTarget, fill_further, with_tower
from trainables.config.pass_tokens import UNSETTLED_PASS_TOKENS, tokens_or_auto
from trainables.config.phases import INTERMEDIATE_TOWER, PhaseConfig


class EncoderConfig(FrozenModel):
    """The pretrained multilingual encoder that a trial starts from."""

    name: str = Field(default="FacebookAI/xlm-roberta-large", min_length=1)
    """Hub name, path of a folder, or `miniature` (shipped). XLM-R family, or a BERT-type encoder with its tokenizer."""
    revision: str | None = None
    """Commit on the hub; None takes the newest. A mirror holds one commit, which is used."""


_MOST_SECONDS = 1e9


Precision = Literal["float32", "bfloat16"]
"""Type of the arithmetic in training."""

ZeroStage = Literal[0, 1, 2, 3]
"""What ranks shard: nothing, optimizer state, gradients too, parameters too."""

Offload = Literal["none", "optimizer", "all"]
"""What is kept in the host's memory."""

_LEAST_STAGE: dict[str, ZeroStage] = {"auto": 0, "none": 0, "optimizer": 1, "all": 3}
"""Offload -> the least ZeRO stage that can do it."""


class EngineConfig(FrozenModel):
    """Settings that run the training. Only those that `deciding` returns can change a trial's results."""

    num_workers: int = Field(default=1, ge=1, le=1024)
    """Ranks that share each training step."""
    zero_stage: Literal["auto", 0, 1, 2, 3] = "auto"
    """DeepSpeed's ZeRO stage: 1 shards optimiser state, 2 gradients too, 3 parameters too (arXiv 1910.02054). `auto`:
    the least with which training fits the GPUs, 0 on the CPU; settled when a new sweep starts, and recorded."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of the arithmetic in training; the trained weights are float32 in both cases. `auto`: bfloat16 on GPUs that
    have it in hardware, and on this machine's CPU if that multiplies it faster than float32 (AMX, AMD's Zen 4 and 5),
    else float32; settled when a new sweep starts, and recorded in its spec."""
    evaluation_precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of the arithmetic of evaluations. `auto`: that of training where the hardware multiplies it, else float32;
    settled when a new sweep starts, and recorded."""
    stored_weights: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type in which encoders are stored between phases. The 16-bit types take half the space, and round the weights."""
    threads_per_rank: int | None = Field(default=None, ge=1, lt=2**31)
    """CPU threads of a rank; None divides this machine's cores among the ranks."""
    tokens_per_micro_batch: int | Literal["auto"] = "auto"
    """Tokens of one forward and backward pass on one rank, including padding; 64 or more. `auto`: as many as fit the
    GPUs, 4,096 on the CPU; settled when a new sweep starts, and recorded."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Whether activations are recomputed in the backward pass: less memory, about a third more time. `auto`: only on
    hosts where a pass would otherwise have fewer than 1,024 tokens."""
    checkpoint_seconds: float | Literal["auto"] = "auto"
    """Time between two checkpoints in a training stage; a crash loses at most this much time. `auto`: 180 s, or longer
    where checkpoints would take more than 2 % of the training time."""
    hang_seconds: float = Field(default=1800.0, gt=0, le=1e9)
    """Ranks that finish no step, scored batch or data set for this time count as hung and are replaced."""
    reduction: Literal["float32", "bfloat16"] = "float32"
    """Type in which gradients are summed over ranks, at every ZeRO stage. bfloat16 sends half as much data, and rounds;
    it needs precision bfloat16 (docs/decisions/0023)."""
    offload: Literal["auto", "none", "optimizer", "all"] = "auto"
    """What ZeRO keeps in CPU memory: `optimizer` needs stage 1 or above, `all` needs stage 3. `auto`: something only
    where `zero_stage` is `auto` and no stage fits without."""
    deepspeed: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Further DeepSpeed settings, as in its own JSON. In a trial file or spec, also the name of a file with them,
    relative to that file. Settings that other fields set are an error (docs/how-to/deepspeed.md)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` uses CUDA where a host has a GPU or an autoscaler can add one; decided once, when a sweep starts."""
    gpus_per_worker: float = Field(default=1.0, ge=0.1, le=1.0)
    """Share of a GPU for a rank, 0.1 to 1. With 0.5, two ranks share a GPU; each can use half of its memory."""
    accelerator_type: str | None = Field(default=None, min_length=1)
    """Ray's name of the GPU type that ranks request, for example `A100`; None accepts any."""

    prefix_cache: Literal["auto", "always", "off"] = "auto"
    """Whether vectors above frozen layers without dropout (`frozen_dropout: false`) are computed once for a split and
    kept. `auto`: where they exist, or where a phase reads as many examples as the split has. No number changes."""
    prefix_cache_gib: float = Field(default=20.0, gt=0, le=1e6)
    """Most space of these vectors in a store, in GiB; the least recently used ones are removed first. Those of a split
    take at most half of the disk's free space."""
    compile: Literal["auto", "off"] = "auto"
    """`auto` compiles the encoder's layers on GPUs up to ZeRO stage 2; `off` never does. Numbers agree within noise."""

    @field_validator("checkpoint_seconds", mode="before")
    @classmethod
    def _seconds_or_auto(cls, value: object) -> object:
        if value == "auto":
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_SECONDS:
            return value
        msg = f"{value!r} is neither `auto` nor a number of seconds above 0, at most 1e9; write one of them"
        raise ValueError(msg)

    @field_validator("tokens_per_micro_batch", mode="before")
    @classmethod
    def _tokens_or_auto(cls, value: object) -> object:
        return tokens_or_auto(value)

    @field_validator("deepspeed")
    @classmethod
    def _only_allowed_settings(cls, settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if problem := settings_problem(settings):
            raise ValueError(problem)
        return settings

    @property
    def arithmetic(self) -> Precision:
        """Type of the arithmetic; float32 where `precision` is `auto` and nothing has settled it."""
        return "float32" if self.precision == "auto" else self.precision

    @property
    def scoring(self) -> Precision:
        """Type of the arithmetic of evaluations; float32 where nothing has settled it."""
        return "float32" if self.evaluation_precision == "auto" else self.evaluation_precision

    @property
    def pass_tokens(self) -> int:
        """Tokens of a pass; 4,096 where `tokens_per_micro_batch` is `auto` and nothing has settled it."""
        return UNSETTLED_PASS_TOKENS if self.tokens_per_micro_batch == "auto" else self.tokens_per_micro_batch

    @property
    def stage(self) -> ZeroStage:
        """ZeRO stage; the least that `offload` needs where `zero_stage` is `auto` and nothing has settled it."""
        return _LEAST_STAGE[self.offload] if self.zero_stage == "auto" else self.zero_stage

    @property
    def offloaded(self) -> Offload:
        """What is kept in CPU memory; nothing where `offload` is `auto` and nothing has settled it."""
        return "none" if self.offload == "auto" else self.offload

    def deciding(self) -> EngineConfig:
        """Return the settings that can change a trial's results; all others have their defaults."""
        return EngineConfig(
            precision=self.arithmetic,
            evaluation_precision=self.scoring,
            stored_weights=self.stored_weights,
            reduction=self.reduction,
            deepspeed=decisive(self.deepspeed),
        )


class TrialConfig(FrozenModel):
    """A trial. All fields decide its results and enter its stages' keys, except most of `engine`."""

    encoder: EncoderConfig = EncoderConfig()
    """Pretrained encoder that training starts from."""
    pretraining: PhaseConfig | None = None
    """Masked-LM phase before the intermediate phase, or None."""
    intermediate: PhaseConfig | None = None
    """Intermediate phase, or None for the baseline (family `none`)."""
    target: PhaseConfig = PhaseConfig(mixture={"mnli": 1.0}, epochs=2)
    """Target phase: English NLI training by default (Phang et al. 2020: MNLI, 2 epochs)."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Zero-shot evaluation: the sweep's objective."""
    further: dict[str, FurtherTarget] = Field(default_factory=dict[str, FurtherTarget])
    """Evaluation task -> its target, trained from the same intermediate encoder. A list of evaluation tasks, `xtreme`
    or `xtreme_r` takes the settings of the literature. Vision towers `intermediate` are replaced by those they name."""
    engine: EngineConfig = EngineConfig()
    """Settings that run the training."""

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
        for name, target in further.items():
            if target.evaluation.task != name:
                rule = f"entry {name!r} is scored on {target.evaluation.task!r}, but must have the name of its task"
                msg = f"{rule}; rename the entry"
                raise ValueError(msg)
            if evaluation and evaluation.task == name:
                msg = f"the trial is already scored on {name!r} (`evaluation`); remove one of the two"
                raise ValueError(msg)
        intermediate = info.data.get("intermediate")
        return {name: with_tower(target, intermediate=intermediate) for name, target in further.items()}

    @field_validator("pretraining", "intermediate", "target")
    @classmethod
    def _names_its_own_tower(cls, phase: PhaseConfig | None) -> PhaseConfig | None:
        if phase is not None and phase.vision is not None and phase.vision.tower == INTERMEDIATE_TOWER:
            msg = "vision.tower is 'intermediate', which only phases of further targets can name; name a tower"
            raise ValueError(msg)
        return phase
