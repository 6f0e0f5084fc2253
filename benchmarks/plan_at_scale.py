"""Simulates what sharing stages saves on XLM-R Large and many GPUs: the sweep is planned and scheduled, not run.

    python benchmarks/plan_at_scale.py [--trials 1000] [--gpus 64] [--gpus-per-trial 1] [--record FILE] [--save FILE]

This is a SIMULATION; it uses no GPU. The driver's own code makes the plans and the order
(`trainables.plan.stage_plan`, `search.scheduling.start_order`), and the sizes of the data sets are the catalogue's. The
time of a stage comes from the stages with the encoder in the record that `--record` names, as in `xstilts search
--dry-run`; without a record, or where it has timed none, a cost model gives it (`scale/cost_model.py`). The output says
which of the two, and states the assumptions.

Each of the four families has a quarter of the intermediate checkpoints, 8 target configurations start from each, and
the target phase grows over 3 rungs of eta 3. Trials are proposed in random order. On the other side no trial shares a
stage: it trains each rung from scratch, as early stopping with restarts does; or its rungs continue its own stages; or
it is one full-length run.

Pruning is asynchronous successive halving (Li et al. 2020, arXiv 1810.05934) by Optuna's rule, on scores drawn at
random: a trial's quality, and noise that shrinks from rung to rung.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from machine import heading, save
from scale.cost_model import NUM_PARAMETERS, CostModel, MeasuredCosts
from scale.planned_trials import NUM_TARGETS, RUNGS, plan_trials

from search.forecast.measured_times import measured_times
from search.forecast.simulation import Plan, Schedule, Simulation, longest_chain
from search.record import open_record
from search.scheduling.scheduler import MAX_AHEAD
from search.scheduling.start_order import Candidate, in_order
from trainables.plan.stage_plan import Provenance, Stage

HOUR, TERA = 3600.0, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A simulated sweep."""

    name: str
    schedule: Schedule
    costs: CostModel
    num_workers: int

    @property
    def gpu_hours(self) -> float:
        """GPU time spent on stages."""
        return self.schedule.busy_seconds * self.costs.gpus_per_trial / HOUR

    @property
    def steps(self) -> int:
        """Optimiser steps executed."""
        return sum(self.costs.steps(made.stage) for made in self.schedule.made_stages)

    def row(self) -> str:
        """Return the table's line: what it took, the two bounds of its makespan, and its room."""
        stages = [made.stage for made in self.schedule.made_stages]
        work = self.schedule.busy_seconds / self.num_workers
        chain = longest_chain(stages, seconds=self.costs.seconds)
        return (
            f"{self.name:<30}{self.gpu_hours:>10,.0f}{self.schedule.makespan_seconds / HOUR:>12.2f}"
            f"{work / HOUR:>12.2f}{chain / HOUR:>10.2f}{len(stages):>9,}{self.steps / 1e6:>10.1f}"
            f"{self.schedule.peak(self.costs.weight_bytes) / TERA:>12.2f}"
            f"{self.schedule.peak(self.costs.state_bytes) / TERA:>11.2f}"
        )


