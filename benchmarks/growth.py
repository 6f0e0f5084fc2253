"""Measures memory and time over a long sweep: the driver's and the ranks' memory, and the time of a trial.

    python benchmarks/growth.py [--trials N] [--save FILE]

Ours: a real sweep of trials that do almost nothing (a tiny encoder, one step, a few items). Each has two stages, which
are trained, scored, stored and recorded. Plain Tune: the same number of trials of a class trainable that report once,
with reused actors; nothing is stored or recorded. Memory is the resident size of the processes, read from outside.
Growth is computed over the second half, after everything has been loaded.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from machine import heading, save

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))  # for the tests' tiny encoder and data

from search.record import open_record  # noqa: E402
from tests.tiny import write_encoder, write_mirror  # noqa: E402

SECONDS_BETWEEN_LOOKS = 2.0
MAX_RANK_GROWTH, MAX_DRIVER_KILOBYTES, MAX_SLOWDOWN = 0.05, 20.0, 1.2
"""Bounds: growth of the ranks over the second half (a share), growth of the driver for a trial, slowdown of a trial."""

PLAIN = """
import sys, time
import ray
from ray import tune

class Idle(tune.Trainable):
    def step(self):
        return {"done": True, "score": 0.5}
    def reset_config(self, new_config):
        return True

