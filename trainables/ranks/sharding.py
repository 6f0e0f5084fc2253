"""Settles `engine.zero_stage: auto` and `engine.offload: auto`: the least sharding with which training fits. Pure.

The rule adds up what a rank holds (docs/how-to/deepspeed.md has it as a table). In both precisions a trained parameter
takes 16 bytes: 4 for the weight, 4 for its gradient and 8 for AdamW's moments. (DeepSpeed's usual mixed precision has
another split with the same sum: 2 + 2 + 12.) From stage 1, DeepSpeed keeps 4 more for a copy of the weight that its
optimizer owns. P parameters, T of them trained, N ranks:

    stage 0    4 P + 4 T + 8 T
    stage 1    4 P + 4 T + (4 + 8) T / N
    stage 2    4 P + (4 + 4 + 8) T / N
    stage 3    4 P / N + (4 + 4 + 8) T / N, and the weights that are gathered for the layers at work

`offload: optimizer` moves the copies and the moments to the host, `all` the weights too. To these come the buffers in
which gradients are summed, 16-bit copies of the layers' weights in bfloat16, the activations of a pass, and a reserve.
Stages are tried in order, because each sends more data than the one before it, and offloading costs most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trainables.config.deepspeed_settings import BUCKET_ELEMENTS
from trainables.config.trial import Offload, Precision, ZeroStage
from trainables.models.pretrained.encoder_size import EncoderSize

USED_SHARE, CONTEXT_BYTES = 0.9, 1e9
"""Share of a GPU's memory that the rule plans with, and bytes of CUDA's and NCCL's own state: the rest is a reserve
for fragments, heads and a vision tower."""

HOST_SHARE = 0.8
"""Share of a host's memory that offloaded parts may take."""

LEAST_TOKENS = 1024
"""Tokens of the pass for whose activations there must be room; smaller passes leave a GPU idle."""

_UNSHARDED_BUCKET = 500_000_000
"""The same at stage 0: a constant of DeepSpeed."""

_LIVE_ELEMENTS = 1_000_000_000
"""Weights that stage 3 has gathered at a time, at most: DeepSpeed's default of `stage3_max_live_parameters`."""

_KEPT_SCORES = 4
"""Numbers of a head for each pair of tokens that DeBERTa's and RemBERT's attention keeps: parts of the score, and the
probability before and after dropout."""

MOST_TOKENS = 65_536
"""Largest pass that is chosen; more tokens than that make no GPU faster."""

_SHARDS_OPTIMIZER, _SHARDS_GRADIENTS, _SHARDS_PARAMETERS = 1, 2, 3

_WAYS: tuple[tuple[ZeroStage, Offload], ...] = (
    (0, "none"),
    (1, "none"),
    (2, "none"),
    (3, "none"),
    (2, "optimizer"),
    (3, "optimizer"),
    (3, "all"),
)
"""Ways to shard, the fastest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What is trained, and how."""

    size: EncoderSize
    """Sizes of the encoder."""
    num_trained: int
    """Parameters that are trained."""
    precision: Precision
    """Type of the arithmetic."""
    max_length: int = 256
    """Longest text, in tokens."""
    recomputing: bool | Literal["auto"] = "auto"
    """`engine.gradient_checkpointing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The memory for a trial's ranks."""

    num_ranks: int
    """Ranks of a trial."""
    device_bytes: float
    """Memory of a rank: its GPU's, or its share of it."""
    host_bytes: float = 0.0
    """Memory of the host for each rank; 0 if it is not known: nothing is offloaded then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """A way to shard, and what a rank holds with it."""

    stage: ZeroStage
    """ZeRO stage."""
    offload: Offload
    """What is in the host's memory."""
    device_bytes: float
    """Bytes of a rank on its GPU, with the activations of the smallest pass."""
    host_bytes: float
    """Bytes of a rank in its host's memory."""
    recomputes: bool
    """Whether activations are recomputed in this count."""
    fits: bool
    """Whether the memory is large enough by the rule."""

    def in_words(self, room: Room) -> str:
        """Return the reason, for the user."""
        where = f"a rank needs {self.device_bytes / 1e9:.1f} of {room.device_bytes / 1e9:.0f} GB"
        if self.offload != "none":
            where += f" and {self.host_bytes / 1e9:.1f} GB of its host"
        if self.fits:
            return where
        return f"{where}: too little by the rule; raise engine.num_workers, or use larger GPUs"


def choose_sharding(model: TrainedModel, *, room: Room, offload: Offload | Literal["auto"] = "auto") -> Sharding:
    """Return the first way to shard with which a model fits; the last one, with `fits` false, if none does.

    Args:
        model: What is trained.
        room: The memory of its ranks.
        offload: The user's choice; `auto` offloads only if no stage fits without.
    """
    if offload != "auto":
        stages: tuple[ZeroStage, ...] = (
            (1, 2, 3) if offload == "optimizer" else (3,) if offload == "all" else (0, 1, 2, 3)
        )
        ways: Sequence[tuple[ZeroStage, Offload]] = [(stage, offload) for stage in stages]
    else:
        ways = [way for way in _WAYS if way[1] == "none" or room.host_bytes]
    last: Sharding | None = None
    for found in _in_order(model, ways=ways, room=room):
        if found.fits:
            return found
        last = found if last is None or found.device_bytes < last.device_bytes else last
    assert last is not None  # noqa: S101  (there is always a way)
    return last


