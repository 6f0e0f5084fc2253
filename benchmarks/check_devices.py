"""Runs every device probe and the tests of training on devices, and prints a block to keep in benchmarks/results.

    make check-devices                                      # or, without installing: python benchmarks/check_devices.py
    make -s check-devices > benchmarks/results/devices_8-h100_2026-11-29.md

On a machine without a GPU the same checks run on the CPU, with gloo in place of NCCL.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from machine import heading

ROOT = Path(__file__).resolve().parents[1]
_MAIN = "from search.cli.main import main; main()"
_PARTS = {
    "xstilts doctor --devices": ["-c", _MAIN, "doctor", "--devices"],
    "pytest tests/devices": ["-m", "pytest", "tests/devices", "--no-header", "-rs", "-p", "no:cacheprovider"],
}
"""Command as a user types it -> the arguments of Python that run it."""


def main() -> None:
    """Print the block; the exit code is 1 when a check fails."""
    print("# Devices\n\n```")
    for line in heading(["torch"]):  # doctor prints the other versions, or that a package is missing
        print(line)
    codes = [_run(title, words) for title, words in _PARTS.items()]
    print("```")
    sys.exit(1 if any(codes) else 0)


def _run(title: str, words: list[str]) -> int:
    print(f"\n$ {title}", flush=True)
    return subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    main()
