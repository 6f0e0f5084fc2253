"""The benchmark for GPUs runs on the CPU with tiny shapes, and needs few packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "gpu" / "throughput.py"

WITHOUT_OTHERS = """
import sys

class RefusedToUs:
    # Other libraries may import what they find beside them, as transformers does.
    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        allowed = {"torch", "transformers", "safetensors", "numpy", "trainables", "gpu", *sys.stdlib_module_names}
        if frame.f_code.co_filename.startswith(sys.argv[1]) and name.split(".")[0] not in allowed:
            if ".venv" not in frame.f_code.co_filename:
                raise ModuleNotFoundError(name)

sys.meta_path.insert(0, RefusedToUs())
sys.path[:0] = sys.argv[1:]
import gpu.our_side, gpu.trainer_side
"""
"""Imports both sides where modules of the source tree can import no other package."""


def run(*arguments: str) -> str:
    """Run Python from another folder, without an install of the source tree."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=variables, cwd=ROOT.anchor, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_the_benchmark_runs_with_tiny_shapes_and_prints_both_sides() -> None:
    pytest.importorskip("accelerate")

    text = run(str(SCRIPT), "--tiny")

    for expected in (
        "GEMM",
        "ours  ",
        "optimiser",
        "distinct shapes",
        "XNLI dev  120 pairs of 15 languages",
        "Trainer",
    ):
        assert expected in text


@pytest.mark.slow
def test_our_side_needs_only_torch_transformers_safetensors_and_numpy() -> None:
    run("-c", WITHOUT_OTHERS, str(ROOT), str(ROOT / "benchmarks"))