def fastest_way(model: TrainedModel, *, stage: ZeroStage, offload: Offload, room: Room) -> Sharding:
    """Return what a rank holds with a stage that the user names; activations are recomputed only if they must be."""
    *_, last = found = list(_in_order(model, ways=[(stage, offload)], room=room))
    return next((way for way in found if way.fits), last)


def sharding(
    model: TrainedModel, *, stage: ZeroStage, offload: Offload = "none", room: Room, recomputes: bool = False
) -> Sharding:
    """Return what a rank holds with a stage.

    Args:
        model: What is trained.
        stage: The ZeRO stage.
        offload: What is in the host's memory.
        room: The memory of its ranks.
        recomputes: Whether activations are recomputed.
    """
    held, host = state_bytes(model, stage=stage, offload=offload, num_ranks=room.num_ranks)
    device = held + _passing_bytes(model, stage=stage, num_ranks=room.num_ranks)
    device += LEAST_TOKENS * activation_bytes(model, recomputes=recomputes) + _one_layer(model, recomputes=recomputes)
    fits = device + CONTEXT_BYTES <= USED_SHARE * room.device_bytes and host <= HOST_SHARE * room.host_bytes
    return Sharding(
        stage=stage, offload=offload, device_bytes=device, host_bytes=host, recomputes=recomputes, fits=fits
    )


def pass_tokens(model: TrainedModel, *, way: Sharding, room: Room) -> int:
    """Return the tokens of the largest pass that fits, a power of two from 1,024 to 65,536.

    Args:
        model: What is trained.
        way: How it is sharded.
        room: The memory of its ranks.
    """
    of_token = activation_bytes(model, recomputes=way.recomputes) + (_layer_bytes(model) if way.recomputes else 0.0)
    free = USED_SHARE * room.device_bytes - CONTEXT_BYTES - (way.device_bytes - LEAST_TOKENS * of_token)
    fitting = max(LEAST_TOKENS, min(MOST_TOKENS, int(free / of_token)))
    return 1 << (fitting.bit_length() - 1)


def state_bytes(
    model: TrainedModel, *, stage: ZeroStage, offload: Offload = "none", num_ranks: int
) -> tuple[float, float]:
    """Return the bytes that a rank holds between two passes on its device, and on its host.

    Args:
        model: What is trained.
        stage: The ZeRO stage.
        offload: What is in the host's memory.
        num_ranks: Ranks of a trial.
    """
    parameters, trained = model.size.num_parameters, model.num_trained
    weights = 4 * parameters / (num_ranks if stage >= _SHARDS_PARAMETERS else 1)
    gradients = 4 * trained / (num_ranks if stage >= _SHARDS_GRADIENTS else 1)
    moments = 12 * trained / num_ranks if stage >= _SHARDS_OPTIMIZER else 8 * trained
    if offload == "none":
        return weights + gradients + moments, 0.0
    on_host = 4 * trained / num_ranks + moments  # gradients are sent to the optimizer
    return (weights + gradients, on_host) if offload == "optimizer" else (gradients, on_host + weights)


def activation_bytes(model: TrainedModel, *, recomputes: bool) -> float:
    """Return the bytes of a token's activations between the forward and the backward pass.

    A layer of width D and inner width F keeps about 42 D + 2 b F bytes with elements of b bytes in its products, and D
    float32 numbers where it is recomputed (measured with `torch.autograd.graph.saved_tensors_hooks`; Korthikanti et al.
    2022, arXiv 2205.05198, count 34 D where all is 16-bit). Attention of a family's own keeps its scores as well.
    """
    layers = len(model.size.of_layers)
    return layers * (4 * model.size.hidden_size if recomputes else _layer_bytes(model))


def _layer_bytes(model: TrainedModel) -> float:
    element = 2 if model.precision == "bfloat16" else 4
    scores = _KEPT_SCORES * model.size.num_score_heads * model.max_length
    return 42 * model.size.hidden_size + element * (2 * model.size.feed_forward_size + scores)


def _one_layer(model: TrainedModel, *, recomputes: bool) -> float:
    return LEAST_TOKENS * _layer_bytes(model) if recomputes else 0.0


def _passing_bytes(model: TrainedModel, *, stage: ZeroStage, num_ranks: int) -> float:
    """Return the bytes of buffers and copies that live during a pass."""
    size = model.size
    is_half = model.precision == "bfloat16"
    if stage < _SHARDS_PARAMETERS:
        copies = 2 * sum(size.of_layers) if is_half else 0
        if stage == 0:
            return copies + (4 * min(model.num_trained, _UNSHARDED_BUCKET) if num_ranks > 1 else 0)
        return copies + 4 * BUCKET_ELEMENTS * (2 if stage == _SHARDS_GRADIENTS else 1)
    gathered = min(size.num_parameters, _LIVE_ELEMENTS)
    return gathered * (6 if is_half else 4) + 4 * size.largest_tensor + 4 * BUCKET_ELEMENTS


def _in_order(model: TrainedModel, *, ways: Sequence[tuple[ZeroStage, Offload]], room: Room) -> Iterator[Sharding]:
    """Yield the ways in the order in which they are preferred: recomputing costs less than offloading."""
    chosen = model.recomputing
    kinds = (False, True) if chosen == "auto" else (chosen,)
    for offloads in (False, True):
        for recomputes in kinds:
            for stage, offload in ways:
                if (offload != "none") == offloads:
                    yield sharding(model, stage=stage, offload=offload, room=room, recomputes=recomputes)
