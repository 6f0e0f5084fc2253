"""Imports DeepSpeed without mlflow, which it would import wherever that is installed.

Only DeepSpeed's autotuner, which is not used here, has a part for mlflow (deepspeed 0.19.8). mlflow imports pandas and
fastapi: a second of each rank's start, and memory.
"""

from __future__ import annotations

import importlib
from typing import Any  # a module of DeepSpeed, which has no types

from trainables.left_out_imports import leaving_out


def import_deepspeed() -> Any:
    """Return the module `deepspeed`; call it before anything else of DeepSpeed is imported."""
    with leaving_out("mlflow"):
        return importlib.import_module("deepspeed")
