"""Measures the whole way from a command to an answer: ours, and Tune with Optuna, ASHA and Hugging Face's Trainer.

    python benchmarks/time_to_answer.py [--worlds NAME ...] [--parts NAME ...] [--orders NAME ...] [--seeds N] [--quick]

Ours is `xstilts search SPEC`; theirs is the recipe of Ray's documentation (answers/tuned_trainer.py). Both start as new
processes, and everything counts: start-up, tokenising, training, scoring, checkpoints. CPU seconds are those of every
process that a side starts, wall seconds those until its command ends.

`list`: the same configurations on both sides, each trained to its end: 8 target learning rates for each of two
intermediate phases. `search`: each side proposes trials from the same space with what it has (ours: the defaults of a
spec without sampler and rungs; theirs: TPE and ASHA with the same rungs). A side has its answer when a trial that was
trained to its end scores at least 99 % of the worse of both sides' best scores.

The parts of a ratio: optimiser steps, seconds of a step, and the whole CPU time beside that of steps. Their product is
the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from answers.process_meter import ProcessMeter, metered
from answers.tuned_trainer import RESULTS, STEPS
from answers.worlds import RUNG_FACTOR, World, world
from machine import heading, save
from train_throughput import precision_of

from search.record import open_record

WORLDS, PARTS, ORDERS = ("miniature", "mirror"), ("list", "search"), ("random", "group_by_length")
NUM_TARGETS, NUM_TRIALS = 8, 24
GOAL = 0.99
PRECISION = precision_of("auto")
"""Type of the arithmetic on both sides: what a sweep on this machine has by default."""
TARGETS = {"list": 5, "search": 10}
MARK = "XSTILTS_HOME"
"""Environment variable that all processes of a side inherit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """When a side had its answer."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What one side did."""

    cpu_seconds: float
    wall_seconds: float
    num_steps: int
    step_seconds: float
    """Seconds of all steps."""
    scores: tuple[tuple[float, float, float], ...]
    """CPU seconds, wall seconds and score when each trial that was trained to its end was scored."""

    @property
    def best(self) -> float:
        """The best score."""
        return max(score for _, _, score in self.scores)

    def until(self, goal: float) -> Answer:
        """Return when a score reached the goal."""
        cpu_seconds, wall_seconds = min((cpu, wall) for cpu, wall, score in self.scores if score >= goal)
        return Answer(cpu_seconds=cpu_seconds, wall_seconds=wall_seconds)


def main() -> None:
    """Run the benchmark."""
    options = _options()
    lines = [*heading(["ray", "optuna", "torch", "transformers"]), ""]
    for name in options.worlds:
        for part in options.parts:
            lines += _measured(world(name, quick=options.quick), part=part, options=options)
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Time to the answer", text=text)


def _measured(place: World, *, part: str, options: argparse.Namespace) -> list[str]:
    """Return the lines of one world and one part."""
    listed = place.listed(num_targets=2 if options.quick else NUM_TARGETS) if part == "list" else None
    trials = len(listed) if listed else options.trials
    ours = [run_ours(place, listed=listed, trials=trials, seed=seed) for seed in range(options.seeds)]
    lines = [f"{place.name}, {part}: {trials} trials, {options.seeds} seeds, both sides in {PRECISION}"]
    for order in options.orders:
        theirs = [
            run_theirs(place, listed=listed, trials=trials, seed=seed, order=order) for seed in range(options.seeds)
        ]
        lines += _lines(part, order=order, ours=ours, theirs=theirs)
        print("\n".join(lines), file=sys.stderr, flush=True)
    return [*lines, ""]


def _lines(part: str, *, order: str, ours: Sequence[Course], theirs: Sequence[Course]) -> list[str]:
    pairs = list(zip(ours, theirs, strict=True))
    answers = [_answers(one, other, part=part) for one, other in pairs]
    ratios = [there.cpu_seconds / here.cpu_seconds for here, there in answers]
    walls = [there.wall_seconds / here.wall_seconds for here, there in answers]
    here, there = (statistics.median(answer[at].cpu_seconds for answer in answers) for at in (0, 1))
    wall = statistics.median(walls)
    each = ", ".join(f"{one:.1f}" for one in ratios)
    best_here, best_there = (statistics.median(pair[at].best for pair in pairs) for at in (0, 1))
    return [
        f"  Trainer {order}: {there:.0f} CPU s, ours {here:.0f}",
        f"    ratio {statistics.median(ratios):.1f}x CPU ({each}; target {TARGETS[part]}x), {wall:.1f}x wall",
        f"    best score: theirs {best_there:.3f}, ours {best_here:.3f}",
        *(_parts(one, other) for one, other in pairs),
    ]


