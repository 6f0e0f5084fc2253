"""The stage tree under random histories: whatever is killed or damaged, no wrong weight and no step for nothing.

A history is a list of events over one store: trials that run, are killed anywhere, or run two at a time; damage to
stages and checkpoints; leases of the dead; stages removed. The ranks are a stand-in (`stand_in`), the processes are
real and die by SIGKILL or an exception. What every run does is foretold step by step (`stage_tree_world`).
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables_tests.stage_tree_world import Server, Trial, World, files_below
from tests.trainables_tests.stand_in import Order
from tests.trainables_tests.stand_in_process import ENDED_BY_EXCEPTION
from trainables.config import EncoderConfig, EvaluationConfig, PhaseConfig, RungsConfig, ScheduleConfig, TrialConfig
from trainables.stage_store import StageStore
from trainables.stage_store.leases import Holder

NUM_HISTORIES = int(os.environ.get("XSTILTS_HISTORIES", "40"))
"""`make faults` raises it."""

pytestmark = pytest.mark.timeout(60 + 10 * NUM_HISTORIES)  # of a thousand histories, on a busy machine

DEATHS = {-signal.SIGKILL, ENDED_BY_EXCEPTION}


@dataclass(frozen=True, slots=True)
class Run:
    """A trial runs at a rung; its process ends at a point, or lives."""

    trial: int
    rung: int
    variant: int = 0
    ends_at: int = 0
    ends_by: Literal["kill", "exception"] = "kill"


@dataclass(frozen=True, slots=True)
class Together:
    """Two trials run at once, each in a process of its own."""

    one: tuple[int, int]
    other: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a stage or checkpoint, counted in order of name, is damaged."""

    how: Literal["truncate", "flip a byte", "remove"]
    where: Literal["stages", "checkpoints"]
    file: int
    at: int
    """Byte that is flipped, or before which the file ends."""


@dataclass(frozen=True, slots=True)
class Remove:
    """A stage, counted in order of the plans, is removed."""

    stage: int


@dataclass(frozen=True, slots=True)
class StaleLease:
    """A stage's lease is held by a process of another host that has died, or its file is torn."""

    stage: int
    is_torn: bool = False


Event = Run | Together | Damage | Remove | StaleLease

# Half of it decays, so that branches are long enough to be killed between their checkpoints.
STABLE = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=1, decay_fraction=0.5)
SCHEDULES = (STABLE, ScheduleConfig(kind="constant", warmup_steps=1), ScheduleConfig(kind="linear"))
RUNGS = st.sampled_from(
    [
        RungsConfig(num=3, num_items=10),
        RungsConfig(num=2, eta=2),
        RungsConfig(num=2, eta=2, grow=("intermediate", "target")),
        RungsConfig(),
    ]
)


def phase(*, learning_rate: float, steps: int, schedule: ScheduleConfig = STABLE) -> PhaseConfig:
    mixture = {"miniature_nli": 1.0}
    return PhaseConfig(mixture=mixture, steps=steps, learning_rate=learning_rate, schedule=schedule)


def trial(*, rungs: RungsConfig, intermediate: PhaseConfig | None, target: PhaseConfig) -> Trial:
    evaluation = EvaluationConfig(task="miniature_nli", languages=("en", "de"))
    encoder = EncoderConfig(name="miniature")
    config = TrialConfig(encoder=encoder, intermediate=intermediate, target=target, evaluation=evaluation)
    return Trial(config, rungs)


