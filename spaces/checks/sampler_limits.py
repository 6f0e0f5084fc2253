"""Refuses spaces that a sampler cannot search in reasonable time and memory."""

from __future__ import annotations

from spaces.space.parameters import IntParameter
from spaces.space.tree import Space, every_parameter
from trainables.errors import ConfigError

MOST_WHOLE_NUMBERS = 100_000
"""Largest number of values of a range of whole numbers for Optuna's GP: it lists all of them for each proposal."""


def check_sampler_limits(sampler: str, *, space: Space) -> None:
    """Check that a sampler can search a space.

    Raises:
        ConfigError: The GP would list more whole numbers than memory or time allow.
    """
    if sampler != "gp":
        return
    for parameter in every_parameter(space.root):
        if isinstance(parameter, IntParameter) and parameter.high - parameter.low >= MOST_WHOLE_NUMBERS:
            num = parameter.high - parameter.low + 1
            rule = f"sampler 'gp' lists all of them for each proposal, and the limit is {MOST_WHOLE_NUMBERS:,}"
            step = "narrow the range, list some values as a choice, or use sampler tpe"
            raise ConfigError(parameter.origin, f"the range has {num:,} whole numbers; {rule}; {step}")
