"""Reads and writes a recorded grid: what every configuration of its spec scored at each rung.

    xstilts search benchmarks/replay/surrogate.yaml
    cd benchmarks; python -m replay.surrogate    # writes surrogate.csv.xz beside it from the record of that sweep

A replayed trial needs no training: its scores are looked up. Between two recorded learning rates they are interpolated
over the logarithms of the rates. Its steps are those of the recorded trial.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import lzma
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from replay.grids import GRIDS, Grid

from search.home import find_home
from search.record import Record, open_record
from spaces.space.tree import FAMILY_PATH

_RATES = ("intermediate.rate", "target.learning_rate")
_CHOICES = ("family", "intermediate.mixture", "intermediate.steps", "target.freeze_layers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Scores and steps of one configuration."""

    scores: tuple[float, ...]
    """Average over languages at each rung, 0..1."""
    steps: tuple[int, ...]
    """Optimiser steps that each rung adds, when the rungs below have been run."""
    intermediate_steps: int
    """Optimiser steps of the phase before the target."""


Choice = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """The scores of a grid."""

    grid: Grid
    cells: dict[Choice, dict[tuple[float, float], Cell]]
    """Choices -> (intermediate rate, target rate) -> cell; without an intermediate phase its rate is 0."""
    _axes: dict[Choice, tuple[list[float], list[float]]] = field(
        default_factory=dict[Choice, tuple[list[float], list[float]]], repr=False
    )

    def look_up(self, assignment: Mapping[str, object]) -> Cell:
        """Return the scores and steps of a configuration; between recorded rates the scores are interpolated."""
        point = flat(assignment, grid=self.grid)
        choice = tuple(str(point[name]) for name in _CHOICES)
        table = self.cells[choice]
        if choice not in self._axes:
            self._axes[choice] = tuple(sorted({key[side] for key in table}) for side in (0, 1))  # pyright: ignore[reportArgumentType]
        sides = [_between(axis, float(str(point[name]))) for axis, name in zip(self._axes[choice], _RATES, strict=True)]
        corners = [
            (share_a * share_b, table[a, b])
            for (a, share_a), (b, share_b) in itertools.product(*sides)
            if share_a * share_b > 0
        ]
        scores = tuple(
            sum(share * cell.scores[rung] for share, cell in corners) for rung in range(self.grid.num_recorded)
        )
        return Cell(scores=scores, steps=corners[0][1].steps, intermediate_steps=corners[0][1].intermediate_steps)

    def retrained(self, seed: int, *, deviation: float) -> Surrogate:
        """Return the grid as other training seeds could have produced it: each score has its own noise.

        Args:
            seed: Of the noise.
            deviation: Its standard deviation, in units of scores.
        """
        chance = random.Random(f"retrained {seed}")  # noqa: S311  (a simulation)

        def noisy(cell: Cell) -> Cell:
            return replace(cell, scores=tuple(score + chance.gauss(0, deviation) for score in cell.scores))

        tables = {choice: {rates: noisy(cell) for rates, cell in table.items()} for choice, table in self.cells.items()}
        return Surrogate(grid=self.grid, cells=tables)

    def best(self, family: str | None = None) -> float:
        """Return the best last score of the grid, or of a family; no interpolated one is above it."""
        return max(
            cell.scores[-1]
            for choice, table in self.cells.items()
            if family in {None, choice[0]}
            for cell in table.values()
        )


def flat(assignment: Mapping[str, object], *, grid: Grid) -> dict[str, object]:
    """Return an assignment with the family's own parameters under one name, and what a family fixes filled in."""
    family = str(assignment[FAMILY_PATH])
    found: dict[str, object] = {"family": family, "intermediate.mixture": "-", "intermediate.steps": 0}
    found["intermediate.rate"] = 0.0
    for path, value in assignment.items():
        if path.startswith("intermediate."):
            last = path.rsplit(".", maxsplit=1)[-1]
            found["intermediate.rate" if last == "learning_rate" else f"intermediate.{last}"] = value
        elif path.startswith("target."):
            found[path] = value
    if family in grid.fixed_steps:
        found["intermediate.steps"] = grid.fixed_steps[family]
    return found


def _between(axis: list[float], value: float) -> list[tuple[float, float]]:
    """Return the two neighbours of a value on an axis with their shares; a value beyond an end gets that end."""
    if value <= axis[0]:
        return [(axis[0], 1.0)]
    for low, high in itertools.pairwise(axis):
        if value <= high:
            share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
            return [(low, 1 - share), (high, share)]
    return [(axis[-1], 1.0)]


def load(grid: Grid) -> Surrogate:
    """Return the scores of a grid."""
    cells: dict[Choice, dict[tuple[float, float], Cell]] = {}
    with lzma.open(grid.file, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cell = Cell(
                scores=tuple(float(row[f"score_{rung}"]) for rung in range(grid.num_recorded)),
                steps=tuple(int(row[f"steps_{rung}"]) for rung in range(grid.num_recorded)),
                intermediate_steps=int(row["intermediate_steps"]),
            )
            choice = tuple(row[name] for name in _CHOICES)
            cells.setdefault(choice, {})[float(row[_RATES[0]]), float(row[_RATES[1]])] = cell
    return Surrogate(grid=grid, cells=cells)


def write(record: Record, file: Path, *, grid: Grid) -> int:
    """Return the number of rows after writing the finished sweep as a compressed table."""
    scores = {(one.trial, one.rung): one.score for one in record.measurements(grid.name)}
    headings = [*_CHOICES, *_RATES]
    headings += [f"{name}_{rung}" for name in ("score", "steps") for rung in range(grid.num_recorded)]
    text = io.StringIO()
    rows = csv.DictWriter(text, [*headings, "intermediate_steps"], lineterminator="\n")
    rows.writeheader()
    trials = record.trials(grid.name, states=("finished",))
    for trial in trials:
        lineage = record.stages(grid.name, number=trial.number)
        before = {stage.key: stage.steps for stage in lineage if stage.phase == "intermediate"}
        point = flat(trial.assignment, grid=grid)
        row: dict[str, object] = {name: point[name] for name in headings if name in point}
        seen: set[str] = set()
        for rung in range(grid.num_recorded):
            new = [one for one in lineage if one.rung == rung and one.phase == "target" and one.key not in seen]
            seen |= {one.key for one in new}
            row[f"score_{rung}"] = f"{scores[trial.number, rung]:.5f}"
            row[f"steps_{rung}"] = sum(one.steps for one in new)
        rows.writerow({**row, "intermediate_steps": sum(before.values())})
    file.write_bytes(lzma.compress(text.getvalue().encode(), preset=9))
    return len(trials)


def main() -> None:
    """Write the table from the record of XSTILTS_HOME."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", choices=GRIDS, default="surrogate", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="default: beside its spec")
    chosen = parser.parse_args()
    grid = GRIDS[chosen.grid]
    file: Path = chosen.out or grid.file
    with open_record(find_home().record, read_only=True) as record:
        num_rows = write(record, file, grid=grid)
    print(f"{num_rows} configurations, {file.stat().st_size} bytes, in {file}")


if __name__ == "__main__":
    main()
