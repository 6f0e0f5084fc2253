"""The worked examples of `docs/contributing`: applied to a copy of the source tree, and used there as a page says.

A page is read in order. "Write `file`:" before a code block makes a file; "In `file`:" before a diff changes one, whose
old lines must stand there exactly once; a console block runs its commands and looks for the lines that it shows. A
path that begins with a package's name belongs to the copy, any other to the folder in which commands run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pages import Step, conversations, steps
from tests.tiny import write_repository

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/contributing"
KINDS = ("task", "encoder", "sampler", "pruner", "command")
PACKAGES = ("search", "spaces", "trainables")
XSTILTS = [sys.executable, "-c", "from search.cli.main import main; main()"]
SECONDS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A copy of the packages, and a folder to run commands in."""

    packages: Path
    work: Path

    def place(self, file: str) -> Path:
        return (self.packages if file.split("/", maxsplit=1)[0] in PACKAGES else self.work) / file

    def write(self, file: str, text: str) -> None:
        place = self.place(file)
        assert not place.exists(), f"the page writes {file}, which exists already"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def change(self, file: str, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        place = self.place(file)
        text = place.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"the page changes lines that stand {text.count(old)} times in {file}:\n{old}"
        place.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, command: str) -> str:
        """Run a command of a page; returns what it prints."""
        program, *words = shlex.split(command)
        programs = {"xstilts": XSTILTS, "python": [sys.executable]}
        variables = os.environ | {
            "PYTHONPATH": str(self.packages),
            "XSTILTS_HOME": str(self.work / "home"),
            "XSTILTS_MIRROR": str(self.work / "mirror"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(self.work / "datasets-cache"),
        }
        variables.pop("RAY_ADDRESS", None)
        done = subprocess.run(
            [*programs[program], *words],
            cwd=self.work,
            env=variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, step: Step) -> None:
        if step.language == "diff":
            assert step.file is not None, f"no sentence before this diff names its file:\n{step.body}"
            self.change(step.file, step.body)
        elif step.file is not None:
            self.write(step.file, step.body)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(packages=tmp_path / "source", work=tmp_path / "work")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree.packages / package)
    tree.work.mkdir()
    return tree


def write_wnli(mirror: Path) -> None:
    """Write a few rows of what the task example reads."""
    rows = {
        "sentence1": [f"w{row} w{row + 1}" for row in range(16)],
        "sentence2": [f"w{row}" for row in range(16)],
        "label": [row % 2 for row in range(16)],
    }
    write_repository(mirror / "datasets/nyu-mll/glue", configs={"wnli": {"train": rows, "validation": rows}})


def apply_page(kind: str, tree: Tree) -> None:
    for step in steps(PAGES / f"{kind}.md"):
        tree.apply(step)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_page_works_as_it_says(kind: str, tree: Tree) -> None:
    write_wnli(tree.work / "mirror")
    num_commands = 0

    for step in steps(PAGES / f"{kind}.md"):
        tree.apply(step)
        if step.language == "console":
            for command, shown in conversations(step.body):
                printed = tree.run(command)
                assert [line for line in shown if line not in printed] == [], printed
                num_commands += 1

    assert num_commands > 0


def test_every_page_is_tested_and_linked() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert {path.stem for path in PAGES.glob("*.md")} == set(KINDS)
    assert [kind for kind in KINDS if f"docs/contributing/{kind}.md" not in contributing] == []


@pytest.mark.parametrize("kind", KINDS)
def test_python_of_a_page_passes_the_linter(kind: str, tree: Tree) -> None:
    apply_page(kind, tree)
    shutil.copy(ROOT / "pyproject.toml", tree.packages)
    files = [
        str(tree.place(step.file))
        for step in steps(PAGES / f"{kind}.md")
        if step.file and step.file.startswith(PACKAGES)
    ]
    assert files  # without files, ruff would check something else

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--config",
            str(tree.packages / "pyproject.toml"),
            *files,
        ],
        cwd=tree.packages,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_sweep_uses_all_examples_together(tree: Tree) -> None:
    for kind in KINDS:
        apply_page(kind, tree)
    write_wnli(tree.work / "mirror")
    tree.run("python tiny_ernie.py")
    tree.write("together.yaml", TOGETHER)

    tree.run("xstilts search together.yaml")

    assert tree.run("xstilts sweeps") == "together\n"
    assert "wnli" in tree.run("xstilts show together 0")
    tree.run("xstilts export together 0 exported")
    assert '"ErnieForSequenceClassification"' in (tree.work / "exported/config.json").read_text()


TOGETHER = """
name: together
trials: 3
concurrency: 1
sampler: {name: local}
rungs: {num: 2, eta: 2, num_items: 4}
pruner: {name: mean}
trial:
  encoder: {name: tiny-ernie}
  intermediate: {batch_size: 4, max_length: 32, num_dev_items: 0}
  target:
    mixture: {miniature_nli: 1.0}
    num_examples: 40
    steps: 4
    batch_size: 4
    max_length: 32
    num_dev_items: 0
  evaluation: {task: miniature_nli, languages: [en, de], num_items: 8, max_length: 32}
  engine: {device: cpu, threads_per_rank: 1}
families:
  text: {mixture: {wnli: 1.0}, steps: 2}
search:
  target.learning_rate: {log: [1.0e-4, 1.0e-2]}
"""
