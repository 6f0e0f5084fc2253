"""Runs a short trial of the demo on the devices of this machine, with the command that a user runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any  # a spec is a free-form mapping before it is checked

from search.cli.machine_checks.findings import Finding, describe_failure
from trainables.number_words import number_of
from trainables.probes.advice import advice

_STEPS, _ITEMS, _RATE = 30, 50, 3e-3
_SECONDS = 900
_WHAT = "miniature"
_MAIN = "from search.cli.main import main; main()"


def check_short_trial(*, num_ranks: int, device: str) -> Finding:
    """Run a short trial of the demo on all devices, and return its result.

    Args:
        num_ranks: Number of ranks, one on each device.
        device: `cpu` or `cuda`.
    """
    with tempfile.TemporaryDirectory(prefix="xstilts-doctor-") as name:
        began = time.monotonic()
        ended = _run(Path(name), trial=_short_trial(num_ranks=num_ranks, device=device))
        seconds = time.monotonic() - began
    if isinstance(ended, str):
        return Finding(what=_WHAT, works=False, said=f"a trial of {_STEPS} steps failed: {ended}; {advice(ended)}")
    losses: list[float] = json.loads(ended.stdout)["losses"]["target"]
    ranks = f"{number_of(num_ranks, 'rank')}"
    result = f"loss {losses[0]:.3f} to {losses[-1]:.3f}, {seconds:.0f} s in total"
    text = f"{len(losses)} steps on {ranks} ({device}), {result}"
    return Finding(what=_WHAT, works=True, said=text, numbers={"seconds_miniature": seconds})


def _run(folder: Path, *, trial: dict[str, Any]) -> subprocess.CompletedProcess[str] | str:
    """Run the trial; return the ended process, or in one line why it failed."""
    file = folder / "trial.yaml"
    file.write_text(json.dumps(trial))  # JSON is YAML
    words = [sys.executable, "-c", _MAIN, "run", str(file), "--store", str(folder / "store"), "--json"]
    environment = os.environ | {"XSTILTS_HOME": str(folder / "home")}
    try:
        ended = subprocess.run(  # noqa: S603  our own command
            words, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {_SECONDS} s"
    return ended if ended.returncode == 0 else describe_failure(ended)


def _short_trial(*, num_ranks: int, device: str) -> dict[str, Any]:
    from trainables.config.yaml_file import read_yaml

    with resources.as_file(resources.files("spaces") / "demo.yaml") as file:
        spec: Any = read_yaml(file)  # it ships with the project
    trial: dict[str, Any] = spec["trial"]
    del trial["intermediate"]
    schedule = {"kind": "linear", "warmup_steps": 5}
    trial["target"] |= {"steps": _STEPS, "learning_rate": _RATE, "num_dev_items": _ITEMS, "schedule": schedule}
    trial["evaluation"] |= {"num_items": _ITEMS}
    trial["engine"] = {"num_workers": num_ranks, "device": device}
    return trial
