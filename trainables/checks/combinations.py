"""Checks that merges, averages and adapters stand in phases that can have them. Pure."""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.errors import ConfigError
from trainables.plan.provenance import phases_of


def check_combinations(config: TrialConfig) -> None:
    """Check that only the intermediate phase is merged, only targets are averaged, and pretraining has no adapter.

    Args:
        config: The trial.

    Raises:
        ConfigError: One is in another phase; `field` is the field of the trial.
    """
    for place, work in phases_of(config).items():
        if work.merge is not None and place != "intermediate":
            rule = "is allowed only in the intermediate phase, whose encoders can be merged"
            raise ConfigError(f"{place}.merge", f"{rule}; remove it here")
        if work.average is not None and place in {"pretraining", "intermediate"}:
            rule = "is allowed only in a target phase, whose runs share a head"
            raise ConfigError(f"{place}.average", f"{rule}; remove it here, or merge intermediate encoders")
        if work.adapter is not None and place == "pretraining":
            rule = "is allowed only in the intermediate phase and in target phases"
            raise ConfigError(f"{place}.adapter", f"{rule}; remove it here, so that pretraining trains all weights")
