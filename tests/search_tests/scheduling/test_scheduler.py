"""What a sweep runs next, decided from a real record. No Ray here: `tests/end_to_end/test_sweep.py` has it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from search.record import Record, TrialRow, open_record
from search.record.rows import Revision
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Finished, Start, TrialScheduler, Wait
from search.scheduling.stage_demand import Plans
from search.scheduling.start_order import Candidate
from spaces.sweep_spec import SweepSpec, make_sweep_spec
from tests.search_tests.building import result

DOCUMENT: dict[str, Any] = {
    "name": "demo",
    "trials": 4,
    "sampler": {"name": "tpe", "num_startup": 1},
    "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"languages": ["de", "en", "sw"]}},
    "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 10}},
    "search": {"target.learning_rate": {"log": [1e-5, 1e-3]}},
}


def spec_of(**fields: Any) -> SweepSpec:
    return make_sweep_spec(DOCUMENT | fields)


def scheduler(
    record: Record,
    *,
    spec: SweepSpec | None = None,
    concurrency: int = 2,
    plans: Plans | None = None,
    pause: DiskPause | None = None,
) -> TrialScheduler:
    """Return a new scheduler of the sweep `demo`, as a driver that starts makes it."""
    spec = spec or spec_of()
    pause = pause or DiskPause(free=lambda: 1 << 30, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
    return TrialScheduler(record, name="demo", spec=spec, concurrency=concurrency, plans=plans or Table(), pause=pause)


@dataclass
class Table:
    """Plans as a table: the stages themselves are somebody else's business."""

    missing: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    """Trial and rung -> keys that it lacks, in order."""
    starts: dict[str, str] = field(default_factory=dict)
    """Stage -> the one that it starts from."""
    held: set[str] = field(default_factory=set)
    """Stages that another sweep is making."""
    dead: set[str] = field(default_factory=set)
    """Stages whose holders were seen to be dead."""
    of_trunks: dict[int, set[str]] = field(default_factory=dict)
    """Trial -> its trunks."""
    progress: dict[int, int] = field(default_factory=dict)
    """Trial -> how far it has got."""
    dropped: list[str] = field(default_factory=list)
    of_items: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Evaluation stage -> what it says of each item."""

    def reached(self, trial: TrialRow, *, rung: int) -> int:
        return self.progress.get(trial.number, 0) + rung

    def candidate(self, trial: TrialRow, *, rung: int) -> Candidate:
        missing = self.missing.get((trial.number, rung), ())
        starts = tuple(self.starts.get(key) for key in missing)
        return Candidate(number=trial.number, missing=missing, starts=starts)

    def is_held(self, key: str) -> bool:
        return key in self.held

    def expired(self, key: str) -> str | None:
        return f"lease of {key}" if key in self.dead else None

    def trunks(self, trial: TrialRow) -> frozenset[str]:
        return frozenset(self.of_trunks.get(trial.number, set()))

    def drop(self, key: str) -> None:
        self.dropped.append(key)

    def items(self, key: str, *, languages: Sequence[str]) -> tuple[float, ...]:  # noqa: ARG002  as the contract says
        return self.of_items.get(key, ())

    def forget(self, number: int) -> None:
        self.of_trunks.pop(number, None)


def started(scheduler: TrialScheduler, record: Record) -> TrialRow:
    """Take the next trial and start it, as its actor does."""
    start = scheduler.next()
    assert isinstance(start, Start)
    return record.start("demo", number=start.trial.number)


def finish(scheduler: TrialScheduler, record: Record, number: int, *, average: float = 0.5) -> None:
    """Finish a trial in the record, then tell the scheduler, as actor and Tune do."""
    record.finish("demo", number=number, result=result(average))
    scheduler.ended(number)


def test_a_trial_is_on_record_before_it_is_handed_out(record: Record) -> None:
    start = scheduler(record).next()

    assert start == Start(trial=record.trial("demo", number=0), rung=0)
    assert record.trial("demo", number=0).state == "proposed"


def test_the_families_defaults_come_first(record: Record) -> None:
    sweep = scheduler(record)

    trials = [started(sweep, record), started(sweep, record)]

    assert [trial.family for trial in trials] == ["none", "text"]
    assert trials[0].trial_config.intermediate is None
    assert trials[1].trial_config.intermediate is not None


def test_no_more_trials_are_handed_out_than_may_run(record: Record) -> None:
    sweep = scheduler(record, concurrency=2)
    started(sweep, record)
    started(sweep, record)

    assert isinstance(sweep.next(), Wait)
    assert len(record.trials("demo")) == 2


def test_an_ended_trial_makes_room(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    started(sweep, record)

    finish(sweep, record, 0)

    assert started(sweep, record).number == 1


def test_a_sweep_is_finished_when_its_last_trial_has_ended_not_before(record: Record) -> None:
    sweep = scheduler(record, concurrency=5)
    trials = [started(sweep, record) for _ in range(4)]

    assert isinstance(sweep.next(), Wait)

    finish(sweep, record, 0)
    finish(sweep, record, 1)
    finish(sweep, record, 2)
    assert isinstance(sweep.next(), Wait)
    finish(sweep, record, 3)
    assert isinstance(sweep.next(), Finished)
    assert [trial.number for trial in trials] == [0, 1, 2, 3]


def test_a_driver_that_starts_again_begins_with_what_was_interrupted(record: Record) -> None:
    first = scheduler(record, concurrency=3)
    started(first, record)
    started(first, record)
    first.next()  # proposed, and its actor never came up
    finish(first, record, 0)
    record.interrupt_running("demo")

    second = scheduler(record, concurrency=3)

    assert [started(second, record).number for _ in range(3)] == [1, 2, 3]
    assert [trial.attempts for trial in record.trials("demo")] == [1, 2, 1, 1]


def test_finished_and_failed_trials_are_not_run_again(record: Record) -> None:
    first = scheduler(record)
    started(first, record)
    started(first, record)
    finish(first, record, 0)
    record.fail("demo", number=1, error="no")
    first.ended(1)

    assert started(scheduler(record), record).number == 2


def test_a_raised_plan_gives_a_finished_sweep_more_trials(record: Record) -> None:
    first = scheduler(record, concurrency=4)
    for number in range(4):
        started(first, record)
        finish(first, record, number)
    assert isinstance(scheduler(record).next(), Finished)

    record.plan("demo", planned_trials=5)

    assert started(scheduler(record), record).number == 4


def test_a_trial_whose_process_ended_is_tried_again(record: Record) -> None:
    sweep = scheduler(record)
    started(sweep, record)

    sweep.ended(0)

    again = started(sweep, record)
    assert (again.number, again.attempts) == (0, 2)


def test_a_trial_that_keeps_losing_its_process_fails_and_the_sweep_goes_on(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    for _ in range(3):
        started(sweep, record)
        sweep.ended(0)

    trial = record.trial("demo", number=0)
    assert (trial.state, trial.attempts) == ("failed", 3)
    assert "its process ended 3 times, and it made no progress" in str(trial.error)
    assert started(sweep, record).number == 1


def test_a_trial_that_gets_further_may_lose_its_process_any_number_of_times(record: Record) -> None:
    table = Table()
    sweep = scheduler(record, concurrency=1, plans=table)
    for steps in range(20):
        table.progress[0] = steps
        assert started(sweep, record).number == 0
        sweep.ended(0)

    assert record.trial("demo", number=0).state == "running"


def test_an_actor_lost_while_it_had_nothing_to_do_is_no_loss_of_the_trial(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    for _ in range(5):
        start = sweep.next()
        assert isinstance(start, Start)
        sweep.ended(start.trial.number)

    assert record.trial("demo", number=0).state == "proposed"


def test_a_trial_that_waits_and_whose_process_never_begins_is_not_tried_for_ever(record: Record) -> None:
    """Its process cannot write the record, so that nothing but the process's end says that something is wrong."""
    sweep = scheduler(record, concurrency=1, plans=Table(held={"stage"}))
    started(sweep, record)
    record.wait("demo", number=0, reason="another trial makes a stage")
    sweep.ended(0)
    times = 0
    while record.trial("demo", number=0).state == "interrupted" and times < 30:
        start = sweep.next()
        assert isinstance(start, Start)
        sweep.ended(start.trial.number, is_lost=True)
        times += start.trial.number == 0

    assert (record.trial("demo", number=0).state, times) == ("failed", 10)


