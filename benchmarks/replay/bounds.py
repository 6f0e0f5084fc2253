"""What a search of the recorded grid needs that makes no error, where learning rates are listed.

    cd benchmarks; python -m replay.bounds [--grid NAME] [--seeds N]

Two searches that know the scores. The first knows the best target configuration beforehand, and has to find an
intermediate configuration that reaches the goal with it. The second learns the targets under its first intermediate
configuration: it measures each at the lower rung and finishes a third of them, and then tries the best one under
further intermediate configurations. Both take these in random order, finish only trials that reach the goal, and pay
as `replayed_sweeps` does. Beside them: random search with halving, and the goal of a third of its steps. A sampler that
needs less than the second search has been lucky, or knew something.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator

from replay.grids import GRIDS
from replay.grids import Grid as RecordedGrid
from replay.replayed_sweeps import Method, Slice, replay, slices, steps_of_rung
from replay.surrogate import Cell, Surrogate, load

GOAL = 0.99
RANDOM = Method(name="random", sampler={"name": "random"}, has_first=False)

Target = tuple[str, float]
"""Frozen layers and learning rate of a target phase."""
Grid = list[dict[Target, Cell]]
"""For each intermediate configuration, the cells of its targets."""


def grid_of(surrogate: Surrogate, family: str) -> Grid:
    """Return the recorded grid of a family."""
    found: dict[tuple[object, ...], dict[Target, Cell]] = {}
    for choice, cells in surrogate.cells.items():
        if choice[0] == family:
            for (before, rate), cell in cells.items():
                found.setdefault((*choice[:-1], before), {})[choice[-1], rate] = cell
    return list(found.values())


def informed(grid: Grid, *, of: RecordedGrid, goal: float, chance: random.Random) -> int:
    """Return the steps of a search that knows the best target configuration."""
    best = max(grid[0], key=lambda target: max(cells[target].scores[-1] for cells in grid))
    return _tried(chance.sample(grid, len(grid)), best, of=of, goal=goal)


def learning(grid: Grid, *, of: RecordedGrid, goal: float, chance: random.Random) -> int:
    """Return the steps of a search that learns the targets under its first intermediate configuration."""
    first, *others = chance.sample(grid, len(grid))
    best = max(first, key=lambda target: max(cells[target].scores[-1] for cells in grid))
    steps = next(iter(first.values())).intermediate_steps
    for place, target in enumerate(chance.sample(list(first), len(first))):
        steps += steps_of_rung(first[target], rung=0, grid=of)
        if first[target].scores[-1] >= goal or place % 3 == 0:
            steps += steps_of_rung(first[target], rung=1, grid=of)
        if first[target].scores[-1] >= goal:
            return steps
    return steps + _tried(others, best, of=of, goal=goal)


def _tried(order: Grid, target: Target, *, of: RecordedGrid, goal: float) -> int:
    steps = 0
    for cells in order:
        cell = cells[target]
        steps += cell.intermediate_steps + steps_of_rung(cell, rung=0, grid=of)
        if cell.scores[-1] >= goal:
            return steps + steps_of_rung(cell, rung=1, grid=of)
    return steps


def line(surrogate: Surrogate, part: Slice, *, num_seeds: int) -> str:
    """Return a slice's row of the table."""
    grid, goal = grid_of(surrogate, part.families[0]), GOAL * part.best(surrogate)
    num_reach = sum(cell.scores[-1] >= goal for cells in grid for cell in cells.values())
    courses = [replay(surrogate, part, RANDOM, seed=seed, goal=goal, max_trials=250) for seed in range(num_seeds)]
    drawn = statistics.median(course.steps for course in courses)
    searches = [
        statistics.median(search(grid, of=part.grid, goal=goal, chance=chance) for chance in _chances())
        for search in (informed, learning)
    ]
    cells = [f"{value:>10,.0f} ({value / drawn:.2f})" for value in (*searches, drawn / 3)]
    num_configurations = sum(map(len, grid))
    return f"{part.name:20}{num_configurations:>8}{len(grid):>8}{num_reach:>8}{drawn:>10,.0f}" + "".join(cells)


def _chances() -> Iterator[random.Random]:
    return (random.Random(seed) for seed in range(1000))  # noqa: S311  (a simulation)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, help="of random search (default: %(default)s)")
    parser.add_argument("--grid", choices=GRIDS, default="surrogate", help="(default: %(default)s)")
    chosen = parser.parse_args()
    num_seeds, surrogate = chosen.seeds, load(GRIDS[chosen.grid])
    print("median steps to 99% of the best; in brackets, ratio to random search")
    counts = f"{'grid':>8}{'before':>8}{'reach':>8}{'random':>10}"
    print(f"{'slice':20}{counts}{'knows targets':>17}{'learns them':>17}{'a third':>17}")
    for part in slices(surrogate.grid):
        if part.is_listed and len(part.families) == 1:
            print(line(surrogate, part, num_seeds=num_seeds), flush=True)


if __name__ == "__main__":
    main()
