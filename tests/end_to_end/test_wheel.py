"""The built wheel is whole: installed elsewhere, it searches from an empty folder, and it holds nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("search", "spaces", "trainables")
DATA = {".py", ".typed", ".yaml", ".jinja", ".css", ".js", ".json", ".safetensors", ".md"}

SHORT = {
    "trial.target.steps": "20",
    "trial.target.schedule.warmup_steps": "1",
    "trial.target.num_examples": "200",
    "trial.evaluation.num_items": "10",
    "rungs.num_items": "5",
}


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from the files of the packages alone, so that no earlier build lies among them."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built), str(source))
    return next(built.glob("*.whl"))


def test_the_wheel_holds_the_packages_and_their_data_alone(wheel: Path) -> None:
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    metadata = [name for name in names if name.parts[0].endswith(".dist-info")]
    files = [name for name in names if name not in metadata]
    there = {path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}

    assert {name.parts[0] for name in files} == set(PACKAGES)
    assert {name.suffix for name in files} <= DATA
    assert {path for path in there if "__pycache__" not in path.parts} == set(files)


def test_an_installed_wheel_searches_the_demo_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    pip("install", "--no-deps", "--target", str(installed), str(wheel))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XSTILTS_", "RAY_"))}
    environment = kept | {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}

    def xstilts(*words: str) -> str:
        command = [sys.executable, str(installed / "bin" / "xstilts"), *words]
        ended = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    place = "import search, spaces, trainables; print(search.__file__, spaces.__file__, trainables.__file__)"
    where = subprocess.run([sys.executable, "-c", place], cwd=empty, env=environment, capture_output=True, check=True)
    assert where.stdout.decode().count(str(installed)) == 3
    shorter = [word for field, value in SHORT.items() for word in ("--set", f"{field}={value}")]
    assert "1 of 1 trial done, 0 failed" in xstilts("search", "demo", "--trials", "1", *shorter)
    assert "Wrote demo.html" in xstilts("report", "demo")
    assert {path.name for path in empty.iterdir()} == {"xstilts-home", "demo.html"}