def test_a_trial_that_needs_a_stage_at_which_another_diverged_fails_before_it_starts(record: Record) -> None:
    table = Table(missing={(0, 0): ("same", "a"), (1, 0): ("same", "b"), (2, 0): ("other",)})
    sweep = scheduler(record, concurrency=1, plans=table)
    started(sweep, record)
    record.fail("demo", number=0, error="the loss is not finite at step 3", kind="not_finite", stage="same")
    sweep.ended(0)

    assert started(sweep, record).number == 2
    assert record.trial("demo", number=1).state == "failed"
    assert "not finite at step 3" in str(record.trial("demo", number=1).error)


def test_what_cannot_be_made_is_known_after_a_restart(record: Record) -> None:
    first = scheduler(record, concurrency=1)
    started(first, record)
    record.fail("demo", number=0, error="the loss is not finite at step 3", kind="not_finite", stage="same")

    table = Table(missing={(1, 0): ("same",), (2, 0): ("other",)})

    assert started(scheduler(record, concurrency=1, plans=table), record).number == 2


@dataclass
class Disk:
    """A disk whose free space a test sets, and a clock."""

    free: int = 100 << 20
    removable: int = 0
    works: bool = True
    now: float = 0.0
    notes: list[str] = field(default_factory=list)

    def pause(self) -> DiskPause:
        return DiskPause(
            free=lambda: self.free,
            make_room=self._make_room,
            works=lambda: self.works,
            note=self.notes.append,
            clock=lambda: self.now,
        )

    def _make_room(self) -> int:
        freed, self.removable = self.removable, 0
        self.free += freed
        return freed


