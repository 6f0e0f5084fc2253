"""Compares the device hours that a dry run foretells after two trials with those that the sweep then takes.

    cd benchmarks; python -m scale.device_hours [--trials 8] [--save FILE]

The sweep is one of the generated world: two families, and a target phase of several lengths and batch sizes, on one CPU
thread. Two trials run, `xstilts search --dry-run` foretells the rest, and the rest runs. Machines with other work take
other times in the second part than in the first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from machine import heading, save

MEASURED = 2
"""Trials that run before the forecast."""

BOUND = 0.15

SPEC: dict[str, Any] = {
    "name": "hours",
    "sampler": {"name": "random"},
    "concurrency": 1,
    "trial": {
        "encoder": {"name": "miniature"},
        "intermediate": {"batch_size": 16},
        "target": {"mixture": {"miniature_nli": 1.0}},
        "evaluation": {"task": "miniature_nli"},
        "engine": {"threads_per_rank": 1, "device": "cpu"},
    },
    "families": {
        "none": {},
        "text": {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}, "steps": {"choice": [40, 120]}},
    },
    "search": {"target.steps": {"choice": [60, 120, 240]}, "target.batch_size": {"choice": [8, 16, 32]}},
}


def answer(folder: Path, *words: str) -> dict[str, Any]:
    """Return the JSON that a command prints."""
    command = [sys.executable, "-c", "from search.cli.main import main; main()", *words, "--json"]
    environment = os.environ | {"XSTILTS_HOME": str(folder / "home")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout)


def hours_of(folder: Path) -> float:
    """Return the device hours that the sweep has taken."""
    return answer(folder, "status", "hours")["cost_paid_seconds"] / 3600


def main() -> None:
    """Run the sweep in its two parts, and print the error of the forecast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8, help="trials of the sweep, above 2")
    parser.add_argument("--save", type=Path, help="write the result there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC | {"trials": options.trials}))
        spec = str(folder / "spec.yaml")
        answer(folder, "search", spec, "--trials", str(MEASURED))
        before = hours_of(folder)
        foretold = answer(folder, "search", spec, "--dry-run")["forecast"]["device_hours"]["expected"]
        answer(folder, "search", spec)
        taken = hours_of(folder) - before
    text = "\n".join(
        [
            *heading(["deepspeed", "torch", "ray"]),
            "",
            f"{options.trials - MEASURED} further trials: {foretold * 3600:.1f} s foretold, {taken * 3600:.1f} s taken",
            f"error: {foretold / taken - 1:+.1%} (the goal: within {BOUND:.0%})",
        ]
    )
    print(text)
    if options.save:
        save(options.save, title="Device hours foretold after two trials", text=text)


if __name__ == "__main__":
    main()
