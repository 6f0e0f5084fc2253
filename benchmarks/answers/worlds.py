"""What both sides of `time_to_answer.py` search: encoder, tasks, steps, ranges. All settings of training are equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any  # Any: a spec is a document

import numpy as np
from machine import require_encoder

from trainables.data.sources.locator import MINIATURE, locate_model

RUNG_FACTOR, NUM_RUNGS = 3, 3
"""Lower rungs have a third and a ninth of the target steps on both sides, as in the shipped specs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A question, at a scale that a machine with two cores can answer."""

    name: str
    encoder: str
    """As a spec names it."""
    intermediate_tasks: tuple[str, ...]
    """The first one is the family's default."""
    intermediate_steps: int
    intermediate_rates: tuple[float, float, float]
    """Lowest, default, and highest learning rate."""
    target_task: str
    target_steps: int
    target_rates: tuple[float, float, float]
    evaluation_task: str
    languages: tuple[str, ...]
    num_items: int
    """Items of each language."""
    batch_size: int = 32
    max_length: int = 64
    freeze_layers: int = 0
    """Lowest layers that are frozen. The embeddings are frozen too."""

    @property
    def encoder_folder(self) -> Path:
        """Where transformers loads the encoder from."""
        return locate_model(self.encoder).path

    @property
    def rungs(self) -> tuple[int, ...]:
        """Target steps at each rung."""
        return tuple(max(1, self.target_steps // RUNG_FACTOR**left) for left in reversed(range(NUM_RUNGS)))

    def listed(self, *, num_targets: int) -> list[dict[str, Any]]:
        """Return every intermediate task at its default rate with `num_targets` target learning rates."""
        lowest, _, highest = self.target_rates
        rates = np.geomspace(lowest, highest, num_targets).tolist()
        return [
            {"task": name, "intermediate_rate": self.intermediate_rates[1], "target_rate": rate}
            for name in self.intermediate_tasks
            for rate in rates
        ]

    def spec(self, *, trials: int, seed: int, listed: list[dict[str, Any]] | None) -> dict[str, Any]:
        """Return the spec of our side: given configurations, or a space whose sampler and rungs are the defaults."""
        shared: dict[str, Any] = {"batch_size": self.batch_size, "max_length": self.max_length, "num_dev_items": 0}
        shared |= {"freeze_embeddings": True, "freeze_layers": self.freeze_layers}
        target = {"mixture": {self.target_task: 1.0}, "steps": self.target_steps, "seed": seed}
        rate = self.intermediate_rates[1] if listed else _searched(self.intermediate_rates)
        document: dict[str, Any] = {
            "name": "answer",
            "objective": "average",
            "seed": seed,
            "trials": trials,
            "trial": {
                "encoder": {"name": self.encoder},
                "intermediate": shared,
                "target": shared | target,
                "evaluation": {
                    "task": self.evaluation_task,
                    "languages": list(self.languages),
                    "num_items": self.num_items,
                    "max_length": self.max_length,
                },
                "engine": {"num_workers": 1, "threads_per_rank": 1},
            },
            "families": {
                "none": {},
                "text": {
                    "mixture": {"choice": list(self.intermediate_tasks)},
                    "learning_rate": rate,
                    "steps": self.intermediate_steps,
                    "seed": seed,
                },
            },
            "search": {"target.learning_rate": _searched(self.target_rates)},
        }
        return document | (self._given(listed) if listed else {})

    def _given(self, listed: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the part of a spec that runs given configurations, all of them to their end."""
        points = [
            {
                "name": str(number),
                "assignment": {
                    "family": "text",
                    "intermediate.text.mixture": one["task"],
                    "target.learning_rate": one["target_rate"],
                },
            }
            for number, one in enumerate(listed)
        ]
        given = {"name": "given", "points": points}
        return {"sampler": given, "rungs": {"num": 1}, "pruner": {}}

    def document(self) -> dict[str, Any]:
        """Return what the other side's program reads."""
        kept = asdict(self) | {"encoder_folder": str(self.encoder_folder), "rungs": list(self.rungs)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def world(name: str, *, quick: bool) -> World:
    """Return one of the worlds.

    Args:
        name: `miniature`, or `mirror`: real data and a real encoder, which XSTILTS_MIRROR holds.
        quick: Whether phases have a few steps, to show that everything runs.
    """
    if name == MINIATURE:
        return World(
            name=name,
            encoder=MINIATURE,
            intermediate_tasks=("miniature_choice", "miniature_qa"),
            intermediate_steps=8 if quick else 800,
            intermediate_rates=(3e-4, 1e-3, 3e-3),
            target_task="miniature_nli",
            target_steps=9 if quick else 400,
            target_rates=(5e-4, 3e-3, 5e-3),
            evaluation_task="miniature_nli",
            languages=("en", "de") if quick else ("en", "de", "fr", "sw", "zh"),
            num_items=20 if quick else 300,
            freeze_layers=2,
        )
    encoder = "lab/xlmr-e5-small-6l"
    require_encoder(encoder)
    return World(
        name=name,
        encoder=encoder,
        intermediate_tasks=("snli", "commonsense_qa"),
        intermediate_steps=4 if quick else 100,
        intermediate_rates=(1e-5, 5e-5, 2e-4),
        target_task="mnli",
        target_steps=9 if quick else 50,
        target_rates=(1e-5, 1e-4, 4e-4),
        evaluation_task="xnli",
        languages=("en", "de") if quick else ("en", "de", "fr", "sw", "zh"),
        num_items=20 if quick else 250,
        max_length=128,
    )


def _searched(rates: tuple[float, float, float]) -> dict[str, Any]:
    lowest, usual, highest = rates
    return {"log": [lowest, highest], "default": usual}
