"""The user's own settings for DeepSpeed: which are taken, which are ours, and which change numbers. Pure.

Names are those of deepspeed 0.19.8, which ignores a name that it does not know outside of `zero_optimization`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from trainables.errors import near_matches

Settings = dict[str, JsonValue]
"""DeepSpeed's configuration, or a part of it."""

ZERO = "zero_optimization"

OWNED: Mapping[str, str] = {
    "train_batch_size": "set batch_size of the phase",
    "train_micro_batch_size_per_gpu": "set engine.tokens_per_micro_batch",
    "gradient_accumulation_steps": "set engine.tokens_per_micro_batch, from which it follows",
    "managed_gradient_accumulation": "set engine.tokens_per_micro_batch; each optimiser step accumulates what it needs",
    "gradient_clipping": "set max_gradient_norm of the phase",
    "gradient_allreduce_op": "set engine.reduction; a step's gradient is a mean over its examples",
    "optimizer": "set learning_rate, weight_decay, adam_beta2 and adam_epsilon of the phase",
    "zero_allow_untested_optimizer": "leave it out; the optimiser is torch's AdamW",
    "zero_force_ds_cpu_optimizer": "leave it out; the optimiser is torch's AdamW",
    "scheduler": "set schedule of the phase",
    "fp16": "set engine.precision",
    "bf16": "set engine.precision",
    "amp": "set engine.precision",
    "torch_autocast": "set engine.precision, and engine.reduction for what gradients are summed in",
    "data_types": "set engine.precision",
    f"{ZERO}.stage": "set engine.zero_stage",
    f"{ZERO}.offload_optimizer.device": "set engine.offload",
    f"{ZERO}.offload_param.device": "set engine.offload",
    f"{ZERO}.cpu_offload": "set engine.offload",
    f"{ZERO}.cpu_offload_param": "set engine.offload",
    f"{ZERO}.cpu_offload_use_pin_memory": f"set engine.offload, and {ZERO}.offload_optimizer.pin_memory",
    "checkpoint": "set engine.checkpoint_seconds; checkpoints are xstilts' own",
}
"""Setting that is ours -> what to do instead."""

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
"""Settings of parts of DeepSpeed that nothing here runs: they would have no effect."""

_SAID = "what is logged, measured or written about a step"
_SPREAD = "how tensors are cut, sent and kept; sums agree as they do between numbers of ranks"
_MEMORY = "where tensors are kept"

HARMLESS: Mapping[str, str] = {
    "comet": _SAID,
    "comms_logger": _SAID,
    "csv_monitor": _SAID,
    "dump_state": _SAID,
    "flops_profiler": _SAID,
    "log_level": _SAID,
    "memory_breakdown": _SAID,
    "steps_per_print": _SAID,
    "tensorboard": _SAID,
    "timers": _SAID,
    "wall_clock_breakdown": _SAID,
    "wandb": _SAID,
    "activation_checkpointing": "activations are recomputed, or kept elsewhere, and are the same",
    "disable_python_gc": "when Python looks for unused objects",
    f"{ZERO}.offload_optimizer": _MEMORY,
    f"{ZERO}.offload_param": _MEMORY,
    f"{ZERO}.enable_sanity_checks": _SAID,
    f"{ZERO}.log_trace_cache_warnings": _SAID,
    f"{ZERO}.allgather_bucket_size": _SPREAD,
    f"{ZERO}.allgather_partitions": _SPREAD,
    f"{ZERO}.contiguous_gradients": _SPREAD,
    f"{ZERO}.overlap_comm": _SPREAD,
    f"{ZERO}.reduce_bucket_size": _SPREAD,
    f"{ZERO}.reduce_scatter": _SPREAD,
    f"{ZERO}.round_robin_gradients": _SPREAD,
    f"{ZERO}.sub_group_size": _SPREAD,
    f"{ZERO}.use_multi_rank_bucket_allreduce": _SPREAD,
    f"{ZERO}.zero_hpz_partition_size": _SPREAD,
    **{
        f"{ZERO}.{prefix}{name}": _SPREAD
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
"""Setting that leaves the numbers as they are, within tolerance -> why. All others are in a stage's key."""

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
"""Settings that are taken and are in a stage's key: they change numbers, or are not known not to."""


def complaint(settings: Settings) -> str | None:
    """Return what is wrong with the names of a user's settings, or None. Values are for DeepSpeed to check."""
    for path, value in _walk(settings):
        if path in OWNED:
            return f"{path!r} is set by xstilts, here to {value!r} by you; {OWNED[path]}"
        if path in UNUSED:
            return f"{path!r} would have no effect, for xstilts does not use that part of DeepSpeed; leave it out"
        if path == ZERO and not isinstance(value, dict):
            return f"{path!r} is {value!r}; give a mapping of its settings"
        if path not in HARMLESS and path not in DECISIVE and path != ZERO:
            name, known = path.rpartition(".")[2], _known_beside(path)
            return f"DeepSpeed has no setting {path!r}{near_matches(name, known)}; correct it or leave it out"
    return None


def decisive(settings: Settings) -> Settings:
    """Return those of a user's settings that may change what is trained."""
    kept: Settings = {name: value for name, value in settings.items() if name not in HARMLESS and name != ZERO}
    zero = settings.get(ZERO)
    if isinstance(zero, dict) and (of_zero := {n: one for n, one in zero.items() if f"{ZERO}.{n}" not in HARMLESS}):
        kept[ZERO] = of_zero
    return kept


def merged(settings: Settings, *, ours: Settings) -> Settings:
    """Return the settings with ours over them, mapping by mapping."""
    both = dict(settings)
    for name, value in ours.items():
        below = both.get(name)
        both[name] = merged(below, ours=value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _walk(settings: Settings) -> Iterator[tuple[str, JsonValue]]:
    """Yield dotted path -> value, as deep as names are known here: what is ours may lie below what is taken."""
    for name, value in settings.items():
        if name != ZERO or not isinstance(value, dict):
            yield name, value
            continue
        for inner, part in value.items():
            path = f"{ZERO}.{inner}"
            if isinstance(part, dict):
                yield from ((f"{path}.{key}", one) for key, one in part.items() if f"{path}.{key}" in OWNED)
            yield path, part


def _known_beside(path: str) -> list[str]:
    prefix = f"{ZERO}." if path.startswith(f"{ZERO}.") else ""
    names = [*OWNED, *UNUSED, *HARMLESS, *DECISIVE, ZERO]
    return sorted(
        {name.removeprefix(prefix) for name in names if name.startswith(prefix) and "." not in name[len(prefix) :]}
    )
