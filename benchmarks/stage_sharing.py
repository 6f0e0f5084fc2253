"""Measures what the stage tree saves: the same trials through the tree, and each trial alone, in one command.

    python benchmarks/stage_sharing.py [--unit 20] [--families text ...] [--save]

64 trials of the generated world: 4 families x 2 intermediate configurations x 8 target configurations. The
intermediate phase has four times the target's steps, and the target grows over 3 rungs of eta 3. Every trial is
promoted to the last rung:

    tree   every stage once, trunks extended from rung to rung
    (a)    each rung of each trial from scratch, as early stopping with restarts does
    (b)    each trial once, at full length

(a) and (b) run each trial in its own store, so nothing is shared except the encoded data sets, which are ready before
any side starts. All run on one rank with one thread. The sides take turns for each intermediate configuration, so a
busy machine slows all of them equally. Final weights and predictions of tree and (b) are compared by checksum.

Then a second list runs through the same tree. It overlaps the first: half of it repeats known targets, and half are new
targets under the known intermediate configurations.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import heading, save

from search.scheduling.start_order import Candidate, in_order
from trainables.config import (
    EncoderConfig,
    EngineConfig,
    EvaluationConfig,
    PhaseConfig,
    RungsConfig,
    ScheduleConfig,
    TrialConfig,
    VisionConfig,
)
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import missing_stages, plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

NUM_TARGETS = 8
"""F: target configurations under each intermediate configuration."""
COST_RATIO = 4
"""r: steps of the intermediate phase divided by steps of the target phase."""
RUNGS = RungsConfig(num=3, eta=3, num_items=2)
SCHEDULE = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=3)
ENGINE = EngineConfig(threads_per_rank=1, device="cpu")
TOWER = VisionConfig(tower="miniature", freeze=True)
FAMILIES: dict[str, dict[str, Any]] = {
    "text": {"mixture": {"miniature_qa": 1.0}},
    "multimodal": {"mixture": {"miniature_entailment": 1.0}, "vision": TOWER},
    "multitask": {"mixture": {"miniature_choice": 0.5, "miniature_entailment": 0.5}, "vision": TOWER},
    "control": {"mixture": {"miniature_entailment@shuffled": 1.0}, "vision": TOWER},
}
INTERMEDIATE_RATES = (1e-3, 2e-3)
WHERE = Path(__file__).parent / "results"


@dataclass(slots=True)
class Side:
    """Stages, steps and seconds of one way of running the trials."""

    steps: int = 0
    seconds: float = 0.0
    num_stages: int = 0

    def add(self, result: TrialResult) -> None:
        """Count what a run executed."""
        made = [stage for stage in result.stages if not stage.reused]
        self.steps += sum(stage.steps for stage in made)
        self.num_stages += len(made)


@contextlib.contextmanager
def timed(side: Side) -> Iterator[None]:
    """Add the wall time of a block to a side."""
    started = time.monotonic()
    yield
    side.seconds += time.monotonic() - started


@dataclass(slots=True)
class Bench:
    """Ranks, folders and the results so far."""

    group: LocalGroup
    folder: Path
    tree: Side = field(default_factory=Side)
    rungs_alone: Side = field(default_factory=Side)
    trials_alone: Side = field(default_factory=Side)
    num_identical: int = 0
    num_compared: int = 0

    def place(self, name: str) -> TrialResources:
        """Return the resources of a trial with a store of this name; all stores share the encoded data sets."""
        store = StageStore(self.folder / name)
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        if not (store.root / "cache").exists():
            (store.root / "cache").symlink_to(cache)
        return TrialResources(store=store, group=self.group)

    def through_the_tree(self, trials: Sequence[TrialConfig], *, side: Side) -> dict[int, TrialResult]:
        """Run trials in the project's order, all rungs of one after another; returns each one's last result."""
        place, results = self.place("tree"), dict[int, TrialResult]()
        while waiting := [number for number in range(len(trials)) if number not in results]:
            candidates = [candidate(number, trials[number], store=place.store) for number in waiting]
            number = in_order(candidates, in_flight=(), loaded=())[0].number
            for rung in range(RUNGS.num):
                results[number] = run_trial(trials[number], resources=place, rungs=RUNGS, rung=rung)
                side.add(results[number])
        return results

    def alone(self, config: TrialConfig, *, side: Side) -> tuple[TrialResult, list[str]]:
        """Run one trial in a new store; returns its result and the checksums of its last stages."""
        place = self.place("alone")
        try:
            with timed(side):
                result = run_trial(config, resources=place)
            side.add(result)
            return result, digests(result, store=place.store)
        finally:
            shutil.rmtree(self.folder / "alone")

    def compare(self, trials: Sequence[TrialConfig]) -> None:
        """Run the trials of one intermediate configuration all three ways."""
        with timed(self.tree):
            shared = self.through_the_tree(trials, side=self.tree)
        for number, config in enumerate(trials):
            result, found = self.alone(config, side=self.trials_alone)
            same_files = digests(shared[number], store=self.place("tree").store) == found
            self.num_identical += same_files and shared[number].evaluations == result.evaluations
            self.num_compared += 1
            for rung in range(RUNGS.num):
                self.alone(RUNGS.at(rung, config=config), side=self.rungs_alone)


def candidate(number: int, config: TrialConfig, *, store: StageStore) -> Candidate:
    """Return what a trial lacks at its first rung, as the driver of a sweep sees it."""
    plan = plan_stages(config, provenance=read_provenance(config), rungs=RUNGS, rung=0)
    missing = missing_stages(plan, is_complete=store.has)
    return Candidate(
        number=number, missing=tuple(one.key for one in missing), starts=tuple(one.parent for one in missing)
    )


def digests(result: TrialResult, *, store: StageStore) -> list[str]:
    """Return the checksums of a trial's trained weights and of its predictions."""
    found = [store.find(stage.key) for stage in result.stages if not stage.is_trunk]
    return [stage.digest for stage in found if stage]


