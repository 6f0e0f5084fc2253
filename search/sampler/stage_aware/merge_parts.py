"""Counts the optimiser steps of a merge's parts that no earlier trial has trained: all that a merge itself costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from search.sampler.contract import PastTrial
from search.sampler.stage_aware.costs import num_steps
from search.sampler.stage_aware.labels import text_of
from spaces.space.binder import bind
from spaces.space.tree import Assignment, Space, every_parameter, every_setting
from trainables.config import TrialConfig, content_key
from trainables.plan.combination import parts_of
from trainables.tasks.registry import task

_MERGE = "intermediate.merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeParts:
    """The intermediate encoders of one space's trials, as possible parts of merges.

    Args:
        space: The space.
    """

    space: Space
    _has_merges: bool = field(init=False, repr=False, compare=False)
    _known: dict[str, Mapping[str, int]] = field(
        default_factory=dict[str, Mapping[str, int]], repr=False, compare=False
    )

    def __post_init__(self) -> None:
        named = (*every_parameter(self.space.root), *every_setting(self.space.root))
        object.__setattr__(self, "_has_merges", any(one.field.startswith(_MERGE) for one in named))

    def trained(self, trials: Iterable[PastTrial]) -> frozenset[str]:
        """Return keys of the intermediate encoders that trials train; empty in a space without merges."""
        if not self._has_merges:
            return frozenset()
        for one in trials:
            text = text_of(one.assignment)
            if text not in self._known:
                self._known[text] = _encoders(bind(self.space, one.assignment))
        return frozenset(key for one in trials for key in self._known[text_of(one.assignment)])

    def new_steps(self, assignment: Assignment, *, trained: frozenset[str]) -> float:
        """Return the steps of the parts of a configuration's merge that are not trained; 0 without a merge.

        Args:
            assignment: The configuration.
            trained: What `trained` returned.

        Raises:
            ConfigError: The assignment is not in the space.
        """
        if not self._has_merges:
            return 0.0
        config = bind(self.space, assignment)
        if config.intermediate is None or config.intermediate.merge is None:
            return 0.0
        return float(sum(steps for key, steps in _encoders(config).items() if key not in trained))


def _encoders(config: TrialConfig) -> Mapping[str, int]:
    """Return key -> steps of each intermediate encoder that a trial trains.

    Keys are equal where the keys of stages are, but computing them needs no data and no weights.
    """
    work = config.intermediate
    if work is None:
        return {}
    before = [one and one.model_dump(mode="json") for one in (config.encoder, config.pretraining)]
    parts = parts_of(work, specs={name: task(name) for name in work.mixture})
    return {content_key([*before, part.model_dump(mode="json")]): num_steps(part) for part in parts}