def test_while_a_disk_is_full_nothing_starts_and_then_the_trial_goes_on(record: Record) -> None:
    disk = Disk(free=0)
    sweep = scheduler(record, concurrency=1, pause=disk.pause())
    started(sweep, record)
    record.wait("demo", number=0, reason="full")
    sweep.ended(0, disk="full")

    assert isinstance(sweep.next(), Wait)
    disk.free, disk.now = 50 << 20, 30.0
    assert started(sweep, record).number == 0
    assert len(disk.notes) == 1


def test_what_nobody_needs_is_removed_from_a_full_disk(record: Record) -> None:
    disk = Disk(free=0, removable=5 << 20)
    sweep = scheduler(record, concurrency=1, pause=disk.pause())
    started(sweep, record)
    record.wait("demo", number=0, reason="full")

    sweep.ended(0, disk="full")

    assert started(sweep, record).number == 0


def test_a_sweep_whose_disk_stays_full_stops(record: Record) -> None:
    disk = Disk(free=0)
    pause = disk.pause()
    sweep = scheduler(record, concurrency=1, pause=pause)
    started(sweep, record)
    record.wait("demo", number=0, reason="full")
    sweep.ended(0, disk="full")
    disk.now = 121.0

    assert isinstance(sweep.next(), Finished)
    assert pause.has_given_up
    assert record.trial("demo", number=0).state == "interrupted"