# Few values, so that trials share stages.
INTERMEDIATE = st.sampled_from([None, phase(learning_rate=1e-5, steps=9)])
TARGET = st.builds(
    phase,
    learning_rate=st.sampled_from([1e-5, 2e-5]),
    steps=st.sampled_from([18, 9]),
    schedule=st.sampled_from(SCHEDULES),
)
TRIALS = st.builds(trial, rungs=RUNGS, intermediate=INTERMEDIATE, target=TARGET)
PLACE = st.tuples(st.integers(0, 2), st.integers(0, 2))
WHOLE_RUNS = st.builds(Run, trial=st.integers(0, 2), rung=st.integers(0, 2), variant=st.integers(0, 1))
BROKEN_RUNS = st.builds(
    Run,
    trial=st.integers(0, 2),
    rung=st.integers(0, 2),
    variant=st.integers(0, 1),
    ends_at=st.integers(1, 200),
    ends_by=st.sampled_from(["kill", "exception"]),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    WHOLE_RUNS,
    BROKEN_RUNS,
    BROKEN_RUNS,
    st.builds(
        Damage,
        how=st.sampled_from(["truncate", "flip a byte", "remove"]),
        where=st.sampled_from(["stages", "checkpoints"]),
        file=st.integers(0, 40),
        at=st.integers(0, 2000),
    ),
    st.builds(Remove, stage=st.integers(0, 15)),
    st.builds(StaleLease, stage=st.integers(0, 15), is_torn=st.booleans()),
    st.builds(Together, one=PLACE, other=PLACE),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.mark.slow
@settings(max_examples=NUM_HISTORIES, deadline=None)
@given(trials=st.lists(TRIALS, min_size=1, max_size=3), history=st.lists(EVENTS, min_size=2, max_size=12))
def test_no_history_gives_a_wrong_weight_or_a_step_for_nothing(
    trials: list[Trial], history: list[Event], server: Server, place: Path
) -> None:
    live_through(history, world=fresh_world(place, trials=trials, server=server))


@pytest.mark.parametrize("ends_at", range(60, 180, 8))
def test_a_stage_does_not_go_on_from_what_a_parent_that_was_made_anew_had_led_to(
    ends_at: int, server: Server, place: Path
) -> None:
    climbing = trial(
        rungs=RungsConfig(), intermediate=phase(learning_rate=1e-5, steps=9), target=phase(learning_rate=1e-5, steps=18)
    )
    killed = Run(0, 0, variant=1, ends_at=ends_at)

    live_through([killed, Remove(stage=0)], world=fresh_world(place, trials=[climbing], server=server))


def live_through(history: list[Event], *, world: World) -> None:
    """Let the events happen, then all trials run at all rungs, until nothing is left to do; all of it as foretold."""
    for event in history:
        happen(event, world=world)
    runs = [Run(number, rung) for number, one in enumerate(world.trials) for rung in range(one.rungs.num)]
    everything = [order_of(run, world) for run in runs]
    for order in everything:
        run_as_foretold(order, world=world)

    while world.foretell(everything).done:  # a trunk that was made anew with other numbers takes its branches with it
        run_together(everything, world=world)
    assert run_together(everything, world=world) == []


def fresh_world(place: Path, *, trials: list[Trial], server: Server) -> World:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return World(place / "store", trials=trials, server=server)


def happen(event: Event, *, world: World) -> None:
    match event:
        case Run():
            run_as_foretold(order_of(event, world), world=world)
        case Together():
            run_together([order_of(Run(*one), world) for one in (event.one, event.other)], world=world)
        case Damage():
            damage(event, world=world)
        case Remove():
            StageStore(world.root).space.remove(stage_key(event.stage, world))
        case StaleLease():
            leave_lease(event, world=world)
    world.holds()


def order_of(run: Run, world: World) -> Order:
    one = world.trials[run.trial % len(world.trials)]
    return Order(
        config=one.config,
        rungs=one.rungs,
        rung=run.rung % one.rungs.num,
        store="",
        diary="",
        variant=run.variant,
        ends_at=run.ends_at,
        ends_by=run.ends_by,
    )


def run_as_foretold(order: Order, *, world: World) -> list[str]:
    """Run a trial; returns what its ranks did, which is what had to be done, or its beginning if it was killed."""
    foretold = world.foretell([order])
    (code,), (diary,) = world.start([order])
    done = steps_of(diary)
    if code in DEATHS:
        assert done == foretold.done[: len(done)]
        check_kept(diary, world=world)
        return done
    assert done == foretold.done
    check_held(foretold.holds, world=world)
    return done


def run_together(orders: list[Order], *, world: World) -> list[str]:
    """Run trials at once; returns what their ranks did: nothing twice, and no more than one after the other.

    Which of two trunks a stage that both want continues, the faster of them decides: then only the first is sure.
    """
    foretold, otherwise = world.foretell(orders), world.foretell(orders[::-1])
    codes, diaries = world.start(orders)
    done = [line for diary in diaries for line in steps_of(diary)]
    assert set(codes) == {0}
    assert len(set(done)) == len(done)
    if (set(foretold.done), foretold.holds) == (set(otherwise.done), otherwise.holds):
        assert set(done) == set(foretold.done)
        check_held(foretold.holds, world=world)
    return done


def steps_of(diary: list[str]) -> list[str]:
    return [line for line in diary if " kept " not in line and not line.startswith("result")]


def check_held(expected: dict[str, tuple[int, ...]], *, world: World) -> None:
    held = world.holds()
    assert {world.name(key): held.get(key) for key in expected} == {world.name(key): expected[key] for key in expected}
    parents = {key: world.truth.parents(key) for key in expected}
    assert all(held[key][: len(held[one])] == held[one] for key, above in parents.items() for one in above)


def check_kept(diary: list[str], *, world: World) -> None:
    """Check that of an unfinished stage the last checkpoint that its ranks saw taken is there."""
    kept = [line.split(" kept ") for line in diary if " kept " in line]
    if not kept:
        return
    key, step = kept[-1]
    assert key in world.holds() or world.checkpoints(key)[0].step >= int(step)


def damage(event: Damage, *, world: World) -> None:
    files = list(files_below(world.root / event.where))
    if not files:
        return
    path = files[event.file % len(files)]
    content = path.read_bytes()
    at = event.at % max(1, len(content))
    damages: dict[str, Callable[[], object]] = {
        "truncate": lambda: path.write_bytes(content[:at]),
        "flip a byte": lambda: path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]),
        "remove": path.unlink,
    }
    if content:
        damages[event.how]()


def stage_key(number: int, world: World) -> str:
    keys = list(world.truth.stages)
    return keys[number % len(keys)]


def leave_lease(event: StaleLease, *, world: World) -> None:
    folder = world.root / "holders" / stage_key(event.stage, world)
    folder.mkdir(parents=True, exist_ok=True)
    newest = max((int(path.name) for path in folder.iterdir()), default=0)
    holder = Holder(token="dead", host="another", machine="another", pid=1, since=0.0)  # noqa: S106  (no password)
    text = holder.model_dump_json()
    (folder / f"{newest + 1:08d}").write_text(text[:20] if event.is_torn else text)
