"""Measures how often verdicts and intervals are wrong, on simulated sweeps with shared intermediate stages.

    python benchmarks/statistics.py [--sweeps 1000] [--save FILE]

Each simulated sweep runs through the code of `xstilts compare` and `xstilts confirm`; random numbers replace only the
training. Seeds change a score by 0.5 points (half the variance from the intermediate seed, half from the
target's), as on XNLI.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import heading, save
from scipy import stats
from simulated.seed_luck import NUM_SWEEPS, SHAPES, SHARES, errors, rounded, verdicts_without_spread

from search.compare.comparison_result import GroupComparison, Protocol
from search.compare.runs import POINTS, Group, Run, make_group
from search.compare.sequential import look_alpha, next_size
from search.compare.verdicts import MIN_SEEDS, compare_groups

SD, MARGIN, ALPHA, LARGEST, PLANTED = 0.5, 0.5, 0.05, 60, 1.2
PART = SD / np.sqrt(2)
NUM_CONFIGS, NUM_CHECKPOINTS, NUM_BASELINES = 50, 10, 10


def group(
    name: str, points: Sequence[float], *, checkpoints: Sequence[int], items: Sequence[np.ndarray] | None = None
) -> Group:
    """Return a group of runs with these scores in points above 70."""
    runs = [
        Run(
            trial=number,
            checkpoint=f"{name} {checkpoint}",
            lineage=f"{name} {number}",
            intermediate_seed=checkpoint,
            target_seed=number,
            score=0.7 + value / POINTS if items is None else float(items[number].mean()),
            items_N=None if items is None else items[number],
        )
        for number, (value, checkpoint) in enumerate(zip(points, checkpoints, strict=True))
    ]
    return make_group(name, runs)


def drawn(rng: np.random.Generator, num: int, *, effect: float = 0.0) -> np.ndarray:
    """Return scores of independent runs."""
    return effect + rng.normal(0, PART, num) + rng.normal(0, PART, num)


def verdicts(arms: Sequence[Group], *, baseline: Group, alpha: float = ALPHA) -> tuple[GroupComparison, ...]:
    """Return the tool's comparison of each arm with the baseline."""
    protocol = Protocol(margin=MARGIN, alpha=alpha)
    return compare_groups(arms, baseline=baseline, protocol=protocol, how="xstilts confirm sweep --seeds {}".format)[1:]


def confirmed(rng: np.random.Generator, *, effect: float) -> tuple[str, int, int]:
    """Return the verdict of a confirmation with fresh seeds, the seeds it asked for after the first look, and used."""
    arm, base = drawn(rng, LARGEST, effect=effect), drawn(rng, LARGEST)
    done, asked, found = 0, 0, ()
    for look in range(1, 100):
        done = next_size(found, done=done, seeds=LARGEST)
        numbers = range(done)
        found = verdicts(
            [group("arm", arm[:done], checkpoints=numbers)],
            baseline=group("none", base[:done], checkpoints=numbers),
            alpha=look_alpha(look, alpha=ALPHA),
        )
        if look == 1:
            asked = done + (found[0].more_seeds or 0)
        if found[0].verdict != "undecided" or done == LARGEST:
            break
    return found[0].verdict, asked, done