def phase(**fields: Any) -> PhaseConfig:
    """Return a phase without dev scoring: the ranks train and nothing else."""
    fixed = {"batch_size": 8, "max_length": 64, "dropout": 0.0, "num_dev_items": 0, "weight_decay": 0.01}
    frozen = {"freeze_embeddings": True, "freeze_layers": 2, "schedule": SCHEDULE}
    return PhaseConfig(**(fixed | frozen | fields))


def trials_of(family: str, *, rate: float, unit: int, targets: Sequence[int]) -> list[TrialConfig]:
    """Return the trials under one intermediate configuration.

    Args:
        family: Its family.
        rate: Its learning rate.
        unit: Steps of the target phase at rung 0.
        targets: Numbers of the target configurations, each a learning rate.
    """
    steps = unit * RUNGS.eta**RUNGS.last
    intermediate = phase(**FAMILIES[family], steps=COST_RATIO * steps, learning_rate=rate)
    return [
        TrialConfig(
            encoder=EncoderConfig(name="miniature"),
            intermediate=intermediate,
            target=phase(mixture={"miniature_nli": 1.0}, steps=steps, learning_rate=1e-3 * 1.1**number),
            evaluation=EvaluationConfig(task="miniature_nli", num_items=20, max_length=64),
            engine=ENGINE,
        )
        for number in targets
    ]


def prepare(bench: Bench, *, unit: int) -> None:
    """Encode the data sets and compute the frozen features that all sides use, before anything is timed."""
    for family in FAMILIES:
        (config,) = trials_of(family, rate=INTERMEDIATE_RATES[0], unit=unit, targets=[0])
        phases = {"intermediate": config.intermediate, "target": config.target}
        short = {"steps": 2, "schedule": ScheduleConfig()}
        updates = {name: work.model_copy(update=short) for name, work in phases.items() if work}
        for rung in range(RUNGS.num):
            evaluation = RUNGS.at(rung, config=config).evaluation
            bench.alone(config.model_copy(update={**updates, "evaluation": evaluation}), side=Side())


def line(name: str, side: Side, *, tree: Side) -> str:
    """Return a row of the table."""
    steps, seconds = side.steps / tree.steps, side.seconds / tree.seconds
    ratios = "" if side is tree else f"{steps:11.2f}x{seconds:9.2f}x{seconds / steps:11.2f}"
    return f"{name:34}{side.num_stages:7}{side.steps:9}{side.seconds:9.0f} s{ratios}"


def report(bench: Bench, *, second: Side, second_alone: int) -> list[str]:
    """Return the result as lines."""
    predicted = NUM_TARGETS * (COST_RATIO + 1) / (COST_RATIO + NUM_TARGETS)
    compared = f"{bench.num_identical} of {bench.num_compared} trials"
    share = second_alone / max(1, second.steps)
    return [
        f"{'':34}{'stages':>7}{'steps':>9}{'wall':>11}{'steps/tree':>12}{'wall/tree':>10}{'wall/steps':>11}",
        line("tree", bench.tree, tree=bench.tree),
        line("(a) each rung from scratch", bench.rungs_alone, tree=bench.tree),
        line("(b) one full-length run each", bench.trials_alone, tree=bench.tree),
        "",
        f"formula   F(r+1)/(r+F) = {predicted:.2f}x for (b), without the decays of lower rungs",
        f"identical {compared} to (b), bit for bit: weights of both phases, and predictions",
        f"second    overlapping list: {second.steps} of its {second_alone} steps executed, 1/{share:.1f}",
    ]


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description="The stage tree beside independent trials.")
    parser.add_argument("--unit", type=int, default=20, help="steps of the target phase at rung 0 (default 20)")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="default: all four")
    parser.add_argument("--save", type=Path, metavar="FILE", help=f"keep the result, for example in {WHERE.name}/")
    options = parser.parse_args()
    lines = heading(("deepspeed", "torch", "transformers"))
    with contextlib.closing(LocalGroup(ENGINE)) as group, tempfile.TemporaryDirectory() as folder:
        bench = Bench(group, Path(folder))
        prepare(bench, unit=options.unit)
        second, second_alone = Side(), 0
        for family in options.families:
            for rate in INTERMEDIATE_RATES:
                bench.compare(trials_of(family, rate=rate, unit=options.unit, targets=range(NUM_TARGETS)))
                half = NUM_TARGETS // 2
                overlapping = trials_of(family, rate=rate, unit=options.unit, targets=range(half, half + NUM_TARGETS))
                results = bench.through_the_tree(overlapping, side=second)
                second_alone += sum(result.steps_if_alone for result in results.values())
                so_far = "\n".join(report(bench, second=second, second_alone=second_alone))
                print(f"after {family} at {rate:g}:\n{so_far}\n", file=sys.stderr)
    lines += ["", *report(bench, second=second, second_alone=second_alone)]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="The stage tree beside independent trials", text="\n".join(lines))
    return 0 if bench.num_identical == bench.num_compared else 1


if __name__ == "__main__":
    sys.exit(main())
