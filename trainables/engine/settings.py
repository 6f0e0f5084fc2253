"""DeepSpeed's settings for one phase, as its JSON configuration."""

from __future__ import annotations

import os
from typing import Any  # DeepSpeed's configuration is free-form JSON, and its models carry no types

from pydantic import ValidationError

from trainables.config import EngineConfig
from trainables.config.deepspeed_settings import BUCKET_ELEMENTS, ZERO, Settings, merged
from trainables.engine.deepspeed_import import import_deepspeed
from trainables.errors import near_matches

RECOMPUTING = "activation_checkpointing"
"""DeepSpeed's setting for recomputed activations, used with `gradient_checkpointing`."""

_SHARDS_GRADIENTS = 2
"""The ZeRO stage from which a rank holds only a part of the gradients."""


def deepspeed_settings(
    config: EngineConfig, *, num_ranks: int, max_gradient_norm: float | None, on_cuda: bool = False
) -> dict[str, Any]:
    """Return DeepSpeed's configuration: user settings override our defaults, and other engine fields override both.

    The number of micro-batches differs from step to step (length bucketing), so gradient accumulation is unmanaged:
    each `backward` accumulates and each `step` is a boundary. The batch sizes below are therefore only nominal.

    Args:
        config: Settings of the engine.
        num_ranks: Size of the group.
        max_gradient_norm: Bound on the gradient's norm, or None.
        on_cuda: Whether ranks compute on GPUs.
    """
    ours: Settings = {
        "train_batch_size": num_ranks,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": max_gradient_norm or 0.0,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "torch_autocast": {"enabled": config.arithmetic == "bfloat16", "dtype": "bfloat16"},
        ZERO: _zero_settings(config),
    }
    users = merged(_defaults(config, on_cuda=on_cuda), ours=config.deepspeed)
    return merged(users, ours=merged(ours, ours=_sums(config)))


def refusal(config: EngineConfig) -> str | None:
    """Return the first error of DeepSpeed's own models for a user's settings, or None. It imports DeepSpeed."""
    os.environ.setdefault("DS_ACCELERATOR_LOG_LEVEL", "ERROR")  # otherwise it logs the device that it found
    import_deepspeed()
    from deepspeed.runtime.config import DeepSpeedConfig, DeepSpeedConfigError

    try:
        DeepSpeedConfig(deepspeed_settings(config, num_ranks=1, max_gradient_norm=None))
    except ValidationError as error:
        return _first_error(error)
    except (DeepSpeedConfigError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        return f"{str(error) or type(error).__name__}".splitlines()[0]
    return None


def _defaults(config: EngineConfig, *, on_cuda: bool) -> Settings:
    """Return the defaults that a user can override: how gradients are sent."""
    zero: Settings = {}
    if on_cuda and config.stage:
        zero = {"reduce_bucket_size": BUCKET_ELEMENTS}
    if on_cuda and config.stage == _SHARDS_GRADIENTS:
        # At stage 1 DeepSpeed refuses it with unmanaged accumulation; at stage 3 it is its own default.
        zero["overlap_comm"] = True
    return {"steps_per_print": None, ZERO: zero}


def _sums(config: EngineConfig) -> Settings:
    """Return the settings for the type in which gradients are summed over ranks, the same at all ZeRO stages.

    By default DeepSpeed sums in float32 at stage 0, and from stage 1 those of linear layers in bfloat16, which is also
    what it then gathers their weights in at stage 3 (its pull request 6993; docs/decisions/0023).
    """
    if config.arithmetic != "bfloat16":
        return {}
    if config.reduction == "float32":
        return {"torch_autocast": {"lower_precision_safe_modules": []}}
    return {} if config.stage else {"communication_data_type": "bf16"}


def _zero_settings(config: EngineConfig) -> Settings:
    zero: Settings = {"stage": config.stage}
    if config.stage == 0:
        zero["overlap_comm"] = False  # this part has no effect at stage 0, and DeepSpeed rejects `overlap_comm` there
    if config.offloaded != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if config.offloaded == "all":
        zero["offload_param"] = {"device": "cpu"}
    return zero


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"it has no setting {path!r} there{near_matches(str(first['loc'][-1]), _known_fields())}"
    return f"{path!r} is {first['input']!r}: {first['msg']}"


def _known_fields() -> set[str]:
    """Return the names of all settings of DeepSpeed's models."""
    from deepspeed.runtime.config_utils import DeepSpeedConfigModel

    return {name for model in DeepSpeedConfigModel.__subclasses__() for name in model.model_fields}
