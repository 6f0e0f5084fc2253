"""Lists why groups of a comparison have no verdict, with each reason once."""

from __future__ import annotations

from collections.abc import Iterable

from search.compare.comparison_result import GroupComparison


def reasons(groups: Iterable[GroupComparison]) -> list[str]:
    """Return the reasons of the groups, each once. One sentence names all groups that share a reason."""
    names: dict[str, list[str]] = {}
    for group in groups:
        subject, has, rest = group.reason.partition(" has ")  # of the group, or of its baseline
        if group.reason:
            names.setdefault(rest if has else group.reason, []).append(subject if has else "")
    return [_sentence(list(dict.fromkeys(found)), rest=rest) for rest, found in names.items()]


def _sentence(names: list[str], *, rest: str) -> str:
    if names == [""]:
        return rest
    if len(names) == 1:
        return f"{names[0]} has {rest}"
    return f"{', '.join(names[:-1])} and {names[-1]} each have {rest}"
