"""The user's own DeepSpeed settings: which are allowed, which xstilts sets, and which change results. Pure.

Names are those of deepspeed 0.19.8. Outside `zero_optimization`, DeepSpeed ignores names that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from trainables.errors import near_matches

Settings = dict[str, JsonValue]
"""DeepSpeed's configuration, or a part of it."""

ZERO = "zero_optimization"

BUCKET_ELEMENTS = 50_000_000
"""Gradients that are summed together on GPUs from ZeRO 1. DeepSpeed's own half a billion is more than most
encoders have: everything would be sent at the end, from buffers of 2 GB each."""

OWNED: Mapping[str, str] = {
    "train_batch_size": "set batch_size of the phase",
    "train_micro_batch_size_per_gpu": "set engine.tokens_per_micro_batch",
    "gradient_accumulation_steps": "set engine.tokens_per_micro_batch, which decides it",
    "managed_gradient_accumulation": "set engine.tokens_per_micro_batch; each optimiser step accumulates what it needs",
    "gradient_clipping": "set max_gradient_norm of the phase",
    "gradient_allreduce_op": "set engine.reduction; a step's gradient is a mean over its examples",
    "optimizer": "set learning_rate, weight_decay, adam_beta2 and adam_epsilon of the phase",
    "zero_allow_untested_optimizer": "remove it: the optimiser is always torch's AdamW",
    "zero_force_ds_cpu_optimizer": "remove it: the optimiser is always torch's AdamW",
    "scheduler": "set schedule of the phase",
    "fp16": "set engine.precision",
    "bf16": "set engine.precision",
    "amp": "set engine.precision",
    "torch_autocast": "set engine.precision, and engine.reduction for the type that gradients are summed in",
    "data_types": "set engine.precision",
    f"{ZERO}.stage": "set engine.zero_stage",
    f"{ZERO}.offload_optimizer.device": "set engine.offload",
    f"{ZERO}.offload_param.device": "set engine.offload",
    f"{ZERO}.cpu_offload": "set engine.offload",
    f"{ZERO}.cpu_offload_param": "set engine.offload",
    f"{ZERO}.cpu_offload_use_pin_memory": f"set engine.offload, and {ZERO}.offload_optimizer.pin_memory",
    "checkpoint": "set engine.checkpoint_seconds: xstilts writes its own checkpoints",
}
"""Setting that xstilts sets -> what the user does instead."""

UNUSED: frozenset[str] = frozenset(
    {
        "aio",
        "autotuning",
        "compile",
        "data_efficiency",
        "dataloader_drop_last",
        "datastates_ckpt",
        "expert_parallel",
        "hybrid_engine",
        "inference",
        "pipeline",
        "seq_parallel_communication_data_type",
        "sequence_parallel_size",
        "tensor_parallel",
        "use_data_before_expert_parallelism",
        "vocabulary_size",
        "weight_quantization",
        f"{ZERO}.elastic_checkpoint",
        f"{ZERO}.gather_16bit_weights_on_model_save",
        f"{ZERO}.load_from_fp32_weights",
        f"{ZERO}.pipeline_loading_checkpoint",
        f"{ZERO}.save_muon_momentum_buffer_in_memory",
        f"{ZERO}.stage3_gather_16bit_weights_on_model_save",
        f"{ZERO}.stage3_gather_fp16_weights_on_model_save",
    }
)
"""Settings of parts of DeepSpeed that xstilts does not use: they would have no effect."""

_LOGGING = "what is logged, measured or written about a step"
_SHARDING = "how tensors are split, sent and stored; sums then differ no more than between different numbers of ranks"
_MEMORY = "where tensors are stored"

