"""Imports DeepSpeed without mlflow, which it would import wherever that is installed.

Only DeepSpeed's autotuner, which is not used here, has a part for mlflow (deepspeed 0.19.8). mlflow imports pandas and
fastapi: a second of each rank's start, and memory.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any  # a module of DeepSpeed, which has no types

_LEFT_OUT = "mlflow"


def import_deepspeed() -> Any:
    """Return the module `deepspeed`; call it before anything else of DeepSpeed is imported."""
    if _LEFT_OUT in sys.modules:
        return importlib.import_module("deepspeed")
    sys.modules[_LEFT_OUT] = None  # type: ignore[assignment]  (Python's way to say that it cannot be imported)
    try:
        return importlib.import_module("deepspeed")
    finally:
        del sys.modules[_LEFT_OUT]
