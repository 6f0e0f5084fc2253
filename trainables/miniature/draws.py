"""The one source of randomness in the miniature."""

from random import Random


def seeded(name: str) -> Random:
    """A generator of its own for this name: the same draws in every process, whatever PYTHONHASHSEED is."""
    return Random(name)  # noqa: S311 - rows, not secrets
