"""Reads the code blocks of a page, so that tests can apply and run them.

"Write `file`:" before a code block makes a file; "In `file`:" before a diff changes one; a console block has commands,
each with the lines that it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?P<before>[^\n]*\n(?:[^\n]+\n)?)\n```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_PLACE = re.compile(r"\b(?P<verb>Write|In)\s+`(?P<file>[\w./-]+)`:\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One code block of a page."""

    language: str
    body: str
    file: str | None
    """What the sentence before it names."""


def steps(page: Path) -> list[Step]:
    """Return the code blocks of a page, in order."""
    found: list[Step] = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        place = _PLACE.search(block["before"].strip())
        found.append(Step(language=block["language"], body=block["body"], file=place["file"] if place else None))
    return found


def conversations(console: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the lines that it shows."""
    _, *parts = console.split("$ ")
    for part in parts:
        command, *shown = part.strip().splitlines()
        yield command, shown
