"""Samplers: proposals are a pure function of (space, sweep seed, number, history)."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.sampler import PastTrial, Proposal, Sampler, make_sampler, proposal_seed
from search.sampler.window import NUM_BEST, NUM_BEST_OF_FAMILY, NUM_LAST, window
from spaces.space.enumeration import draw, size
from spaces.space.tree import Assignment, Space
from spaces.space.walk import contains
from spaces.sweep_spec import LEARNING_SAMPLERS, SweepSpec, make_space, make_sweep_spec
from trainables.errors import ConfigError

DOCUMENT = {
    "name": "sampled",
    "trials": 40,
    "sampler": {"name": "tpe", "num_startup": 4},
    "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 10}, "evaluation": {"task": "miniature_nli"}},
    "families": {
        "none": {},
        "text": {
            "mixture": {"choice": ["miniature_qa", "miniature_choice"]},
            "steps": {"log": [10, 100]},
            "learning_rate": {"log": [1e-4, 1e-2]},
        },
        "multitask": {"mixture": {"simplex": ["miniature_qa", "miniature_choice"]}, "steps": {"int": [10, 30]}},
    },
    "search": {
        "target.learning_rate": {"log": [1e-4, 1e-2]},
        "target.pooling": {"choice": ["mean", "first"]},
    },
}
NAMES = ["tpe", "random", "qmc", "gp", "cmaes", "nsga2", "stage_aware"]
STATES = ["finished", "finished", "finished", "finished", "failed", "pruned", "running", "interrupted"]


def spec(name: str = "tpe", *, seed: int = 0) -> SweepSpec:
    startup = {"num_startup": 4} if name in LEARNING_SAMPLERS else {}
    return make_sweep_spec({**DOCUMENT, "seed": seed, "sampler": {"name": name, **startup}})


def score(assignment: Assignment) -> float:
    """Return a made-up score that prefers the text family and learning rates near 1e-3."""
    family = {"none": 0.0, "text": 0.3, "multitask": 0.1}[str(assignment["family"])]
    return 0.5 + family - abs(float(str(assignment["target.learning_rate"])) - 1e-3) * 10


def ended(number: int, *, proposal: Proposal, state: str) -> PastTrial:
    scored = state in {"finished", "pruned"}
    return PastTrial(
        number=number,
        assignment=proposal.assignment,
        state=state,
        score=score(proposal.assignment) if scored else None,
        attributes=proposal.attributes,
    )


def through_json(trial: PastTrial) -> PastTrial:
    """Return the trial as it comes back from the record."""
    return PastTrial(
        number=trial.number,
        assignment=json.loads(json.dumps(trial.assignment)),
        state=trial.state,
        score=trial.score,
        rung=trial.rung,
        attributes=json.loads(json.dumps(trial.attributes)),
    )


def sweep(sampler: Sampler, *, states: list[str]) -> tuple[list[PastTrial], list[Proposal]]:
    """Return a sweep of which trial n stays in states[n]."""
    history: list[PastTrial] = []
    proposals: list[Proposal] = []
    for number, state in enumerate(states):
        proposals.append(sampler.propose(number, history=history))
        history.append(ended(number, proposal=proposals[-1], state=state))
    return history, proposals


@pytest.mark.slow
@given(st.lists(st.sampled_from(STATES), min_size=8, max_size=16), st.integers(0, 2**31 - 1), st.randoms())
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", NAMES)
def test_any_prefix_of_a_history_resumes_to_the_same_proposal(
    name: str, states: list[str], seed: int, shuffler: random.Random
) -> None:
    wanted = spec(name, seed=seed)
    history, proposals = sweep(make_sampler(wanted), states=states)

    for number, proposal in enumerate(proposals):
        prefix = [through_json(trial) for trial in history[:number]]
        shuffler.shuffle(prefix)
        assert make_sampler(wanted).propose(number, history=prefix) == proposal


@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_a_sampler_that_lived_through_the_sweep_proposes_as_a_rebuilt_one(seed: int, concurrency: int) -> None:
    wanted = spec(seed=seed)
    lived = make_sampler(wanted)
    trials: dict[int, PastTrial] = {}
    for number in range(16):
        proposal = lived.propose(number, history=list(trials.values()))
        rebuilt = make_sampler(wanted).propose(number, history=[through_json(trial) for trial in trials.values()])
        assert rebuilt == proposal
        trials[number] = ended(number, proposal=proposal, state="running")
        if number >= concurrency:
            done = number - concurrency
            old = trials[done]
            trials[done] = ended(
                done, proposal=Proposal(assignment=old.assignment, seed=0, attributes=old.attributes), state="finished"
            )


@pytest.mark.slow
@given(st.lists(st.sampled_from(STATES), min_size=6, max_size=12), st.integers(0, 2**31 - 1))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", NAMES)
def test_every_proposal_is_in_the_space_and_is_json(name: str, states: list[str], seed: int) -> None:
    space = make_space(spec(name, seed=seed))

    _, proposals = sweep(make_sampler(spec(name, seed=seed)), states=states)

    assert all(contains(space, json.loads(json.dumps(proposal.assignment))) for proposal in proposals)
    assert all(json.loads(json.dumps(proposal.attributes)) == proposal.attributes for proposal in proposals)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_trials_are_the_families(name: str) -> None:
    _, proposals = sweep(make_sampler(spec(name)), states=["finished"] * 3)

    assert [proposal.assignment["family"] for proposal in proposals] == ["none", "text", "multitask"]


def test_failed_trials_change_nothing() -> None:
    history, _ = sweep(make_sampler(spec()), states=["finished", "finished", "failed"] * 5)
    kept = [trial for trial in history if trial.state != "failed"]

    assert make_sampler(spec()).propose(15, history=history) == make_sampler(spec()).propose(15, history=kept)


def test_a_running_trial_and_its_attributes_are_seen() -> None:
    history, _ = sweep(make_sampler(spec()), states=["finished"] * 12 + ["running"] * 4)
    without = [PastTrial(number=t.number, assignment=t.assignment, state=t.state, score=t.score) for t in history]

    proposal = make_sampler(spec()).propose(16, history=history)

    assert proposal != make_sampler(spec()).propose(16, history=history[:12])
    assert any(t.attributes["system"] for t in history[12:])
    assert proposal != make_sampler(spec()).propose(16, history=without)


def test_numbers_and_sweep_seeds_give_different_proposals() -> None:
    assert len({proposal_seed(seed, number=number) for seed in range(20) for number in range(20)}) == 400
    first = make_sampler(spec(seed=1)).propose(5, history=[])
    assert first != make_sampler(spec(seed=2)).propose(5, history=[])
    assert first.assignment != make_sampler(spec(seed=1)).propose(6, history=[]).assignment


def late_trials(name: str) -> list[Assignment]:
    """Return trials 20 to 39 of six sweeps."""
    sweeps = [sweep(make_sampler(spec(name, seed=seed)), states=["finished"] * 40)[1] for seed in range(6)]
    return [proposal.assignment for proposals in sweeps for proposal in proposals[20:]]


def test_tpe_finds_the_better_family_more_often_than_chance() -> None:
    learnt, drawn = late_trials("tpe"), late_trials("random")

    # By chance 40 of 120, standard deviation 5.2: 56 is three of them above.
    assert [assignment["family"] for assignment in learnt].count("text") >= 56
    assert sum(map(score, learnt)) > sum(map(score, drawn))


def test_another_process_with_another_hash_seed_proposes_the_same() -> None:
    history, _ = sweep(make_sampler(spec()), states=["finished"] * 10 + ["running"] * 2)
    wanted = make_sampler(spec()).propose(12, history=history)
    program = (
        "import json, sys; from search.sampler import PastTrial, make_sampler; "
        "from spaces.sweep_spec import make_sweep_spec; given = json.load(sys.stdin); "
        "history = [PastTrial(**trial) for trial in given['history']]; "
        "proposal = make_sampler(make_sweep_spec(given['spec'])).propose(12, history=history); "
        "print(json.dumps([proposal.assignment, proposal.attributes]))"
    )
    given_ = {
        "spec": spec().model_dump(mode="json"),
        "history": [{name: getattr(trial, name) for name in PastTrial.__slots__} for trial in history],
    }

    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(given_),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert json.loads(done.stdout) == [wanted.assignment, wanted.attributes]
        assert done.stderr == ""


def test_a_grid_proposes_each_point_once() -> None:
    document = {**DOCUMENT, "trials": 6, "sampler": {"name": "grid"}}
    document["families"] = {
        "none": {},
        "text": {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}, "steps": 3},
    }
    document["search"] = {"target.pooling": {"choice": ["mean", "first"]}}
    space: Space = make_space(make_sweep_spec(document))
    sampler = make_sampler(make_sweep_spec(document))

    points = [sampler.propose(number, history=[]).assignment for number in range(6)]

    assert size(space) == 6
    assert len({json.dumps(point, sort_keys=True) for point in points}) == 6
    with pytest.raises(ConfigError, match="6 points"):
        sampler.propose(6, history=[])


def test_a_trial_of_another_space_is_refused() -> None:
    past = PastTrial(number=0, assignment={"family": "text"}, state="finished", score=0.5)

    with pytest.raises(ConfigError, match=r"intermediate\.text\.mixture: the assignment has no value"):
        make_sampler(spec()).propose(5, history=[past])


@pytest.mark.parametrize("number", [None, float("nan")])
def test_a_finished_trial_needs_a_finite_score(number: float | None) -> None:
    assignment = draw(make_space(spec()), generator=random.Random(0))
    past = PastTrial(number=0, assignment=assignment, state="finished", score=number)

    with pytest.raises(ValueError, match="finite"):
        make_sampler(spec()).propose(5, history=[past])


def test_a_number_that_stands_twice_is_refused() -> None:
    assignment = draw(make_space(spec()), generator=random.Random(0))
    past = PastTrial(number=0, assignment=assignment, state="running")

    with pytest.raises(ValueError, match="twice"):
        make_sampler(spec()).propose(5, history=[past, past])


def test_weights_found_from_an_assignment_are_those_of_its_numbers() -> None:
    import math

    from search.sampler.distributions import coordinates_of

    space = make_space(spec())
    point = next(p for p in (draw(space, generator=random.Random(i)) for i in range(50)) if p["family"] == "multitask")

    masses = [-math.log(float(str(u))) for u in coordinates_of(space, point).values()]

    assert [m / sum(masses) for m in masses] == pytest.approx(list(point["intermediate.multitask.mixture"].values()))


def test_optuna_is_imported_only_when_a_sampler_is_made() -> None:
    program = (
        "import sys, search.sampler, spaces.sweep_spec, spaces.overrides; "
        "print([name for name in ('optuna', 'torch', 'ray', 'datasets') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def long_history(num_trials: int) -> list[PastTrial]:
    """Return ended trials at random points: two of three finished, the others pruned."""
    space, generator = make_space(spec()), random.Random(0)
    return [
        PastTrial(
            number=number,
            assignment=draw(space, generator=generator),
            state="pruned" if number % 3 == 2 else "finished",
            score=generator.random(),
            rung=number % 4,
        )
        for number in range(num_trials)
    ]


def test_a_short_history_is_seen_whole() -> None:
    history = long_history(NUM_BEST + NUM_LAST)
    assert window(history, num_startup=4) is history


def test_a_window_has_the_best_the_last_and_the_running() -> None:
    history = [*long_history(900), PastTrial(number=900, assignment={"family": "none"}, state="running")]
    history[3] = PastTrial(number=3, assignment=history[3].assignment, state="failed")

    kept = {trial.number for trial in window(history, num_startup=4)}

    finished = sorted((t for t in history if t.state == "finished"), key=lambda t: -(t.score or 0))
    assert kept >= {trial.number for trial in finished[:NUM_BEST]}
    assert kept >= set(range(900 - NUM_LAST, 901))
    assert 3 not in kept
    assert len(kept) < 700


def test_a_window_keeps_as_many_of_each_family_as_tpe_takes_for_the_best() -> None:
    history = long_history(1500)
    best = sorted((t for t in history if t.state == "finished"), key=lambda t: -(t.score or 0))

    kept = {trial.number for trial in window(history, num_startup=4)}

    for family in ("none", "text", "multitask"):
        of_family = [trial.number for trial in best if trial.assignment["family"] == family]
        assert kept >= set(of_family[:NUM_BEST_OF_FAMILY])


def test_a_window_does_not_depend_on_the_order_of_the_history() -> None:
    history = long_history(700)
    shuffled = random.Random(1).sample(history, len(history))

    assert make_sampler(spec()).propose(700, history=history) == make_sampler(spec()).propose(700, history=shuffled)


def test_a_window_never_hides_that_tpe_has_started() -> None:
    assert len(window(long_history(1500), num_startup=1000)) >= 1000


def test_a_finished_trial_of_a_long_history_needs_a_score() -> None:
    history = long_history(700)
    history[0] = PastTrial(number=0, assignment=history[0].assignment, state="finished")

    with pytest.raises(ValueError, match="finite"):
        make_sampler(spec()).propose(700, history=history)
