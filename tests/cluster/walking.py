"""docs/how-to/on-premises.md as a reader walks through it: its commands, and what its file says to change."""

from __future__ import annotations

import re

from tests.cluster.hosts import ROOT

DOCUMENT = ROOT / "docs/how-to/on-premises.md"


def commands(section: str) -> list[str]:
    """Return the commands below a heading of the document."""
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{DOCUMENT.name} has no section {section!r}"
    return re.findall(r"^\$ (.*)$", found[1], re.MULTILINE)


def with_values(command: str, values: dict[str, str]) -> str:
    """Return a command with the words that stand for a reader's own values replaced."""
    return re.sub(r"\b[A-Z]{3,}\b", lambda word: values.get(word[0], word[0]), command)


def with_changes(text: str, values: dict[str, str]) -> str:
    """Return a cluster file with its marked lines changed, each of which has to be given or to be right already.

    Args:
        text: The file that ships.
        values: Key -> what a reader writes there.
    """
    lines = text.splitlines(keepends=True)
    marked = [re.match(r"\s*(\w+):", line) for line in lines if "# CHANGE" in line]
    keys = {found[1] for found in marked if found} - {"initialization_commands"}  # a host that has the project is left
    assert keys == values.keys()
    for key, value in values.items():
        text = re.sub(
            rf"^(\s*{key}: ).*# CHANGE", lambda found, value=value: f"{found[1]}{value}  #", text, flags=re.MULTILINE
        )
    return text
