"""One of each for every device, and the tests of training on devices, as a block to keep in benchmarks/results.

    make check-devices                                      # or, without installing: python benchmarks/check_devices.py
    make -s check-devices > benchmarks/results/devices_8-h100_2026-11-29.md

On a machine without a GPU the same runs on the CPU, with gloo for NCCL.
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
"""What is run, as a user would write it -> Python's arguments for it."""


def main() -> None:
    """Print the block; the exit code is 1 when something does not work."""
    print("# Devices\n\n```")
    for line in heading(["torch"]):  # doctor tells the others, or that they are missing
        print(line)
    codes = [_run(title, words) for title, words in _PARTS.items()]
    print("```")
    sys.exit(1 if any(codes) else 0)


def _run(title: str, words: list[str]) -> int:
    print(f"\n$ {title}", flush=True)
    return subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    main()
