"""The trials of `plan_at_scale.py`: four families of intermediate checkpoints, eight targets from each."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import lru_cache

from search.forecast.simulation import Plan
from trainables.config import (
    EngineConfig,
    PhaseConfig,
    RungsConfig,
    SamplingConfig,
    ScheduleConfig,
    TrialConfig,
    VisionConfig,
)
from trainables.plan.provenance import task_names
from trainables.plan.stage_plan import Provenance, plan_stages
from trainables.tasks.registry import task

NUM_TARGETS = 8
RUNGS = RungsConfig(num=3, eta=3, grow=("target",))
CAP = 2**17
"""Examples that a task of a mixture counts with at most (Phang et al. 2020, arXiv 2005.13013)."""

FAMILIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "text": (("snli",), ("qqp",), ("squad",), ("hellaswag",), ("commonsense_qa",), ("cosmos_qa",), ("anli_plus",)),
    "multimodal": (("nlvr2",), ("snli_ve",), ("vqa_v2",), ("flickr30k",)),
    "multitask": (("squad", "snli", "hellaswag"), ("qqp", "squad", "commonsense_qa"), ("snli", "snli_ve", "nlvr2")),
    "control": (("snli@shuffled",), ("nlvr2@shuffled",), ("qqp@shuffled",)),
}
"""Family -> the mixtures of its intermediate phases."""

LONG_TEXTS = frozenset({"squad", "cosmos_qa"})
"""Tasks with contexts: a phase with one takes 256 tokens, else 128."""

STABLE = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=500)
VISION = VisionConfig(tower="openai/clip-vit-base-patch32", freeze=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrials:
    """Trials with the stages of all their rungs."""

    plans: dict[int, Plan]
    """Trial's number -> its plan, in the order in which they are proposed."""
    provenance: Provenance
    """Made up, except for the tasks."""


def plan_trials(num_trials: int, *, seed: int) -> PlannedTrials:
    """Return the requested number of trials, in random order."""
    num_intermediates = -(-num_trials // NUM_TARGETS)
    pairs = list(itertools.product(_intermediates(num_intermediates), _targets()))[:num_trials]
    configs = [
        TrialConfig(intermediate=intermediate, target=target, engine=EngineConfig(precision="bfloat16"))
        for intermediate, target in pairs
    ]
    random.Random(seed).shuffle(configs)  # noqa: S311  (an order is no secret)
    provenance = _made_up_provenance({name for config in configs for name in task_names(config)})
    plans = {
        number: tuple(plan_stages(config, provenance=provenance, rungs=RUNGS, rung=rung) for rung in range(RUNGS.num))
        for number, config in enumerate(configs)
    }
    return PlannedTrials(plans=plans, provenance=provenance)


def _intermediates(count: int) -> list[PhaseConfig]:
    """Return distinct phases, the families in turn."""
    found: list[PhaseConfig] = []
    for number in range(count):
        mixtures = list(FAMILIES.values())[number % len(FAMILIES)]
        turn, which = divmod(number // len(FAMILIES), len(mixtures))
        found.append(_intermediate(mixtures[which], learning_rate=(1e-5, 2e-5, 3e-5)[turn % 3], seed=turn // 3))
    return found


def _intermediate(tasks: tuple[str, ...], *, learning_rate: float, seed: int) -> PhaseConfig:
    return PhaseConfig(
        mixture=dict.fromkeys(tasks, 1 / len(tasks)),
        sampling=SamplingConfig(kind="proportional", cap=CAP) if len(tasks) > 1 else SamplingConfig(),
        epochs=2.0,
        learning_rate=learning_rate,
        max_length=256 if LONG_TEXTS.intersection(name.split("@")[0] for name in tasks) else 128,
        vision=VISION if any(_spec(name).has_images for name in tasks) else None,
        seed=seed,
    )


def _targets() -> list[PhaseConfig]:
    """Return the target phases: 2 epochs of MNLI, as in Phang et al. 2020."""
    choices = itertools.product((5e-6, 1e-5, 2e-5, 3e-5), range(NUM_TARGETS // 4))
    return [
        PhaseConfig(mixture={"mnli": 1.0}, epochs=2.0, learning_rate=rate, schedule=STABLE, seed=seed)
        for rate, seed in choices
    ]


def _made_up_provenance(names: set[str]) -> Provenance:
    return Provenance(
        encoder="xlm-roberta-large",
        specs={name: _spec(name) for name in sorted(names)},
        data={name: f"rows of {name}" for name in sorted(names)},
        vision={VISION.tower: "clip"},
    )


_spec = lru_cache(task)
