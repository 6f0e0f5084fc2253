"""Measures how often verdicts and intervals are wrong on simulated sweeps (`simulated/verdict_errors.py`).

    python benchmarks/statistics.py [--sweeps 1000] [--save FILE]

This file has the name of a module of the standard library, and Python puts the folder of a script first on its path. So
when another benchmark, or a package that it imports, imports `statistics`, this file loads the standard library's
module in its own place.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path


def hand_over() -> None:
    """Put the standard library's module of this name in place of this one."""
    path = Path(sysconfig.get_path("stdlib")) / "statistics.py"
    spec = importlib.util.spec_from_file_location("statistics", path)
    assert spec is not None, path  # noqa: S101  (every Python has it)
    assert spec.loader is not None, path  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules["statistics"] = module
    spec.loader.exec_module(module)


if __name__ == "statistics":
    hand_over()
elif __name__ == "__main__":
    sys.path.append(sys.path.pop(0))
    from simulated.verdict_errors import main

    sys.exit(main())
