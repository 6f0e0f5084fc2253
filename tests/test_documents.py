"""Documents lead everywhere: README reaches every page, links have ends, and files that pages name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
_FILE = re.compile(r"`((?:trainables|spaces|search|tests|benchmarks)/[\w/]+\.\w+)`")
_PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])


def links(page: Path) -> list[Path]:
    """Return the places of this project that a page links to."""
    return [(page.parent / place).resolve() for place in _LINK.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_an_end(page: Path) -> None:
    assert [str(place) for place in links(page) if not place.exists()] == []


def test_readme_leads_to_every_page() -> None:
    seen, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            left += links(page)

    assert [str(page.relative_to(ROOT)) for page in _PAGES if page not in seen] == []


@pytest.mark.parametrize("page", ["docs/where.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = _FILE.findall((ROOT / page).read_text(encoding="utf-8"))

    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_commands_of_results_can_be_typed_in_any_clone() -> None:
    results = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
    commands = [line for result in results for line in result.read_text(encoding="utf-8").splitlines()]
    commands = [line for line in commands if line.startswith("command ")]

    assert len(commands) > 10
    assert [line for line in commands if re.search(r"[ =]/", line)] == []
