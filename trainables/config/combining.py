"""Configuration of weights that are combined without training: a merge of encoders, and an average of target runs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from trainables.config.frozen import FrozenModel

MergeMethod = Literal["linear", "task_arithmetic", "ties"]
"""How a merge computes its weights from those of its parts."""

TIES_DENSITY = 0.2
"""Share of a task vector that `ties` keeps (Yadav et al. 2023, arXiv 2306.01708: 20 %)."""


EVERY = 0.1
"""Usual distance between averaged checkpoints, as a share of the steps (Schmidt et al. 2023, arXiv 2305.16834)."""


class MergeConfig(FrozenModel):
    """An intermediate encoder that is merged from encoders of single tasks, its *parts*, instead of trained.

    `mixture` names the parts' tasks and their weights. A part is the intermediate phase with one of the tasks; it has
    the other settings of the phase, and `vision` only if its task has images.
    """

    method: MergeMethod = "linear"
    """`linear`: weighted mean of the parts (arXiv 2203.05482). `task_arithmetic`: start + `scaling` times the weighted
    mean of the parts' differences from it (2212.04089). `ties`: also trimmed, with elected signs (2306.01708)."""
    scaling: float | None = Field(default=None, gt=0, le=100)
    """Factor of the weighted mean of differences; not with `linear`. None: 1. The sum of n differences: n."""
    density: float | None = Field(default=None, gt=0, le=1)
    """Share of each part's differences that `ties` keeps, the largest; only with `ties`. None: 0.2."""
    parts: dict[str, dict[str, JsonValue]] = Field(default_factory=dict[str, dict[str, JsonValue]])
    """Task -> fields of its part that differ from the phase, such as `{nlvr: {learning_rate: 3e-5}}`."""

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.scaling is not None and self.method == "linear":
            msg = "scaling has no effect on method linear; remove it, or set method: task_arithmetic"
            raise ValueError(msg)
        if self.density is not None and self.method != "ties":
            msg = f"density has no effect on method {self.method}; remove it, or set method: ties"
            raise ValueError(msg)
        return self


class AverageConfig(FrozenModel):
    """A target model that is the average of the weights of several runs, or of several steps of one run.

    Runs differ in their seeds and share the start of their head, so that heads are averaged too (Schmidt et al. 2023,
    arXiv 2305.16834). Exactly one of `seeds` and `last` is given.
    """

    seeds: int | None = Field(default=None, ge=2, le=100)
    """Number of runs: seeds `seed`, `seed` + 1, and so on. Each is a stage that other trials can share."""
    last: int | None = Field(default=None, ge=2, le=100)
    """Number of checkpoints of one run: its end, and the steps before it at distances of `every`."""
    every: float | None = Field(default=None, gt=0, lt=1)
    """Distance between two checkpoints as a share of the phase's steps; only with `last`. None: 0.1."""
    select: Literal["uniform", "greedy"] = "uniform"
    """`uniform`: all runs. `greedy`: runs in the order of their English dev score; a run is added only if the average
    with it scores no lower on the same English items (Wortsman et al. 2022, arXiv 2203.05482, recipe 1)."""

    @model_validator(mode="after")
    def _runs_or_checkpoints(self) -> Self:
        if (self.seeds is None) == (self.last is None):
            msg = f"seeds is {self.seeds} and last is {self.last}; give exactly one of the two"
            raise ValueError(msg)
        if self.last is None and self.every is not None:
            msg = "every has no effect on an average of seeds; remove it, or give last"
            raise ValueError(msg)
        if self.last is not None and self.shares_before_end[0] <= 0:
            distance = EVERY if self.every is None else self.every
            msg = f"{self.last} checkpoints at distances of {distance:g} do not fit into the phase; lower last or every"
            raise ValueError(msg)
        return self

    @property
    def num_runs(self) -> int:
        """Number of runs that are trained."""
        return self.seeds or 1

    @property
    def shares_before_end(self) -> tuple[float, ...]:
        """Shares of the steps (0..1) at which checkpoints before the end are taken, rising; empty for runs."""
        every = EVERY if self.every is None else self.every
        return tuple(round(1 - turn * every, 9) for turn in range((self.last or 1) - 1, 0, -1))
