from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from search.compare.sequential import next_size
from search.confirm.fresh_seeds import FRESH, confirmation_spec
from search.confirm.layout import BYTES_OF_A_RANK, Room, layout_of
from search.confirm.score_progress import Scoring, scoring_line
from search.errors import InputError
from search.home import Home
from search.record import open_record
from search.sampler import make_sampler
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.stop import StopConfig
from spaces.sweep_spec import GivenPoint, SweepSpec, load_sweep_spec, make_space
from trainables.config import EngineConfig, EvaluationConfig, PhaseConfig
from trainables.config.locked import LockedEvaluation, locked
from trainables.errors import ConfigError
from trainables.monitoring.progress import Progress, ProgressFile
from trainables.ranks.jobs import EvaluateJob, JobPlaces
from trainables.tasks.registry import task


@pytest.fixture
def spec() -> SweepSpec:
    """The confirmation of two families of the demo."""
    demo = load_sweep_spec("demo")
    firsts = {str(one["family"]): one for one in first_assignments(make_space(demo))}
    points = [GivenPoint(name=family, assignment=firsts[family]) for family in ("multimodal", "none")]
    return confirmation_spec(demo, name="demo.confirmed", points=points)


def test_a_search_cannot_name_the_test_split() -> None:
    with pytest.raises(ValueError, match="validation"):
        EvaluationConfig.model_validate({"split": "test"})


def test_the_locked_evaluation_reaches_the_ranks_as_it_is(tmp_path: Path) -> None:
    work = locked(EvaluationConfig(task="miniature_nli", languages=("en", "de"), num_items=5))
    spec = task("miniature_nli")
    places = JobPlaces(encoder=tmp_path, tokenizer=tmp_path, output=tmp_path, cache=tmp_path)
    job = EvaluateJob(work=work, target=None, spec=spec, head_spec=spec, places=places)

    arrived = EvaluateJob.model_validate_json(job.model_dump_json()).work
    assert arrived == work
    assert isinstance(arrived, LockedEvaluation)
    assert (arrived.split, arrived.num_items) == ("test", None)


def test_a_sweep_with_priors_is_confirmed_without_them() -> None:
    demo = with_settings(load_sweep_spec("demo"), ["priors={arms: {family: {text: 0.5}}}"])
    points = [GivenPoint(name="none", assignment=first_assignments(make_space(demo))[0])]

    assert not confirmation_spec(demo, name="demo.confirmed", points=points).priors.has_any


def test_a_confirmation_keeps_the_stages_that_the_locked_test_is_scored_with() -> None:
    demo = with_settings(load_sweep_spec("demo"), ["keep={best: 1, phases: []}"])
    points = [GivenPoint(name="none", assignment=first_assignments(make_space(demo))[0])]

    assert demo.keep is not None
    assert confirmation_spec(demo, name="demo.confirmed", points=points).keep is None


@pytest.mark.parametrize("stop", [StopConfig(decided="families"), StopConfig(expected_gain=0.2)])
def test_a_sweep_that_stops_by_itself_is_confirmed_to_the_end(stop: StopConfig) -> None:
    demo = load_sweep_spec("demo")
    points = [GivenPoint(name="none", assignment=first_assignments(make_space(demo))[0])]

    confirmed = confirmation_spec(demo.model_copy(update={"stop": stop}), name="demo.confirmed", points=points)

    assert confirmed.stop == StopConfig()


def test_the_parts_of_a_merge_have_fresh_seeds_too() -> None:
    merged: dict[str, JsonValue] = {
        "mixture": {"miniature_qa": 0.5, "miniature_choice": 0.5},
        "steps": 800,
        "merge": {"parts": {"miniature_qa": {"seed": 3, "learning_rate": 1e-4}}},
    }
    demo = load_sweep_spec("demo")
    spec = demo.model_copy(update={"families": {**demo.families, "merged": merged}})
    points = [GivenPoint(name="merged", assignment={"family": "merged", "target.learning_rate": 0.003})]

    confirmed = confirmation_spec(spec, name="demo.confirmed", points=points).families["merged"]

    assert confirmed["merge"] == {"parts": {"miniature_qa": {"learning_rate": 1e-4}}}
    assert confirmed["seed"] == FRESH
    assert merged["merge"] == {"parts": {"miniature_qa": {"seed": 3, "learning_rate": 1e-4}}}


def test_points_take_turns_and_have_fresh_seeds_in_both_phases(spec: SweepSpec) -> None:
    sampler, space = make_sampler(spec), make_space(spec)
    configs = [bind(space, sampler.propose(number, history=()).assignment) for number in range(6)]

    assert [config.intermediate is None for config in configs] == [False, True] * 3
    phases: list[PhaseConfig] = [phase for one in configs for phase in (one.intermediate, one.target) if phase]
    assert 0 not in {phase.seed for phase in phases}
    assert len({config.target.seed for config in configs}) == 6
    same = [config.model_copy(update={"target": config.target.model_copy(update={"seed": 0})}) for config in configs]
    assert same[1] == same[3] == same[5]


