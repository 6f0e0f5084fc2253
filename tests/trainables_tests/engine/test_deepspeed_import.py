"""What DeepSpeed's import does not bring with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
from trainables.engine.deepspeed_import import import_deepspeed
print(import_deepspeed().__name__)
import mlflow
print(mlflow.WHO)
"""


@pytest.mark.slow
def test_deepspeed_does_not_import_an_installed_mlflow_and_others_still_can(tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").write_text("print('imported')\nWHO = 'mlflow itself'\n")
    variables = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "DS_ACCELERATOR": "cpu"}

    ended = subprocess.run(
        [sys.executable, "-c", CODE], env=variables, capture_output=True, text=True, check=True, timeout=120
    )

    assert ended.stdout.splitlines()[-3:] == ["deepspeed", "imported", "mlflow itself"]
