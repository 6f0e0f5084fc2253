"""The only source of random numbers in the miniature."""

from random import Random


def seeded(name: str) -> Random:
    """Return a random generator for this name: the same in every process, whatever PYTHONHASHSEED is."""
    return Random(name)  # noqa: S311 - rows, not secrets
