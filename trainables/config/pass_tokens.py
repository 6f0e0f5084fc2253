"""The tokens of one pass, as users write them. Pure."""

from __future__ import annotations

UNSETTLED_PASS_TOKENS = 4096
"""Tokens of a pass where `tokens_per_micro_batch` is `auto` and nothing has settled it: the CPU's."""

_LEAST, _MOST = 64, 2**31 - 1


def tokens_or_auto(value: object) -> object:
    """Return `auto` or a number of tokens as it is.

    Raises:
        ValueError: It is neither, or out of range.
    """
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and _LEAST <= value <= _MOST):
        return value
    msg = f"{value!r} is neither `auto` nor a whole number from {_LEAST} to {_MOST}; write one of them"
    raise ValueError(msg)