def naive(rng: np.random.Generator) -> bool:
    """Return whether the best of 50 trials without any effect looks better than the baseline to a plain t test."""
    shared = np.repeat(rng.normal(0, PART, NUM_CHECKPOINTS), NUM_CONFIGS // NUM_CHECKPOINTS)
    scores = shared + rng.normal(0, PART, NUM_CONFIGS)
    base = drawn(rng, NUM_BASELINES)
    best = scores[shared == shared[scores.argmax()]]  # the winner's checkpoint, its trials taken as independent
    test = stats.ttest_ind(best, base)
    return bool(test.pvalue < ALPHA and best.mean() > base.mean())


def family_sweep(rng: np.random.Generator) -> tuple[bool, ...]:
    """Return whether any of four families without effect is called better, and the first one's interval holds 0."""
    checkpoints = rng.integers(0, 6, 12)
    arms = [
        group(
            f"family {number}", rng.normal(0, PART, 6)[checkpoints] + rng.normal(0, PART, 12), checkpoints=checkpoints
        )
        for number in range(4)
    ]
    found = verdicts(arms, baseline=group("none", drawn(rng, NUM_BASELINES), checkpoints=range(NUM_BASELINES)))
    first = next(one for one in found if one.group == "family 0")
    return any(one.verdict == "better" for one in found), first.low is None or first.low <= 0 <= (first.high or 0)


def covers(rng: np.random.Generator) -> bool:
    """Return whether the interval of a sweep with unequal groups holds the true effect of 1.2."""
    checkpoints = np.concatenate([np.arange(6), rng.integers(0, 6, 14)])
    scores = PLANTED + rng.normal(0, PART, 6)[checkpoints] + rng.normal(0, PART, 20)
    (found,) = verdicts(
        [group("arm", scores, checkpoints=checkpoints)],
        baseline=group("none", drawn(rng, 8), checkpoints=range(8)),
    )
    return (found.low or 0) <= PLANTED <= (found.high or 0)


def covers_with_items(rng: np.random.Generator, *, num_items: int = 400, num_languages: int = 5) -> bool:
    """Return whether the interval holds the true effect when items are drawn too, parallel over languages."""
    ease_N = rng.normal(0.6, 1.0, num_items)
    chance = {"arm": rng.normal(0.1, 0.5, num_items), "none": rng.normal(0.0, 0.5, num_items)}
    true = POINTS * (_population(0.1) - _population(0.0))
    made: dict[str, Group] = {}
    for name, shift_N in chance.items():
        rows: list[np.ndarray] = []
        for _ in range(6):
            latent_N = ease_N + shift_N + rng.normal(0, 0.03)
            own_NL = latent_N[:, None] + rng.normal(0, 0.5, (num_items, num_languages))
            rows.append((own_NL > rng.normal(0, 1, (num_items, num_languages))).mean(axis=1))
        made[name] = group(name, [0.0] * 6, checkpoints=range(6), items=rows)
    (found,) = verdicts([made["arm"]], baseline=made["none"])
    return (found.low or 0) <= true <= (found.high or 0)


def _population(shift: float) -> float:
    """Return the chance of a right answer to a new item: all the parts are normal."""
    return float(stats.norm.cdf((0.6 + shift) / np.sqrt(1 + 1.0 + 0.25 + 0.03**2 + 0.25)))


def rate(make: Callable[[np.random.Generator], bool], *, num: int, seed: int) -> float:
    """Return how often something holds, in percent."""
    return 100 * float(np.mean([make(np.random.default_rng([seed, number])) for number in range(num)]))


def measure(num: int) -> list[tuple[str, str, str, bool]]:
    """Return what is measured, its value, its bound, and whether it holds."""
    rows: list[tuple[str, str, str, bool]] = []

    def add(what: str, value: float, low: float, high: float) -> None:
        bound = f"<= {high:g} %" if low <= 0 else f">= {low:g} %" if high >= 100 else f"{low:g}-{high:g} %"  # noqa: PLR2004
        rows.append((what, f"{value:.1f} %", bound, low <= value <= high))

    naive_rate = rate(naive, num=num, seed=0)
    rows.append(("best of 50, no effect: called better by a naive t test", f"{naive_rate:.1f} %", "", True))
    null = [confirmed(np.random.default_rng([1, number]), effect=0.0) for number in range(num)]
    add("best of 50, no effect: called better by confirm", _share(null, "better"), 0, 5)
    rows.append(("    called equivalent; seeds used, median", _words(null, "equivalent"), "", True))
    families = [family_sweep(np.random.default_rng([2, number])) for number in range(num)]
    add("four families without effect: any called better by compare", 100 * np.mean([one[0] for one in families]), 0, 5)
    planted = [confirmed(np.random.default_rng([3, number]), effect=PLANTED) for number in range(num)]
    add("planted +1.2, seed sd 0.5: found by confirm", _share(planted, "better"), 80, 100)
    rows.append(("    found; seeds used, median", _words(planted, "better"), "", True))
    at_once = [found_with_asked(np.random.default_rng([3, number]), asked=one[1]) for number, one in enumerate(planted)]
    add("planted +1.2: found in one look with the seeds first asked for", 100 * np.mean(at_once), 80, 100)
    edge = [confirmed(np.random.default_rng([4, number]), effect=MARGIN) for number in range(num)]
    add("effect at the margin: called equivalent by confirm", _share(edge, "equivalent"), 0, 5)
    add("interval holds +1.2, shared intermediates, unequal groups", rate(covers, num=num, seed=5), 93, 97)
    add("interval holds no effect, four families", 100 * np.mean([one[1] for one in families]), 93, 97)
    add("interval holds the effect on new items and seeds", rate(covers_with_items, num=num, seed=6), 93, 97)
    return rows


def measure_seed_luck(num: int) -> list[tuple[str, str, str, bool]]:
    """Return the same for groups whose checkpoints share seeds, and for scores of few items."""
    rows: list[tuple[str, str, str, bool]] = []
    for shape in SHAPES:
        for share in SHARES:
            wrong, holds = errors(shape, share=share)
            words = "  conservative" if holds > 97 else ""  # noqa: PLR2004
            what = f"{shape.name}; {100 * share:.0f} % shared"
            rows.append((what, f"{wrong:.1f} %, {holds:.1f} %", f"<= 5 %, >= 93 %{words}", wrong <= 5 and holds >= 93))  # noqa: PLR2004
    # 4.5 of 6 items are right at 75 points: half of the seeds score 4, the others 5.
    for num_items, between in ((6, (60, 80)), (6, (74.9, 75.1)), (2490, (60, 80))):
        for sizes in ((3, 3), (3, 20), (10, 10)):
            wrong, flat = rounded(num_items, sizes=sizes, between=between)
            scores = f"scores of {num_items} items, true {between[0]:g} to {between[1]:g}"
            what = f"{scores}; {sizes[0]} seeds against {sizes[1]}"
            rows.append((what, f"{wrong:.1f} %", f"<= 5 %  ({flat:.0f} % without spread)", wrong <= 5))  # noqa: PLR2004
    share = verdicts_without_spread(num)
    rows.append(("equal scores of all seeds: any verdict", f"{share:.1f} %", "0 %", share == 0))
    return rows


def found_with_asked(rng: np.random.Generator, *, asked: int) -> bool:
    """Return whether a planted effect is found when the seeds that the first look asked for are compared once, anew."""
    size = max(asked, MIN_SEEDS)
    arm, base = drawn(rng, size, effect=PLANTED), drawn(rng, size)
    made = [group(name, scores, checkpoints=range(size)) for name, scores in (("arm", arm), ("none", base))]
    return verdicts(made[:1], baseline=made[1])[0].verdict == "better"


def _share(found: Sequence[tuple[str, int, int]], verdict: str) -> float:
    return 100 * float(np.mean([one[0] == verdict for one in found]))


def _words(found: Sequence[tuple[str, int, int]], verdict: str) -> str:
    return f"{_share(found, verdict):.1f} %; {np.median([one[2] for one in found]):.0f}"


def main() -> int:
    """Measure, print and save; 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps of each kind")
    parser.add_argument("--save", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    lines = heading(["numpy", "scipy"])
    started = time.monotonic()
    rows = measure(arguments.sweeps)
    lucky = measure_seed_luck(arguments.sweeps)
    lines += [f"sweeps    {arguments.sweeps} of each kind, {time.monotonic() - started:.0f} s", ""]
    lines += _lines(rows)
    lines += ["", f"Without any effect, {NUM_SWEEPS} sweeps of each kind: called different, interval holds 0", ""]
    lines += _lines(lucky)
    text = "\n".join(lines)
    print(text)
    if arguments.save:
        save(arguments.save, title="Verdicts on simulated sweeps", text=text)
    return 0 if all(row[3] for row in rows + lucky) else 1


def _lines(rows: Sequence[tuple[str, str, str, bool]]) -> list[str]:
    return [
        f"{what:<73}{value:>15}  {bound:<9} {'' if holds else 'FAILS'}".rstrip() for what, value, bound, holds in rows
    ]