def test_a_result_that_came_in_before_the_process_ended_counts(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    started(sweep, record)
    record.finish("demo", number=0, result=result())

    sweep.ended(0)  # Tune reports an error, but the record knows better

    assert started(sweep, record).number == 1
    assert record.trial("demo", number=0).attempts == 1


def test_in_fixed_order_a_proposal_waits_for_the_results_it_is_to_see(record: Record) -> None:
    sweep = scheduler(record, spec=spec_of(order="fixed"), concurrency=2)
    started(sweep, record)
    started(sweep, record)
    finish(sweep, record, 1)

    assert isinstance(sweep.next(), Wait)

    finish(sweep, record, 0)
    trial = started(sweep, record)
    assert (trial.number, trial.seen) == (2, {"num_trials": 1, "running": []})


def test_in_order_of_completion_a_proposal_sees_everything_at_once(record: Record) -> None:
    sweep = scheduler(record, concurrency=2)
    started(sweep, record)
    started(sweep, record)
    finish(sweep, record, 1)

    assert started(sweep, record).seen == {"num_trials": 2, "running": [0]}


RUNGS = {"num": 3, "eta": 2}
CLIMBING = {"target": {"mixture": {"mnli": 1.0}, "steps": 16}, "evaluation": {"languages": ["de", "en", "sw"]}}


def with_rungs(**fields: Any) -> SweepSpec:
    """Return the spec with three rungs."""
    return spec_of(trial=CLIMBING, rungs=RUNGS, **fields)


def measure(scheduler: TrialScheduler, record: Record, number: int, *, rung: int, average: float) -> bool:
    """Measure a trial at a rung, then ask whether it is promoted, as actor and Tune do."""
    record.measure("demo", number=number, rung=rung, result=result(average))
    is_promoted = scheduler.is_promoted(number, rung=rung)
    if not is_promoted:
        scheduler.ended(number)
    return is_promoted


def test_of_the_trials_at_a_rung_the_better_ones_are_promoted_and_the_others_are_pruned(record: Record) -> None:
    sweep = scheduler(record, spec=with_rungs(), concurrency=4)
    for _ in range(4):
        started(sweep, record)

    promoted = [measure(sweep, record, number, rung=0, average=SCORES[number]) for number in range(4)]

    # Asynchronous: the first is the best so far; then a trial must be in the better half of those measured.
    assert promoted == [True, True, False, True]
    assert [trial.state for trial in record.trials("demo")] == ["running", "running", "pruned", "running"]


def test_without_a_pruner_every_trial_is_promoted(record: Record) -> None:
    sweep = scheduler(record, spec=with_rungs(pruner={"name": "none"}), concurrency=2)
    started(sweep, record)
    started(sweep, record)

    assert [measure(sweep, record, number, rung=0, average=0.1) for number in (0, 1)] == [True, True]


def test_a_trial_that_was_measured_before_a_crash_is_judged_before_it_goes_on(record: Record) -> None:
    spec = with_rungs()
    first = scheduler(record, spec=spec, concurrency=2)
    for number, average in ((0, 0.7), (1, 0.3)):
        started(first, record)
        record.measure("demo", number=number, rung=0, result=result(average))
    record.interrupt_running("demo")

    second = scheduler(record, spec=spec, concurrency=2)
    start = second.next()

    assert isinstance(start, Start)
    assert (start.trial.number, start.rung) == (0, 1)
    assert record.trial("demo", number=1).state == "pruned"


def test_in_fixed_order_a_trial_is_judged_by_those_before_it_whatever_the_timing(tmp_path: Path) -> None:
    def states(name: str, *, order: tuple[int, ...]) -> list[str]:
        with open_record(tmp_path / name) as record:
            record.put_sweep("demo", spec={}, objective="average", planned_trials=4)
            sweep = scheduler(record, spec=with_rungs(order="fixed"), concurrency=4)
            for _ in range(4):
                started(sweep, record)
            for number in order:
                measure(sweep, record, number, rung=0, average=SCORES[number])
            sweep.next()  # judges what waited
            return [trial.state for trial in record.trials("demo")]

    in_turn = states("turn.db", order=(0, 1, 2, 3))
    assert [state == "pruned" for state in in_turn] == [False, False, True, False]
    for name, order in (("back.db", (3, 2, 1, 0)), ("mixed.db", (2, 0, 3, 1))):
        assert [state == "pruned" for state in states(name, order=order)] == [False, False, True, False]


def test_in_fixed_order_no_trial_waits_for_one_that_a_changed_spec_excludes(record: Record) -> None:
    spec = with_rungs(order="fixed")
    before = scheduler(record, spec=spec, concurrency=2)
    started(before, record)
    started(before, record)
    record.interrupt_running("demo")
    record.revise("demo", revision=Revision(spec={}, set_aside={"0": "its rate is not in the space"}, num_trials=2))

    after = scheduler(record, spec=spec, concurrency=2)

    assert started(after, record).number == 1
    assert measure(after, record, 1, rung=0, average=0.4)


def test_a_trunk_that_only_an_excluded_trial_extends_is_dropped(record: Record) -> None:
    table = Table(of_trunks={0: {"ours"}, 1: {"ours"}})
    before = scheduler(record, spec=with_rungs(pruner={"name": "none"}), concurrency=2, plans=table)
    started(before, record)
    started(before, record)
    record.interrupt_running("demo")
    record.revise("demo", revision=Revision(spec={}, set_aside={"0": "its rate is not in the space"}, num_trials=2))

    after = scheduler(record, spec=with_rungs(pruner={"name": "none"}), concurrency=2, plans=table)
    assert started(after, record).number == 1
    record.finish("demo", number=1, rung=2, result=result(0.5))
    after.ended(1)

    assert table.dropped == ["ours"]


def test_a_trial_that_waits_for_its_judgement_holds_no_place_and_loses_no_attempt(record: Record) -> None:
    sweep = scheduler(record, spec=with_rungs(order="fixed"), concurrency=2)
    started(sweep, record)
    started(sweep, record)

    assert not measure(sweep, record, 1, rung=0, average=0.9)

    waiting = record.trial("demo", number=1)
    assert (waiting.state, waiting.attempts) == ("interrupted", 0)
    assert isinstance(sweep.next(), Wait)
    assert measure(sweep, record, 0, rung=0, average=0.5)
    start = sweep.next()
    assert isinstance(start, Start)
    assert (start.trial.number, start.rung) == (1, 1)


def test_a_trial_waits_while_another_makes_the_stage_that_it_lacks_and_the_next_one_starts(record: Record) -> None:
    table = Table(missing={(0, 0): ("shared", "a"), (1, 0): ("shared", "b"), (2, 0): ("own", "c")})
    sweep = scheduler(record, concurrency=2, plans=table)

    assert [started(sweep, record).number for _ in range(2)] == [0, 2]

    table.missing |= {(0, 0): (), (1, 0): ("b",)}
    finish(sweep, record, 0)
    assert started(sweep, record).number == 1


def test_a_stage_that_another_sweep_is_making_is_waited_for(record: Record) -> None:
    table = Table(missing={(0, 0): ("theirs", "a"), (1, 0): ("own", "b")}, held={"theirs"})
    sweep = scheduler(record, concurrency=1, plans=table)

    assert started(sweep, record).number == 1
    finish(sweep, record, 1)
    table.held.clear()
    table.dead.add("theirs")
    start = sweep.next()
    assert isinstance(start, Start)
    assert (start.trial.number, start.expired) == (0, "lease of theirs")


def test_the_stage_that_most_trials_lack_is_made_first_and_siblings_follow_it(record: Record) -> None:
    table = Table(
        missing={(0, 0): ("x", "a"), (1, 0): ("y", "b"), (2, 0): ("y", "c"), (3, 0): ("y", "d")},
        starts={"a": "x", "b": "y", "c": "y", "d": "y"},
    )
    sweep = scheduler(record, spec=spec_of(sampler={"name": "random"}), concurrency=1, plans=table)

    assert started(sweep, record).number == 1
    table.missing |= {(1, 0): (), (2, 0): ("c",), (3, 0): ("d",)}
    finish(sweep, record, 1)
    assert started(sweep, record).number == 2  # all lack a stage that nobody else lacks, but y's weights are loaded


def test_a_trunk_is_dropped_when_no_trial_extends_it_any_more(record: Record) -> None:
    table = Table(of_trunks={0: {"mine", "ours"}, 1: {"ours"}})
    sweep = scheduler(record, spec=with_rungs(pruner={"name": "none"}), concurrency=2, plans=table)
    started(sweep, record)
    started(sweep, record)

    for number in (0, 1):
        record.finish("demo", number=number, rung=2, result=result(0.5))
        sweep.ended(number)

    assert table.dropped == ["mine", "ours"]


@pytest.mark.parametrize(
    ("average", "dropped"), [({"last": 2}, ["checkpoint"]), ({"seeds": 2}, [])], ids=["checkpoints", "runs"]
)
def test_the_checkpoints_of_an_average_are_dropped_with_their_trial(
    average: dict[str, int], dropped: list[str], record: Record
) -> None:
    table = Table(of_trunks={0: {"checkpoint"}})
    spec = spec_of()
    target = {**spec.trial["target"], "average": average}  # type: ignore[dict-item]  the test's own spec
    sweep = scheduler(record, spec=spec_of(trial={**spec.trial, "target": target}), plans=table)
    started(sweep, record)

    finish(sweep, record, 0)

    assert table.dropped == dropped


SCORES = (0.4, 0.6, 0.5, 0.7, 0.3, 0.55, 0.65, 0.45)


def sequence(record: Record, *, spec: SweepSpec, restarts: bool) -> list[dict[str, Any]]:
    """Run eight trials one after another, with a new driver for each or one for all; returns what was proposed."""
    record.plan("demo", planned_trials=8)
    kept = scheduler(record, spec=spec, concurrency=1)
    for average in SCORES:
        sweep = scheduler(record, spec=spec, concurrency=1) if restarts else kept
        finish(sweep, record, started(sweep, record).number, average=average)
    return [dict(trial.assignment) for trial in record.trials("demo")]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_sweep_that_was_restarted_proposes_what_an_unbroken_one_would(
    sampler: str, new_place: Callable[[], str], tmp_path: Path
) -> None:
    spec = spec_of(trials=8, sampler={"name": sampler, "num_startup": 3 if sampler == "tpe" else 10})
    with open_record(new_place()) as unbroken, open_record(tmp_path / "restarted.db") as restarted:
        unbroken.put_sweep("demo", spec={}, objective="average", planned_trials=8)
        restarted.put_sweep("demo", spec={}, objective="average", planned_trials=8)

        proposed = sequence(unbroken, spec=spec, restarts=False)

        assert sequence(restarted, spec=spec, restarts=True) == proposed
    assert len({trial["target.learning_rate"] for trial in proposed}) > 5


def ended_in_order(record: Record, *, numbers: tuple[int, int]) -> dict[str, Any]:
    """Run trials 0 and 1 at a time, let them end in this order, and return what is proposed as trial 2."""
    record.put_sweep("demo", spec={}, objective="average", planned_trials=4)
    sweep = scheduler(record, spec=spec_of(order="fixed"), concurrency=2)
    started(sweep, record)
    started(sweep, record)
    first, second = numbers
    finish(sweep, record, first, average=SCORES[first])
    sweep.next()  # waits, or proposes trial 2 already
    finish(sweep, record, second, average=SCORES[second])
    sweep.next()
    return dict(record.trial("demo", number=2).assignment)


def test_in_fixed_order_timing_decides_nothing(tmp_path: Path) -> None:
    with open_record(tmp_path / "one.db") as one, open_record(tmp_path / "other.db") as other:
        assert ended_in_order(one, numbers=(0, 1)) == ended_in_order(other, numbers=(1, 0))


def test_a_disk_that_cannot_be_used_pauses_the_sweep_until_it_can(record: Record) -> None:
    disk = Disk(works=False)
    sweep = scheduler(record, concurrency=1, pause=disk.pause())
    started(sweep, record)
    record.wait("demo", number=0, reason="read-only")
    sweep.ended(0, disk="unusable")

    assert isinstance(sweep.next(), Wait)
    disk.works, disk.now = True, 5.0
    assert started(sweep, record).number == 0


def test_with_three_failures_in_ten_the_search_still_finds_the_best_rate(record: Record) -> None:
    record.plan("demo", planned_trials=40)
    sweep = scheduler(record, spec=spec_of(sampler={"name": "tpe", "num_startup": 8}), concurrency=1)
    for number in range(40):
        trial = started(sweep, record)
        rate = float(str(trial.assignment["target.learning_rate"]))
        if number % 10 in {2, 5, 8}:
            record.fail("demo", number=number, error="a rank was lost")
        else:
            record.finish("demo", number=number, result=result(0.8 - 0.2 * abs(math.log10(rate) + 4)))
        sweep.ended(number)

    finished = record.trials("demo", states=("finished",))
    late = [float(str(trial.assignment["target.learning_rate"])) for trial in finished[-10:]]
    best = max(finished, key=lambda trial: trial.score or 0.0)
    assert len(finished) == 28
    assert best.score == pytest.approx(0.8, abs=0.02)
    assert statistics.median(abs(math.log10(rate) + 4) for rate in late) < 0.5


def test_a_sweep_grows_and_shrinks_with_its_cluster(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    room = 2
    sweep.follow(lambda: room)
    for _ in range(2):
        started(sweep, record)
    assert isinstance(sweep.next(), Wait)

    room = 3
    started(sweep, record)
    room = 2
    finish(sweep, record, 0)
    assert isinstance(sweep.next(), Wait)


def test_wilcoxon_reads_the_scores_of_languages_from_the_record(record: Record) -> None:
    sweep = scheduler(record, spec=with_rungs(pruner={"name": "wilcoxon", "p_threshold": 0.3}), concurrency=2)
    for _ in range(2):
        started(sweep, record)

    assert measure(sweep, record, 0, rung=0, average=0.9)
    measured = record.curves("demo", last_rung=2, with_languages=True)
    assert measured[0].languages[0] == record.measurements("demo", number=0)[0].trial_result.languages
    assert record.curves("demo", last_rung=2)[0].languages == {}
    assert not measure(sweep, record, 1, rung=0, average=0.1)
