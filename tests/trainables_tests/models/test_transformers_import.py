"""What transformers' import does not bring with it in a rank."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from trainables.models.transformers_import import import_transformers
import_transformers()
import trainables.ranks.job_runner
print(sorted({name.partition(".")[0] for name in sys.modules} & {"accelerate", "scipy"}))
import accelerate, peft, scipy.stats
print(accelerate.__name__, peft.__name__, scipy.__name__)
"""


@pytest.mark.slow
def test_ranks_import_neither_scipy_nor_accelerate_and_others_still_can() -> None:
    variables = os.environ | {"DS_ACCELERATOR": "cpu"}

    ended = subprocess.run(
        [sys.executable, "-c", CODE], env=variables, capture_output=True, text=True, check=True, timeout=120
    )

    assert ended.stdout.splitlines()[-2:] == ["[]", "accelerate peft scipy"]
