"""Every command of README.md and of the FAQ runs as it stands there, on a sweep that has finished.

The pages call the sweep `demo`. Here it is the kept sweep under its own name, and searches stop at their forecast. What
needs minutes, a GPU or a network is run by the tests named in ELSEWHERE.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import yaml

from search.cli.main import cli, exit_code
from spaces.sweep_spec import load_sweep_spec

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests/golden/kept_sweep"
SEARCHES = ("search", "resume")

ELSEWHERE = {
    "doctor --devices": "tests/devices",
    "resume demo --trials 24": "tests/end_to_end/test_kept_sweep.py",
    "run trial.yaml --workers 2 --zero 2": "tests/end_to_end",
}
"""Commands of the pages, and the tests that run them."""

HUB = "trial.encoder.name=FacebookAI/xlm-roberta-base"
LATER = ("search text",)
"""Commands that need a hub or a mirror: their options are only parsed."""


def commands(page: str) -> list[str]:
    """Return the commands of xstilts in the code blocks of a page, without comments."""
    found: dict[str, None] = {}
    block: str | None = None  # what stands behind the first fence of an open block
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            block = line[3:] if block is None else None
        elif block == "" and line.startswith("xstilts "):
            found[line.split("  #")[0].strip().removeprefix("xstilts ")] = None
    return list(found)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(KEPT, tmp_path_factory.mktemp("kept") / "kept")


PAGES = {command: page for page in ("docs/faq.md", "README.md") for command in commands(page)}
"""Each command once, and a page that has it."""


def test_the_faq_has_twenty_questions_each_with_a_command() -> None:
    parts = re.split(r"^\*\*\d+\. ", (ROOT / "docs/faq.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert len(parts) == 20
    assert all("```\nxstilts " in part for part in parts)


@pytest.mark.parametrize("page", ["docs/faq.md", "README.md"])
def test_commands_in_sentences_are_understood(page: str) -> None:
    named = re.findall(r"`xstilts ([a-z][^`]*)`", (ROOT / page).read_text(encoding="utf-8"))

    assert named
    for words in map(shlex.split, named):
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None, words
        # It reads its arguments and options, and runs nothing. Commands keep the option for help that they meet first.
        command.make_context(words[0], words[1:], **cli.context_settings).close()


def test_commands_that_run_elsewhere_have_a_place() -> None:
    assert all((ROOT / place).exists() for place in ELSEWHERE.values())
    assert set(PAGES) >= set(ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in PAGES if command not in ELSEWHERE])
def test_a_command_of_a_page_runs(command: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XSTILTS_HOME", str(kept / "home"))
    monkeypatch.setenv("XSTILTS_MIRROR", str(kept / "mirror"))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    words = shlex.split(command)
    if words[0] in SEARCHES:
        words += [] if "--dry-run" in words else ["--dry-run"]
        if command.startswith(LATER):
            words = [word.replace("text", "demo").replace(HUB, "trial.encoder.name=miniature") for word in words]
    elif words[0] != "spaces":
        words = ["kept" if word == "demo" else word for word in words]
        words = ["0" if word == "3" and words[0] == "export" else word for word in words]
        words += ["--baseline", "text"] if words[:2] == ["compare", "kept"] and "--baseline" not in words else []
    assert exit_code(words) == 0, f"{PAGES[command]}: xstilts {command}"


def test_the_spec_of_the_readme_has_ten_lines_and_is_read(tmp_path: Path) -> None:
    text = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "first.yaml").write_text(text)

    spec = load_sweep_spec(tmp_path / "first.yaml")

    assert len(text.splitlines()) == 10
    assert list(spec.families) == list(yaml.safe_load(text)["families"])