class Halving:
    """Promotes a trial that is among the best `1 / eta` of those measured at its rung so far.

    Args:
        num_trials: Trials whose scores are drawn.
        seed: Of the draw.
    """

    def __init__(self, num_trials: int, *, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  (scores are no secrets)
        quality = [chance.gauss(0, 1) for _ in range(num_trials)]
        self._scores = [[one + chance.gauss(0, 1 / (1 + rung)) for rung in range(RUNGS.num)] for one in quality]
        self._measured: dict[int, list[float]] = {rung: [] for rung in range(RUNGS.num)}

    def __call__(self, number: int, rung: int) -> bool:
        """Return whether a trial is promoted; its score counts for the trials after it."""
        score, measured = self._scores[number][rung], self._measured[rung]
        measured.append(score)
        num_best = max(1, len(measured) // RUNGS.eta)
        return score >= sorted(measured, reverse=True)[num_best - 1]


def main() -> None:
    """Simulate every way, and print a table."""
    options = _options()
    started = time.monotonic()
    lines = [*heading(["pydantic"]), "SIMULATION: nothing is trained, no GPU is used"]
    trials = plan_trials(options.trials, seed=options.seed)
    costs = _costs(options, trials.provenance)
    costs.know(trials.plans)
    lines += ["", *_assumptions(options, costs), "", *_sizes(trials.plans, costs)]
    header = (
        f"{'':<30}{'GPU-hours':>10}{'makespan h':>12}{'work/GPUs':>12}{'chain h':>10}{'stages':>9}{'M steps':>10}"
        f"{'weights TB':>12}{'states TB':>11}"
    )
    for title, is_pruned in (("every trial is promoted to the last rung", False), ("successive halving", True)):
        outcomes = _outcomes(trials.plans, costs=costs, is_pruned=is_pruned, options=options)
        lines += ["", title, header, *(one.row() for one in outcomes), *_ratios(outcomes)]
        lines += [f"  {line}" for line in (_parts(outcomes[0]), _highest_rungs(outcomes[0].schedule))]
    lines += ["", *_predictions(trials.plans, costs)]
    lines += ["", f"choosing among {options.trials:,} waiting trials takes {_choice_ms(trials.plans):.1f} ms"]
    lines += [f"all of it took {time.monotonic() - started:.1f} s (target: 60 s)"]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="A sweep planned for XLM-R Large on 64 GPUs (simulated)", text="\n".join(lines))


def _outcomes(
    plans: Mapping[int, Plan], *, costs: CostModel, is_pruned: bool, options: argparse.Namespace
) -> list[Outcome]:
    """Simulate the stage tree, then the ways without sharing."""
    num_workers = options.gpus // options.gpus_per_trial
    ways = {
        "stage tree": plans,
        "alone, each rung from scratch": _each_rung_from_scratch(plans),
        "alone, rungs continued": _rungs_continued(plans),
        "alone, one full run": _one_full_run(plans),
    }
    outcomes: list[Outcome] = []
    for name, of_way in ways.items():
        costs.know(of_way)
        simulation = Simulation(
            of_way,
            seconds=costs.seconds,
            is_promoted=Halving(len(plans), seed=options.seed) if is_pruned else _always,
            num_workers=num_workers,
            max_ahead=options.ahead,
        )
        outcomes.append(Outcome(name=name, schedule=simulation.run(), costs=costs, num_workers=num_workers))
    return outcomes


def _costs(options: argparse.Namespace, provenance: Provenance) -> CostModel:
    """Return the costs by what the record has timed; without that by the cost model."""
    if options.record is not None:
        with open_record(options.record, read_only=True) as record:
            times = measured_times(record, encoder=options.encoder, ranks=options.gpus_per_trial)
        if times.counts_tokens:
            return MeasuredCosts(
                provenance, gpus_per_trial=options.gpus_per_trial, times=times, source=str(options.record)
            )
        print(f"{options.record} has no stage of {options.encoder!r} whose tokens were counted: the cost model is used")
    return CostModel(provenance, gpus_per_trial=options.gpus_per_trial, utilisation=options.utilisation)


def _always(number: int, rung: int) -> bool:
    del number, rung
    return True


def _each_rung_from_scratch(plans: Mapping[int, Plan]) -> dict[int, Plan]:
    return {
        number: tuple(_apart(_without_trunks(stages), f"{number}.{rung}.") for rung, stages in enumerate(plan))
        for number, plan in plans.items()
    }


def _rungs_continued(plans: Mapping[int, Plan]) -> dict[int, Plan]:
    return {number: tuple(_apart(stages, f"{number}.") for stages in plan) for number, plan in plans.items()}


def _one_full_run(plans: Mapping[int, Plan]) -> dict[int, Plan]:
    return {number: (_apart(_without_trunks(plan[-1]), f"{number}."),) for number, plan in plans.items()}


def _without_trunks(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    return tuple(one.model_copy(update={"continues": None}) for one in stages if not one.is_trunk)


def _apart(stages: tuple[Stage, ...], prefix: str) -> tuple[Stage, ...]:
    """Return stages under keys that no other trial has."""

    def apart(key: str | None) -> str | None:
        return prefix + key if key else None

    return tuple(
        one.model_copy(update={"key": prefix + one.key, "parent": apart(one.parent), "continues": apart(one.continues)})
        for one in stages
    )


def _assumptions(options: argparse.Namespace, costs: CostModel) -> list[str]:
    sweep = f"{options.trials:,} trials, {options.gpus} GPUs, {options.gpus_per_trial} a trial"
    tree = f"{RUNGS.num} rungs of eta {RUNGS.eta}, {NUM_TARGETS} targets an intermediate checkpoint"
    return [
        f"sweep     {sweep}, {tree}",
        f"model     XLM-R Large, {NUM_PARAMETERS / 1e6:.0f} M parameters, in the store 4 bytes each, in trunks 12",
        *costs.assumptions(),
    ]


def _sizes(plans: Mapping[int, Plan], costs: CostModel) -> list[str]:
    intermediate, target = _intermediates(plans), costs.steps(_full_targets(plans)[0])
    steps = [costs.steps(one) for one in intermediate]
    range_of_steps = f"{min(steps):,} to {max(steps):,} steps (mean {fmean(steps):,.0f})"
    return [
        f"sizes     {len(intermediate)} intermediate checkpoints of {range_of_steps}; target {target:,} steps in full"
    ]


def _intermediates(plans: Mapping[int, Plan]) -> list[Stage]:
    return list({plan[-1][0].key: plan[-1][0] for plan in plans.values()}.values())


def _full_targets(plans: Mapping[int, Plan]) -> list[Stage]:
    return [one for plan in _one_full_run(plans).values() for one in plan[0] if one.phase == "target"]


def _ratios(outcomes: list[Outcome]) -> list[str]:
    tree, *alone = outcomes
    return [
        f"  {one.name} / stage tree: {one.gpu_hours / tree.gpu_hours:.2f}x GPU-hours, {one.steps / tree.steps:.2f}x "
        f"steps, {one.schedule.makespan_seconds / tree.schedule.makespan_seconds:.2f}x makespan"
        for one in alone
    ]


def _predictions(plans: Mapping[int, Plan], costs: CostModel) -> list[str]:
    """Return what the formula says without pruning, for full runs and for rungs from scratch."""
    intermediate = fmean(costs.training_seconds(one) for one in _intermediates(plans))
    target = fmean(costs.training_seconds(one) for one in _full_targets(plans))
    ratio, shared = intermediate / target, NUM_TARGETS
    lengths = [RUNGS.share(rung) for rung in range(RUNGS.num)]
    decays = 0.2 * sum(lengths[:-1])
    from_scratch = shared * (RUNGS.num * ratio + sum(lengths)) / (ratio + shared * (1 + decays))
    one_run = shared * (ratio + 1) / (ratio + shared)
    with_rungs = f"F (3 r + {sum(lengths):.2f}) / (r + F (1 + {decays:.2f}))"
    return [
        f"formula   r = intermediate / target = {ratio:.2f} in mean training time, F = {shared}",
        f"          one full run each: F (r + 1) / (r + F) = {one_run:.2f}x, and never more than r + 1",
        f"          each rung from scratch: {with_rungs} = {from_scratch:.2f}x",
        "          (training alone: evaluations, dev scores and starts are in the ratios above, not in the formula)",
    ]


def _parts(tree: Outcome) -> str:
    """Return what the stage tree's time goes to: its many short stages have their price."""
    training = sum(tree.costs.training_seconds(made.stage) for made in tree.schedule.made_stages)
    starts = sum(tree.costs.overhead_seconds(made.stage) for made in tree.schedule.made_stages)
    total = tree.schedule.busy_seconds
    scoring = total - training - starts
    return f"stage tree: {training / total:.0%} training, {scoring / total:.0%} scoring, {starts / total:.0%} loading"


def _highest_rungs(schedule: Schedule) -> str:
    """Return how far the trials came."""
    reached = list(schedule.rungs_reached.values())
    return "trials by highest rung: " + ", ".join(f"rung {rung}: {reached.count(rung)}" for rung in range(RUNGS.num))


def _choice_ms(plans: Mapping[int, Plan]) -> float:
    """Return the time of choosing among all trials when none has started, and a worker is about to make each stage."""
    candidates = [
        Candidate(number=number, missing=tuple(one.key for one in plan[0]), starts=tuple(one.parent for one in plan[0]))
        for number, plan in plans.items()
    ]
    started = time.perf_counter()
    for _ in range(10):
        in_order(candidates, in_flight=set(), loaded=frozenset())
    return (time.perf_counter() - started) / 10 * 1e3


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A sweep on XLM-R Large and many GPUs, planned and not run.")
    parser.add_argument("--trials", type=int, default=1000, help="trials (default: %(default)s)")
    parser.add_argument("--gpus", type=int, default=64, help="GPUs (default: %(default)s)")
    parser.add_argument("--gpus-per-trial", type=int, default=1, help="GPUs of a trial (default: %(default)s)")
    parser.add_argument("--utilisation", type=float, default=0.4, help="share of the GPU's peak (default: %(default)s)")
    parser.add_argument("--record", type=Path, help="record whose timed stages give the times (default: none)")
    parser.add_argument(
        "--encoder", default="FacebookAI/xlm-roberta-large", help="their encoder, as in trials (default: %(default)s)"
    )
    parser.add_argument("--ahead", type=int, default=MAX_AHEAD, help="trials proposed ahead (default: the driver's)")
    parser.add_argument("--seed", type=int, default=0, help="of order and scores (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
