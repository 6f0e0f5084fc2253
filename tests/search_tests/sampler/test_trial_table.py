"""Columns of a long history: they answer as a walk over the trials would, whatever has changed since the last call."""

# ruff: noqa: S311  made-up trials are no secrets
from __future__ import annotations

import heapq
import random
from dataclasses import replace

import pytest

from search.sampler import PastTrial
from search.sampler.stage_aware.labels import Labels, text_of
from search.sampler.stage_aware.trial_table import TrialTable
from spaces.space.enumeration import draw
from spaces.space.tree import Space
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.errors import ConfigError

MOST = 16


@pytest.fixture(scope="module")
def space() -> Space:
    spec = {
        "name": "columns",
        "trials": 10,
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"task": "xnli"}},
        "families": {"none": {}, "text": {"mixture": {"choice": ["anli", "snli"]}, "steps": {"choice": [10, 20]}}},
        "search": {"target.learning_rate": {"choice": [1e-5, 2e-5, 4e-5]}},
    }
    return make_space(make_sweep_spec(spec))


def made(space: Space, number: int, chance: random.Random) -> PastTrial:
    state = chance.choice(["finished", "pruned", "pruned", "failed", "running", "interrupted"])
    score = round(chance.random(), 1) if state in {"finished", "pruned"} else None
    rung = 2 if state == "finished" else chance.randrange(3)
    return PastTrial(number=number, assignment=draw(space, generator=chance), state=state, score=score, rung=rung)  # type: ignore[arg-type]


def changed(history: list[PastTrial], space: Space, chance: random.Random) -> list[PastTrial]:
    """Return a history with further trials, other results and at times without some of its first ones."""
    numbers = [one.number for one in history]
    later = [made(space, max(numbers, default=-4) + 1 + place, chance) for place in range(chance.randrange(8))]
    kept = [made(space, one.number, chance) if chance.random() < 0.2 else one for one in history]
    gone = chance.randrange(2) if chance.random() < 0.3 else 0
    found = [*kept[gone:], *later]
    chance.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_columns_answer_as_a_walk_over_the_trials(space: Space, seed: int) -> None:
    chance, labels = random.Random(seed), Labels(space=space)
    table, history = TrialTable(labels), list[PastTrial]()
    for _ in range(20):
        history = changed(history, space, chance)
        table.update(history)
        counted = sorted((one for one in history if one.state != "failed"), key=lambda one: one.number)
        scored = [one for one in counted if one.state in {"finished", "pruned"}]
        best = heapq.nlargest(MOST // 2, scored, key=lambda one: (one.rung, one.score or 0.0, -one.number))
        learnt = {one.number: one for one in (scored if len(scored) <= MOST else [*best, *scored[-MOST // 2 :]])}
        tried = {text_of(one.assignment) for one in counted}
        ahead = {text_of(one.assignment) for one in counted if one.state != "pruned"}
        highest: dict[str, int] = {}
        for one in (one for one in counted[: len(counted) // 2] if one.number >= 0):
            highest[text_of(one.assignment)] = max(one.rung, highest.get(text_of(one.assignment), 0))
        by_mean = [one.assignment for one in chance.sample(scored, min(3, len(scored)))]
        bases = dict.fromkeys(map(labels.intermediate_key, [*by_mean, *(one.assignment for one in counted)]))
        known = table.known_parts(by_mean, most=4)

        assert list(table) == counted
        assert table.num == len(counted)
        assert table.num_full(2) == sum(one.rung == 2 and one.number >= 0 for one in scored)
        assert table.running() == [one for one in counted if one not in scored]
        assert table.to_learn_from(MOST) == [learnt[number] for number in sorted(learnt)]
        assert table.tried().num == len(tried)
        assert all(text_of(one.assignment) in table.tried() for one in counted if text_of(one.assignment) in tried)
        assert [
            one for one in history if (text_of(one.assignment) in table.tried()) != (text_of(one.assignment) in tried)
        ] == []
        assert [labels.intermediate_key(one) for one in known.bases] == list(bases)[:4]
        assert {text_of(one.assignment): one.rung for one in table.pruned(counted)} == {
            text: rung for text, rung in highest.items() if text not in ahead
        }
        assert known.num == len(bases)
        assert all(
            (labels.intermediate_key(one.assignment) in known) == (labels.intermediate_key(one.assignment) in bases)
            for one in history
        )


def test_a_trial_outside_the_space_is_refused_and_leaves_nothing(space: Space) -> None:
    chance = random.Random(0)
    good = replace(made(space, 0, chance), state="finished", score=0.5)
    table = TrialTable(Labels(space=space))
    with pytest.raises(ConfigError):
        table.update([good, replace(good, number=1, assignment={"family": "nobody"})])
    table.update([good])

    assert list(table) == [good]