def test_a_point_that_leaves_out_more_than_seeds_is_refused(spec: SweepSpec) -> None:
    bare = GivenPoint(name="bare", assignment={"family": "none"})
    sampler = make_sampler(spec.model_copy(update={"sampler": spec.sampler.model_copy(update={"points": (bare,)})}))

    with pytest.raises(ConfigError, match="learning_rate"):
        sampler.propose(0, history=())


def test_the_first_look_is_at_three_seeds() -> None:
    assert next_size((), done=0, seeds=12) == 3


def test_a_sweep_without_a_baseline_is_not_confirmed(tmp_path: Path) -> None:
    from search.confirm.confirmation import ConfirmRequest, confirm

    home = Home(record=str(tmp_path / "record.db"), store=str(tmp_path / "store"), scratch=tmp_path / "scratch")
    demo = load_sweep_spec("demo")
    with open_record(home.record) as record:
        record.put_sweep("demo", spec=demo.model_dump(mode="json"), objective="average", planned_trials=1)

    with pytest.raises(InputError, match="no finished trial"):
        confirm(ConfirmRequest(sweep="demo", top=1, seeds=3, home=home))


MUCH = 1 << 40
CPU = EngineConfig(threads_per_rank=1, device="cpu")


@pytest.mark.parametrize(
    ("engine", "num_trials", "room", "groups", "ranks"),
    [
        (CPU, 6, Room(cores=2, devices=0, free_bytes=MUCH), 2, 1),
        (CPU, 2, Room(cores=8, devices=0, free_bytes=MUCH), 2, 4),
        (CPU, 3, Room(cores=8, devices=0, free_bytes=MUCH), 3, 2),
        (CPU, 24, Room(cores=8, devices=0, free_bytes=MUCH), 8, 1),
        (CPU, 6, Room(cores=1, devices=0, free_bytes=MUCH), 1, 1),
        (CPU, 6, Room(cores=8, devices=0, free_bytes=3 * BYTES_OF_A_RANK), 3, 1),
        (CPU, 6, Room(cores=8, devices=0, free_bytes=0), 1, 1),
        (EngineConfig(threads_per_rank=4, device="cpu"), 6, Room(cores=8, devices=0, free_bytes=MUCH), 2, 1),
        (EngineConfig(threads_per_rank=99, device="cpu"), 6, Room(cores=8, devices=0, free_bytes=MUCH), 1, 1),
        (EngineConfig(num_workers=2, device="cuda"), 6, Room(cores=64, devices=4, free_bytes=MUCH), 4, 1),
        (EngineConfig(device="cuda"), 1, Room(cores=64, devices=4, free_bytes=MUCH), 1, 4),
    ],
)
def test_trials_are_scored_by_all_ranks_that_there_is_room_for(
    engine: EngineConfig, num_trials: int, room: Room, groups: int, ranks: int
) -> None:
    layout = layout_of(engine, num_trials=num_trials, weight_bytes=0, room=room)

    assert (layout.groups, layout.engine.num_workers) == (groups, ranks)


def test_large_weights_leave_room_for_fewer_ranks() -> None:
    room = Room(cores=8, devices=0, free_bytes=20 << 30)

    assert layout_of(CPU, num_trials=8, weight_bytes=1 << 30, room=room).groups == 4


def evaluated(step: int, *, seconds_left: float | None = None) -> Progress:
    return Progress(phase="evaluation", step=step, num_steps=1000, seconds_left=seconds_left)


@pytest.mark.parametrize(
    ("running", "num_done", "line"),
    [
        ([], 0, "test split: 0 of 4 trials scored; reading the items in 15 languages"),
        ([evaluated(0)], 0, "0 of 4 trials scored, 1 running; 0 of 4,000 items in 15 languages"),
        (
            [evaluated(500, seconds_left=10), evaluated(250, seconds_left=15)],
            1,
            "1 of 4 trials scored, 2 running; 1,750 of 4,000 items in 15 languages, 100 items/s, about 0:22 left",
        ),
    ],
)
def test_the_scoring_tells_trials_items_rate_and_what_is_left(
    running: list[Progress], num_done: int, line: str
) -> None:
    assert line in scoring_line(running, num_done=num_done, num_trials=4, num_languages=15)


def test_a_trial_that_is_scored_or_has_not_begun_is_not_running(tmp_path: Path) -> None:
    files = {trial: tmp_path / f"{trial}.json" for trial in range(3)}
    for trial in (0, 1):
        ProgressFile(files[trial])(evaluated(500, seconds_left=5))

    line = Scoring(files=files, num_languages=2, done={0}).line()

    told = "test split: 1 of 3 trials scored, 1 running; 1,500 of 3,000 items in 2 languages, 100 items/s"
    assert line == f"{told}, about 0:15 left"