def _answers(ours: Course, theirs: Course, *, part: str) -> tuple[Answer, Answer]:
    """Return the answers of both sides: the whole list, or a score that reaches the goal."""
    if part == "list":
        here, there = (Answer(cpu_seconds=one.cpu_seconds, wall_seconds=one.wall_seconds) for one in (ours, theirs))
        return here, there
    goal = GOAL * min(ours.best, theirs.best)
    return ours.until(goal), theirs.until(goal)


def _parts(ours: Course, theirs: Course) -> str:
    """Return the factors of the ratio of whole commands."""
    steps = theirs.num_steps / ours.num_steps
    speed = (theirs.step_seconds / theirs.num_steps) / (ours.step_seconds / ours.num_steps)
    rest = (theirs.cpu_seconds / theirs.step_seconds) / (ours.cpu_seconds / ours.step_seconds)
    return (
        f"    whole commands {theirs.cpu_seconds / ours.cpu_seconds:.1f}x = steps {steps:.2f}x ({theirs.num_steps} / "
        f"{ours.num_steps}) * a step {speed:.2f}x * all else {rest:.2f}x"
    )


def run_ours(place: World, *, listed: list[dict[str, object]] | None, trials: int, seed: int) -> Course:
    """Run `xstilts search` in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="xstilts-answer-") as folder:
        spec = Path(folder, "answer.yaml")
        spec.write_text(yaml.safe_dump(place.spec(trials=trials, seed=seed, listed=listed)))
        command = [str(Path(sys.executable).with_name("xstilts")), "search", str(spec)]
        meter, began = _run(command, home=Path(folder, "home"))
        with open_record(str(Path(folder, "home", "record.db")), read_only=True) as record:
            last = record.sweep("answer").rungs.last
            made = [
                stage
                for trial in record.trials("answer")
                for measured in record.measurements("answer", number=trial.number)
                for stage in measured.trial_result.stages
                if not stage.reused and stage.phase != "evaluation"
            ]
            ends = [
                (event.time, float(str(event.payload["score"])))
                for event in record.events("answer")
                if event.kind == "finished" and event.payload["rung"] == last
            ]
    return _course(meter, began=began, steps=[(stage.steps, stage.seconds) for stage in made], ends=ends)


def run_theirs(place: World, *, listed: list[dict[str, object]] | None, trials: int, seed: int, order: str) -> Course:
    """Run the recipe in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="xstilts-answer-"))
    try:
        job = {
            "world": place.document(),
            "listed": listed,
            "trials": trials,
            "seed": seed,
            "order": order,
            "bf16": PRECISION == "bfloat16",
            "eta": RUNG_FACTOR,
            "concurrency": len(os.sched_getaffinity(0)),
            "folder": str(folder),
        }
        (folder / "job.json").write_text(json.dumps(job))
        meter, began = _run([sys.executable, "-m", "answers.tuned_trainer", str(folder / "job.json")], home=folder)
        results = [json.loads(line) for line in (folder / RESULTS).read_text().splitlines()]
        seconds = [float(line) for line in (folder / STEPS).read_text().splitlines()]
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # Ray may still write its last files
    ends = [(one["time"], one["score"]) for one in results if one["step"] == place.target_steps]
    return _course(meter, began=began, steps=[(1, one) for one in seconds], ends=ends)


def _run(command: list[str], *, home: Path) -> tuple[ProcessMeter, float]:
    """Run a command to its end, and return its meter and the time when it began."""
    home.mkdir(exist_ok=True)
    meter, began = ProcessMeter(variable=MARK, value=str(home)), time.time()
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    with metered(meter):
        ended = subprocess.run(
            command,
            env={**os.environ, MARK: str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    if ended.returncode != 0:
        sys.exit(ended.stderr.decode())
    return meter, began


def _course(
    meter: ProcessMeter, *, began: float, steps: Sequence[tuple[int, float]], ends: Sequence[tuple[float, float]]
) -> Course:
    last, cpu_seconds = meter.history[-1]
    return Course(
        cpu_seconds=cpu_seconds,
        wall_seconds=last - began,
        num_steps=sum(count for count, _ in steps),
        step_seconds=sum(seconds for _, seconds in steps),
        scores=tuple((meter.until(at), at - began, score) for at, score in ends),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS), help="Trainer's sampling")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=NUM_TRIALS, help="trials of a search (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few steps, 1 seed: shows that it runs")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.trials, options.orders = 1, 4, options.orders[:1]
    return options


if __name__ == "__main__":
    main()
