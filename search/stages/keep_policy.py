"""Decides which stages of a sweep with `keep:` are removed, and what has room. Pure: driver and forecast use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # Any: JSON is untyped

from spaces.keep import KeepConfig
from trainables.config import EvaluationConfig
from trainables.models.families.adapted_matrices import adapter_bytes
from trainables.models.families.frozen_weights import frozen_share
from trainables.plan.stage_plan import Stage

STATE_COPIES = 3
"""Size of a trunk in multiples of the encoder's weights: the weights and the two moments of AdamW."""

SHARED_PHASES = frozenset({"pretraining", "intermediate"})
"""Phases whose stages many trials share; a target stage is usually one trial's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removable:
    """A complete stage that nothing needs: no trial that can still run, and none of the best."""

    key: str
    phase: str
    num_bytes: int
    seconds: float
    """How long it takes to make again."""
    is_input: bool = False
    """Whether it is a trunk, which no trial extends any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSizes:
    """The expected sizes of stages, before they are made."""

    weight_bytes: int
    """Size of the encoder's weights."""
    encoder: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Content of the encoder's config.json; stages of adapters and of frozen parts need it."""

    def of(self, stage: Stage) -> int:
        """Return the expected size of a stage in the store, shared tensors included; 0 for an evaluation."""
        work = stage.work
        if isinstance(work, EvaluationConfig):
            return 0
        states = STATE_COPIES if stage.is_trunk else 0
        copies = states + (not stage.is_trunk or stage.stop_share is not None)
        return copies * (self.weight_bytes if work.adapter is None else adapter_bytes(self.encoder, work.adapter))

    def shared_of(self, stage: Stage) -> int:
        """Return the part of this size that the stage shares with others, because its phase freezes it."""
        work = stage.work
        has_encoder = not stage.is_trunk or stage.stop_share is not None
        if isinstance(work, EvaluationConfig) or not (has_encoder and work.freeze_embeddings and self.encoder):
            return 0
        return int(self.weight_bytes * frozen_share(self.encoder, num_layers=work.freeze_layers))


def removals(found: Iterable[Removable], *, keep: KeepConfig, excess: int | None) -> list[Removable]:
    """Return what to remove, in order.

    Stages of phases that need not stay go at once. Others go while the store has too much: target stages first, then
    those that are fast to make again for their size.

    Args:
        found: What could be removed.
        keep: The sweep's `keep`.
        excess: Bytes that have to go; None if there is no limit.
    """
    ordered = sorted(found, key=_rank)
    at_once = [stage for stage in ordered if stage.is_input or stage.phase not in keep.phases]
    left = (excess or 0) - sum(stage.num_bytes for stage in at_once)
    for stage in ordered:
        if left <= 0:
            break
        if stage not in at_once:
            at_once.append(stage)
            left -= stage.num_bytes
    return at_once


def least_removals(found: Iterable[Removable], *, excess: int) -> list[Removable]:
    """Return what to remove to get rid of an excess of bytes, in the order of `removals`, and no more than that."""
    gone: list[Removable] = []
    for stage in sorted(found, key=_rank):
        if excess <= 0:
            break
        gone.append(stage)
        excess -= stage.num_bytes
    return gone


def _rank(stage: Removable) -> tuple[bool, float, str]:
    return (stage.phase in SHARED_PHASES, stage.seconds / max(1, stage.num_bytes), stage.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What the trials that wait would take in the store."""

    largest_bytes: int = 0
    """Size of all stages that one of them has to make: the most of any."""
    lasting_bytes: int = 0
    """Size of those of its stages that stay if it is one of the best: the most of any."""


def waiting_of(trials: Iterable[Sequence[Stage]], *, size: Callable[[Stage], int]) -> Waiting:
    """Return what waiting trials would take.

    Args:
        trials: The stages that each of them has to make.
        size: Returns the size of a stage.
    """
    known = list(trials)
    return Waiting(
        largest_bytes=max((sum(map(size, stages)) for stages in known), default=0),
        lasting_bytes=max((sum(size(one) for one in stages if not one.is_trunk) for stages in known), default=0),
    )


def makes_shared(missing: Sequence[Stage]) -> bool:
    """Return whether a trial makes stages that stay for others that wait."""
    return any(stage.phase in SHARED_PHASES for stage in missing)


def headroom(missing: Sequence[Stage], *, keep: KeepConfig, best_bytes: int, waiting: Waiting) -> int:
    """Return the bytes that have to stay free, beside a trial's own stages, when the trial starts.

    What a trial makes for others stays when it has ended. So a trial that makes shared stages must leave room for the
    best trials to come, and for the largest trial that waits: otherwise the store could become so full of stages that
    are needed later that no trial has room.

    Args:
        missing: The stages that the trial makes.
        keep: The sweep's `keep`.
        best_bytes: Size of the stages of the best trials so far.
        waiting: What the waiting trials would take.
    """
    if not makes_shared(missing):
        return 0
    return max(0, keep.best * waiting.lasting_bytes - best_bytes) + waiting.largest_bytes
