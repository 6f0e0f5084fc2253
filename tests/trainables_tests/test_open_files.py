"""Too few open files: the limit is raised where that is allowed, and else refused before anything starts."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.smallest import smallest_spec

TRIAL = """
encoder: {name: miniature}
target: {mixture: {miniature_nli: 1.0}, steps: 1, num_dev_items: 0}
evaluation: {task: miniature_nli, num_items: 2}
engine: {device: cpu}
"""


def under(limits: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell whose limits of open files are set first."""
    environment = os.environ | {"XSTILTS_HOME": str(folder / "home"), "CUDA_VISIBLE_DEVICES": ""}
    command = f'{limits}; exec "$0" -c "from search.cli.main import main; main()" "$@"'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "needed"), [(["search", "spec.yaml"], 296), (["run", "trial.yaml", "--workers", "2"], 48)]
)
def test_too_few_are_refused_before_anything_starts(tmp_path: Path, words: list[str], needed: int) -> None:
    (tmp_path / "spec.yaml").write_text(smallest_spec("files"))
    (tmp_path / "trial.yaml").write_text(TRIAL)
    ended = under("ulimit -n 40", *words, folder=tmp_path)
    assert ended.returncode == 2, ended.stderr
    said = "this process may have 40 files open, and what starts here needs"
    assert f"{said} {needed}" in ended.stderr
    assert f"ulimit -n {needed}" in ended.stderr
    assert not (tmp_path / "home").exists()


def test_doctor_says_so(tmp_path: Path) -> None:
    code = (
        "from search.cli.machine_checks import installation_checks as checks; "
        "print(checks._check('open files', checks._open_files))"
    )
    for limits, said in (("ulimit -n 64", "works=False"), ("ulimit -Sn 64", "works=True")):
        words = ["bash", "-c", f'{limits}; exec "$0" -c "$1"', sys.executable, code]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        found = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert said in found.stdout


def test_a_soft_limit_is_raised_for_this_process_and_those_it_starts(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = (
        "import subprocess; from trainables.checks.open_files import raise_open_files; "
        "print(raise_open_files(needed=300), subprocess.check_output(['bash', '-c', 'ulimit -Sn'], text=True))"
    )
    words = ["bash", "-c", 'ulimit -Sn 64; exec "$0" -c "$1"', sys.executable, code]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    found = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    assert found.stdout.split() == [str(wanted), str(wanted)]
