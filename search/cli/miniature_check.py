"""A stage of the miniature on this machine's devices: a short trial of the demo, by the command that a user gives."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any  # a spec is a free-form mapping before it is checked

from search.cli.findings import Finding

_STEPS, _ITEMS, _RATE = 30, 50, 3e-3
_SECONDS = 900
_MAIN = "from search.cli.main import main; main()"


def check_a_stage(*, num_ranks: int, device: str) -> Finding:
    """Return how a short trial of the demo went that all devices take part in.

    Args:
        num_ranks: Ranks, one on each device.
        device: `cpu` or `cuda`.
    """
    what = "miniature"
    with tempfile.TemporaryDirectory(prefix="xstilts-doctor-") as name:
        folder = Path(name)
        trial = folder / "trial.yaml"
        trial.write_text(json.dumps(_short_trial(num_ranks=num_ranks, device=device)))  # JSON is YAML
        words = [sys.executable, "-c", _MAIN, "run", str(trial), "--store", str(folder / "store"), "--json"]
        began = time.monotonic()
        try:
            ended = subprocess.run(  # noqa: S603  our own command
                words, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            said = f"a trial of {_STEPS} steps did not end in {_SECONDS} s; look at what is said above of the devices"
            return Finding(what=what, works=False, said=said)
    seconds = time.monotonic() - began
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        return Finding(what=what, works=False, said=f"a trial of {_STEPS} steps failed: {last}")
    losses: list[float] = json.loads(ended.stdout)["losses"]["target"]
    ranks = f"{num_ranks} rank{'' if num_ranks == 1 else 's'}"
    said = (
        f"{len(losses)} steps on {ranks} ({device}), loss {losses[0]:.3f} to {losses[-1]:.3f}, {seconds:.0f} s in all"
    )
    return Finding(what=what, works=True, said=said, numbers={"seconds_miniature": seconds})


def _short_trial(*, num_ranks: int, device: str) -> dict[str, Any]:
    from trainables.config.yaml_file import read_yaml

    with resources.as_file(resources.files("spaces") / "demo.yaml") as file:
        spec: Any = read_yaml(file)  # it ships with the project
    trial: dict[str, Any] = spec["trial"]
    del trial["intermediate"]
    trial["target"] |= {
        "steps": _STEPS,
        "learning_rate": _RATE,
        "num_dev_items": _ITEMS,
        "schedule": {"kind": "linear", "warmup_steps": 5},
    }
    trial["evaluation"] |= {"num_items": _ITEMS}
    trial["engine"] = {"num_workers": num_ranks, "device": device}
    return trial