class Ends(tune.Callback):
    def on_trial_complete(self, iteration, trials, trial, **info):
        print(time.time(), flush=True)

ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=1)
tune.Tuner(
    Idle,
    param_space={"lr": tune.loguniform(1e-5, 1e-3)},
    tune_config=tune.TuneConfig(num_samples=int(sys.argv[1]), reuse_actors=True),
    run_config=tune.RunConfig(
        name="tune",
        storage_path=sys.argv[2],
        callbacks=[Ends()],
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0),
        verbose=0,
    ),
).fit()
"""


@dataclass(slots=True, kw_only=True)
class Course:
    """What was measured of one side."""

    ends: list[float] = field(default_factory=list[float])
    """When each trial ended."""
    driver: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Time and resident bytes of the driver."""
    ranks: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Time and resident bytes of the largest rank."""

    @property
    def driver_kilobytes_per_trial(self) -> float:
        """Growth of the driver for each trial, over the second half."""
        middle = self.ends[len(self.ends) // 2]
        return (_at(self.driver, self.ends[-1]) - _at(self.driver, middle)) / 1024 / (len(self.ends) / 2)

    @property
    def rank_growth(self) -> float:
        """Growth of the ranks over the second half, as a share: its later half beside its earlier one.

        Tune restarts ranks, also in the middle of 2,000 trials, so a single sample could hit a rank that still loads.
        """
        if not self.ranks:
            return 0.0
        ends, num = self.ends, len(self.ends)
        middle, later = ends[num // 2], ends[3 * num // 4]
        third = [size for at, size in self.ranks if middle < at <= later]
        last = [size for at, size in self.ranks if later < at <= ends[-1]]
        return statistics.median(last) / statistics.median(third) - 1

    def seconds(self, part: slice) -> float:
        """Return the median time from one trial's end to the next, over some of them."""
        ends = self.ends[part]
        return statistics.median(after - before for before, after in itertools.pairwise(ends))

    @property
    def slowdown(self) -> float:
        """Time of a trial in the last tenth, as a multiple of the first tenth after the first few."""
        tenth = max(10, len(self.ends) // 10)
        return self.seconds(slice(-tenth, None)) / self.seconds(slice(5, 5 + tenth))


def main() -> None:
    """Run both sides and print the table."""
    options = _options()
    lines = heading(["ray", "optuna", "torch", "deepspeed"])
    with tempfile.TemporaryDirectory(prefix="xstilts-growth-") as scratch:
        folder = Path(scratch)
        sides = {"ours": run_ours(options.trials, folder), "plain Tune": run_plain(options.trials, folder)}
    lines += ["", f"{options.trials} trials, one at a time", ""]
    lines.append(f"{'side':12}{'trials':>8}{'s a trial':>11}{'driver KB/trial':>17}{'ranks':>9}{'last/first':>12}")
    for name, course in sides.items():
        seconds = course.seconds(slice(5, None))
        ranks = f"{100 * course.rank_growth:+.1f}%" if course.ranks else "-"
        kilobytes = f"{course.driver_kilobytes_per_trial:.1f}"
        lines.append(f"{name:12}{len(course.ends):>8}{seconds:>11.3f}{kilobytes:>17}{ranks:>9}{course.slowdown:>12.2f}")
    lines.append(
        f"{'bound':12}{'':>19}{MAX_DRIVER_KILOBYTES:>17.1f}{f'{100 * MAX_RANK_GROWTH:+.1f}%':>9}{MAX_SLOWDOWN:>12.2f}"
    )
    plain, ours = sides["plain Tune"], sides["ours"]
    ratio = plain.driver_kilobytes_per_trial / max(0.01, ours.driver_kilobytes_per_trial)
    lines += ["", f"driver's growth, plain Tune / ours: {ratio:.1f}x"]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Growth over a long sweep", text="\n".join(lines))


def run_ours(num_trials: int, folder: Path) -> Course:
    """Run a sweep of trials that do almost nothing."""
    home = folder / "home"
    home.mkdir()
    spec = _write_spec(home, encoder=write_encoder(folder / "encoder"), num_trials=num_trials)
    mirror = write_mirror(folder / "mirror")
    variables = {"XSTILTS_HOME": str(home), "XSTILTS_MIRROR": str(mirror), "HF_HUB_OFFLINE": "1"}
    command = [str(Path(sys.executable).with_name("xstilts")), "search", str(spec)]
    course = _watched(command, variables=variables, rank="ray::RankActor", output=subprocess.DEVNULL)
    with open_record(home / "record.db", read_only=True) as record:
        course.ends = sorted(trial.ended_at for trial in record.trials("growth") if trial.ended_at is not None)
    return course


def run_plain(num_trials: int, folder: Path) -> Course:
    """Run as many trials of plain Tune."""
    times = folder / "ends"
    with times.open("w") as output:
        command = [sys.executable, "-c", PLAIN, str(num_trials), str(folder / "plain")]
        course = _watched(command, variables={}, rank="", output=output)
    course.ends = [float(line) for line in times.read_text().split() if line[:1].isdigit()]
    return course


def _watched(command: Sequence[str], *, variables: dict[str, str], rank: str, output: object) -> Course:
    course = Course()
    quiet = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment = os.environ | quiet | variables
    process = psutil.Popen(command, env=environment, stdout=output, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        now = time.time()
        try:
            course.driver.append((now, process.memory_info().rss))
            ranks = [one.memory_info().rss for one in process.children(recursive=True) if rank and _is(one, rank)]
        except psutil.Error:
            continue
        if ranks:
            course.ranks.append((now, max(ranks)))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        message = f"{command[0]} ended with exit code {process.returncode}"
        raise RuntimeError(message)
    return course


def _is(process: psutil.Process, name: str) -> bool:
    return " ".join(process.cmdline()).startswith(name)


def _at(samples: list[tuple[float, int]], when: float) -> int:
    """Return the median of the five samples before a time."""
    return int(statistics.median([size for at, size in samples if at <= when][-5:]))


def _write_spec(home: Path, *, encoder: Path, num_trials: int) -> Path:
    phase = {"batch_size": 4, "max_length": 32, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "growth",
        "trials": num_trials,
        "concurrency": 1,
        "sampler": {"name": "random"},
        "trial": {
            "encoder": {"name": str(encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": 1, **phase},
            "evaluation": {"languages": ["en"], "max_length": 32, "num_items": 4},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}},
        "search": {"target.learning_rate": {"log": [1e-6, 1e-2]}},
    }
    path = home / "growth.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="how many, at least 40")
    parser.add_argument("--save", type=Path, help="write the result as Markdown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