HARMLESS: Mapping[str, str] = {
    "comet": _LOGGING,
    "comms_logger": _LOGGING,
    "csv_monitor": _LOGGING,
    "dump_state": _LOGGING,
    "flops_profiler": _LOGGING,
    "log_level": _LOGGING,
    "memory_breakdown": _LOGGING,
    "steps_per_print": _LOGGING,
    "tensorboard": _LOGGING,
    "timers": _LOGGING,
    "wall_clock_breakdown": _LOGGING,
    "wandb": _LOGGING,
    "activation_checkpointing": "activations are recomputed or stored elsewhere, with the same values",
    "disable_python_gc": "when Python looks for unused objects",
    f"{ZERO}.offload_optimizer": _MEMORY,
    f"{ZERO}.offload_param": _MEMORY,
    f"{ZERO}.enable_sanity_checks": _LOGGING,
    f"{ZERO}.log_trace_cache_warnings": _LOGGING,
    f"{ZERO}.allgather_bucket_size": _SHARDING,
    f"{ZERO}.allgather_partitions": _SHARDING,
    f"{ZERO}.contiguous_gradients": _SHARDING,
    f"{ZERO}.overlap_comm": _SHARDING,
    f"{ZERO}.reduce_bucket_size": _SHARDING,
    f"{ZERO}.reduce_scatter": _SHARDING,
    f"{ZERO}.round_robin_gradients": _SHARDING,
    f"{ZERO}.sub_group_size": _SHARDING,
    f"{ZERO}.use_multi_rank_bucket_allreduce": _SHARDING,
    f"{ZERO}.zero_hpz_partition_size": _SHARDING,
    **{
        f"{ZERO}.{prefix}{name}": _SHARDING
        for prefix in ("", "stage3_")
        for name in (
            "allgather_sequential",
            "max_live_parameters",
            "max_reuse_distance",
            "model_persistence_threshold",
            "module_granularity_threshold",
            "param_persistence_threshold",
            "prefetch_bucket_size",
            "use_all_reduce_for_fetch_params",
        )
    },
}
"""Setting that does not change results beyond tolerance -> why. All other settings are part of a stage's key."""

DECISIVE: frozenset[str] = frozenset(
    {
        "communication_data_type",
        "disable_allgather",
        "gradient_predivide_factor",
        "prescale_gradients",
        f"{ZERO}.compute_grad_norm",
        f"{ZERO}.ignore_unused_parameters",
        f"{ZERO}.leaf_module",
        f"{ZERO}.legacy_stage1",
        f"{ZERO}.memory_efficient_linear",
        f"{ZERO}.override_module_apply",
        f"{ZERO}.parameter_alignment",
        f"{ZERO}.zenflow",
        f"{ZERO}.zero_quantized_gradients",
        f"{ZERO}.zero_quantized_nontrainable_weights",
        f"{ZERO}.zero_quantized_weights",
    }
)
"""Settings that are allowed and are part of a stage's key: they change results, or it is not known that they do not."""


def settings_problem(settings: Settings) -> str | None:
    """Return what is wrong with the names of a user's settings, or None. DeepSpeed itself checks the values."""
    for path, value in _walk(settings):
        if path in OWNED:
            return f"{path!r} is {value!r}, but only xstilts sets it; {OWNED[path]}"
        if path in UNUSED:
            return f"{path!r} would have no effect: xstilts does not use this part of DeepSpeed; remove it"
        if path == ZERO and not isinstance(value, dict):
            return f"{path!r} is {value!r}, but must be a mapping of settings; write a mapping"
        if path not in HARMLESS and path not in DECISIVE and path != ZERO:
            name, known = path.rpartition(".")[2], _known_siblings(path)
            return f"DeepSpeed has no setting {path!r}{near_matches(name, known)}; correct or remove it"
    return None


def decisive(settings: Settings) -> Settings:
    """Return those of a user's settings that can change the result of training."""
    kept: Settings = {name: value for name, value in settings.items() if name not in HARMLESS and name != ZERO}
    zero = settings.get(ZERO)
    if isinstance(zero, dict) and (of_zero := {n: value for n, value in zero.items() if f"{ZERO}.{n}" not in HARMLESS}):
        kept[ZERO] = of_zero
    return kept


def merged(settings: Settings, *, ours: Settings) -> Settings:
    """Return settings merged with `ours`, mapping by mapping; `ours` replaces values that both have."""
    both = dict(settings)
    for name, value in ours.items():
        below = both.get(name)
        both[name] = merged(below, ours=value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _walk(settings: Settings) -> Iterator[tuple[str, JsonValue]]:
    """Yield dotted path -> value of every setting that can be judged by name.

    A setting that xstilts sets can be inside a mapping that is allowed, so such settings are yielded too.
    """
    for name, value in settings.items():
        if name != ZERO or not isinstance(value, dict):
            yield name, value
            continue
        for inner, part in value.items():
            path = f"{ZERO}.{inner}"
            if isinstance(part, dict):
                yield from ((f"{path}.{key}", nested) for key, nested in part.items() if f"{path}.{key}" in OWNED)
            yield path, part


def _known_siblings(path: str) -> list[str]:
    prefix = f"{ZERO}." if path.startswith(f"{ZERO}.") else ""
    names = [*OWNED, *UNUSED, *HARMLESS, *DECISIVE, ZERO]
    return sorted(
        {name.removeprefix(prefix) for name in names if name.startswith(prefix) and "." not in name[len(prefix) :]}
    )
