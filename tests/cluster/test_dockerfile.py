"""The Dockerfile, read by BuildKit's own parser (the package `dockerfile`). No daemon runs here that could build it.

What can be run of it is run: the shell parses every RUN, pip and xstilts parse what they are given there, and the
project is installed from what is copied and nothing else.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dockerfile
import pytest
import yaml
from packaging.requirements import Requirement
from pip._internal.commands import create_command

from search.cli.main import cli
from tests.cluster.hosts import ROOT

INSTRUCTIONS = dockerfile.parse_file(str(ROOT / "Dockerfile"))
ENDS_OF_A_COMMAND = {"&&", "||", ";", ">", "|"}
PUBLIC_HOSTS = {"download.pytorch.org"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    instructions: list[dockerfile.Command]

    def all(self, kind: str) -> list[dockerfile.Command]:
        return [one for one in self.instructions if one.cmd.upper() == kind]


def stages() -> dict[str, Stage]:
    """Return the stages by name; each has one."""
    found: dict[str, Stage] = {}
    for one in INSTRUCTIONS:
        if one.cmd.upper() == "FROM":
            base, word, name = one.value
            assert word.upper() == "AS"
            found[name] = Stage(name=name, base=base, instructions=[])
        elif found:
            list(found.values())[-1].instructions.append(one)
    return found


def line_of(device: str) -> list[Stage]:
    """Return the stages that an image for a device is built from, the last one first."""
    known, line = stages(), []
    name = list(known)[-1]
    while name in known:
        line.append(known[name])
        name = known[name].base.replace("${DEVICE}", device)
    assert name == "${PYTHON_IMAGE}"
    return line


def commands(program: str) -> list[list[str]]:
    """Return the words that a program is given in RUN, CMD and HEALTHCHECK."""
    found: list[list[str]] = []
    for one in INSTRUCTIONS:
        if one.cmd.upper() not in {"RUN", "CMD", "HEALTHCHECK"}:
            continue
        words = list(one.value) if one.json else shlex.split(one.value[0], posix=True)
        words = [word for word in words if word != "CMD"]
        for start, word in enumerate(words):
            if word == program and (start == 0 or words[start - 1] in ENDS_OF_A_COMMAND):
                rest = words[start + 1 :]
                end = next((place for place, one in enumerate(rest) if one in ENDS_OF_A_COMMAND), len(rest))
                found.append(rest[:end])
    return found


def copied() -> list[str]:
    """Return the paths that are copied into the image, without their destinations."""
    return [source for stage in stages().values() for one in stage.all("COPY") for source in one.value[:-1]]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_device_chooses_the_torch_that_is_in_the_image(device: str) -> None:
    line = line_of(device)

    assert [stage.name for stage in line] == ["xstilts", f"torch-{device}", "python"]
    (index,) = [one.value[0] for one in line[1].all("ARG")]
    assert re.fullmatch(r"TORCH_INDEX=https://download\.pytorch\.org/whl/(cpu|cu\d+)", index)
    assert ("/cpu" in index) == (device == "cpu")


def test_every_build_argument_has_a_default_and_is_documented() -> None:
    text = (ROOT / "Dockerfile").read_text()
    given = [one.value[0].partition("=") for one in INSTRUCTIONS if one.cmd.upper() == "ARG"]

    assert {name for name, _, _ in given} == {"DEVICE", "PYTHON_IMAGE", "TORCH_INDEX"}
    assert all(default for _, _, default in given)
    assert all(re.search(rf"^#   {name} ", text, re.MULTILINE) for name, _, _ in given)
    assert all(name in (ROOT / "docs/how-to/gpus.md").read_text() for name, _, _ in given)


def test_no_host_but_public_ones_is_in_it() -> None:
    assert set(re.findall(r"https?://([^/\s\"]+)", (ROOT / "Dockerfile").read_text())) == PUBLIC_HOSTS


def test_every_source_of_a_copy_exists_and_is_not_ignored() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert all((ROOT / source).exists() for source in copied())
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied())


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    last = list(stages().values())[-1]
    (user,) = last.all("USER")
    after = [one for one in last.instructions if one.start_line > user.start_line]

    assert int(user.value[0]) > 0
    assert [one.cmd.upper() for one in after][-2:] == ["HEALTHCHECK", "CMD"]
    assert not [one for one in after if "pip install" in one.original or "apt-get" in one.original]


def test_every_run_is_a_shell_command() -> None:
    for one in (one for stage in stages().values() for one in stage.all("RUN")):
        subprocess.run(["sh", "-n", "-c", one.value[0]], check=True)


def test_pip_takes_the_words_that_it_is_given_and_the_constraints_bind_all_but_the_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # what this machine gives pip is not in the image
    given = commands("pip")

    assert len(given) == 4
    for name, *words in given:
        options, wanted = create_command(name).parse_args(words)
        assert options.constraints == ([] if wanted == ["."] else ["constraints.txt"])
        assert options.ignore_dependencies == (wanted in (["."], ["torch"]))


def test_xstilts_takes_the_words_that_it_is_given() -> None:
    given = commands("xstilts")

    assert [words[0] for words in given] == ["doctor", "doctor", "--help"]
    for words in given[:2]:
        command = cli.get_command(cli.make_context("xstilts", ["doctor"]), words[0])
        assert command is not None
        command.make_context(words[0], list(words[1:]), **cli.context_settings)


def test_what_is_installed_is_all_that_the_project_and_a_cluster_need(tmp_path: Path) -> None:
    (code,) = [words[1] for words in commands("python") if words[0] == "-c"]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    names = {Requirement(line).name for line in ended.stdout.splitlines()}
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    assert {"torch", "deepspeed", "ray", "jsonschema", "psycopg"} <= names
    assert {name.lower().replace("_", "-") for name in names} <= pinned


def test_what_is_copied_installs_and_runs(tmp_path: Path) -> None:
    for source in copied():
        here, there = ROOT / source, tmp_path / "build" / source
        there.parent.mkdir(exist_ok=True)
        shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__")) if here.is_dir() else shutil.copy(
            here, there
        )
    (words,) = [words for words in commands("pip") if words[-1] == "."]
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", *words, "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run(command, cwd=tmp_path / "build", check=True, capture_output=True)

    code = "import search; from search.cli.main import main; print(search.__file__); main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "spaces", "demo"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(str(site))
    shipped = {path.relative_to(ROOT) for folder in ("search", "spaces", "trainables") for path in files(ROOT / folder)}
    assert {path for path in shipped if not (site / path).exists()} == set()


def test_the_kubernetes_file_names_the_image_once_and_uses_it_for_every_group() -> None:
    text = (ROOT / "clusters/kuberay.yaml").read_text()
    cluster = next(iter(yaml.safe_load_all(text)))["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]

    images = [container["image"] for group in groups for container in group["template"]["spec"]["containers"]]
    assert len(re.findall(r"image: &image \S+", text)) == 1
    assert set(images) == {"registry.example.org/xstilts:0.1.0-cuda"}


def files(folder: Path) -> list[Path]:
    """Return the files below a folder that belong to the project."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if not fnmatch.fnmatch(str(path), "*__pycache__*")]
