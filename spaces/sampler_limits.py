"""What a sampler cannot search: refused before it hangs a machine."""

from __future__ import annotations

from spaces.parameters import IntParameter
from spaces.tree import Space, every_parameter
from trainables.errors import ConfigError

MOST_WHOLE_NUMBERS = 100_000
"""Values of a range of whole numbers that Optuna's GP may have: it makes a list of them all for each proposal."""


def check_sampler_limits(sampler: str, *, space: Space) -> None:
    """Return when a sampler can search a space.

    Raises:
        ConfigError: Its GP would list more whole numbers than there is memory, or time, for.
    """
    if sampler != "gp":
        return
    for parameter in every_parameter(space.root):
        if isinstance(parameter, IntParameter) and parameter.high - parameter.low >= MOST_WHOLE_NUMBERS:
            rule = f"sampler 'gp' lists them all for each proposal, at most {MOST_WHOLE_NUMBERS:,}"
            remedy = "narrow the range, list some as a choice, or take sampler tpe"
            raise ConfigError(
                parameter.origin, f"{parameter.high - parameter.low + 1:,} whole numbers, and {rule}; {remedy}"
            )
