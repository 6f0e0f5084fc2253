"""DeepSpeed's settings for one phase, as its JSON configuration."""

from __future__ import annotations

from typing import Any  # DeepSpeed's configuration is free-form JSON

from trainables.config import EngineConfig


def deepspeed_settings(config: EngineConfig, *, num_ranks: int, max_gradient_norm: float | None) -> dict[str, Any]:
    """Return DeepSpeed's configuration.

    The number of micro-batches differs from step to step (length bucketing), so gradient accumulation is unmanaged:
    each `backward` accumulates and each `step` is a boundary. The batch sizes below are therefore only nominal.
    """
    return {
        "train_batch_size": num_ranks,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": max_gradient_norm or 0.0,
        "steps_per_print": None,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "torch_autocast": {"enabled": config.precision == "bfloat16", "dtype": "bfloat16"},
        "zero_optimization": _zero_settings(config),
    }


def _zero_settings(config: EngineConfig) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": config.zero_stage}
    if config.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if config.offload == "all":
        zero["offload_param"] = {"device": "cpu"}
    return zero
