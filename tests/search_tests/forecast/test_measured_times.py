"""After two trials of known cost, the seconds of any further stage are foretold by its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.forecast.measured_times import MeasuredTimes, measured_times
from search.record import Proposal, open_record
from trainables.config import EncoderConfig, EvaluationConfig, PhaseConfig, TrialConfig
from trainables.plan.stage_plan import Stage
from trainables.results import StageRun, TaskPace, TrialResult

ENCODER = "miniature"
OVERHEAD, OF_STEP, OF_TOKEN, OF_ITEM = 3.0, 0.004, 2e-5, 0.01
LENGTHS = {"mnli": 40, "squad": 180}
"""Tokens of an example."""


def phase(name: str = "mnli", *, steps: int = 100, **fields: object) -> PhaseConfig:
    return PhaseConfig.model_validate({"mixture": {name: 1.0}, "steps": steps, "max_length": 256, **fields})


def tokens(work: PhaseConfig) -> int:
    assert work.steps is not None
    lengths = sum(weight * min(LENGTHS[name], work.max_length) for name, weight in work.mixture.items())
    return round(work.steps * work.batch_size * lengths)


def seconds(work: PhaseConfig | EvaluationConfig) -> float:
    """Return the true time of a stage."""
    if isinstance(work, EvaluationConfig):
        return OVERHEAD + OF_ITEM * len(work.languages) * (work.num_items or 1000)
    return OVERHEAD + in_steps(work)


def in_steps(work: PhaseConfig) -> float:
    """Return the true time of a stage's steps."""
    return OF_STEP * (work.steps or 0) + OF_TOKEN * tokens(work)


def trial(target: PhaseConfig, *, items: int, intermediate: PhaseConfig | None = None) -> TrialConfig:
    return TrialConfig(
        encoder=EncoderConfig(name=ENCODER),
        intermediate=intermediate,
        target=target,
        evaluation=EvaluationConfig(languages=("en", "de"), num_items=items),
    )


def result(config: TrialConfig, *, number: int) -> TrialResult:
    """Return what a trial reports whose stages take as long as the law says."""
    runs: list[StageRun] = []
    paces: dict[str, dict[str, TaskPace]] = {}
    for place, name in enumerate(("intermediate", "target", "evaluation")):
        work = getattr(config, name)
        if work is None:
            continue
        key = f"{number}{place}".rjust(64, "0")
        steps = work.steps if isinstance(work, PhaseConfig) else 0
        runs.append(
            StageRun.model_validate(
                {"phase": name, "key": key, "steps": steps, "seconds": seconds(work), "reused": False}
            )
        )
        if isinstance(work, PhaseConfig):
            (task,) = work.mixture
            pace = TaskPace(
                num_examples=(work.steps or 0) * work.batch_size,
                num_tokens=tokens(work),
                seconds=in_steps(work),
            )
            paces[key] = {task: pace}
    scores = {"en": 0.6, "de": 0.5}
    items = config.evaluation.num_items or 1000
    return TrialResult(languages=scores, num_items=items, task_scores={}, stages=tuple(runs), paces=paces)


def after(
    configs: Mapping[int, TrialConfig],
    folder: Path,
    *,
    ranks: int = 1,
    without_paces: bool = False,
    slower: Mapping[int, float] = MappingProxyType({}),
    starts: Mapping[int, float] = MappingProxyType({}),
) -> MeasuredTimes:
    """Return the times after trials.

    Args:
        configs: Number -> trial.
        folder: For the record.
        ranks: Ranks of the forecast.
        without_paces: Whether an earlier version ran them.
        slower: Number of a trial -> seconds that its first stage took longer, to encode data.
        starts: Number of a trial -> seconds of the start of its ranks, which its first stage took longer too.
    """
    with open_record(folder / "record.db") as record:
        record.put_sweep("known", spec={}, objective="average", planned_trials=len(configs))
        for number, config in configs.items():
            proposal = Proposal(family="text", assignment={"family": "text"}, config=config, seed=number)
            record.propose("known", proposal=proposal)
            record.start("known", number=number)
            measured = result(config, number=number)
            first, *others = measured.stages
            seconds = first.seconds + slower.get(number, 0.0) + starts.get(number, 0.0)
            stages = (first.model_copy(update={"seconds": seconds}), *others)
            changes: dict[str, Any] = {"stages": stages} | ({"paces": {}} if without_paces else {})
            changes |= {"starts": {first.key: starts[number]}} if number in starts else {}
            record.finish("known", number=number, result=measured.model_copy(update=changes))
        return measured_times(record, encoder=ENCODER, ranks=ranks)


TWO = {
    0: trial(phase("mnli", steps=300, batch_size=32), items=100),
    1: trial(phase("mnli", steps=900, batch_size=16), items=500, intermediate=phase("squad", steps=50, batch_size=8)),
}


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> MeasuredTimes:
    return after(TWO, tmp_path_factory.mktemp("known"))


def foretold(times: MeasuredTimes, work: PhaseConfig | EvaluationConfig, *, name: str = "target") -> float:
    stage = Stage.model_validate({"phase": name, "key": "f" * 64, "parent": None, "work": work})
    return times.seconds(stage, steps=(work.steps or 0) if isinstance(work, PhaseConfig) else 0)


@given(
    steps=st.integers(10, 100_000),
    batch_size=st.integers(1, 256),
    max_length=st.integers(16, 512),
    share=st.floats(0.01, 0.99),
)
def test_a_stage_of_any_length_takes_what_its_tokens_take(
    times: MeasuredTimes, steps: int, batch_size: int, max_length: int, share: float
) -> None:
    mixture = {"mnli": share, "squad": 1 - share}
    work = phase(steps=steps, batch_size=batch_size, max_length=max_length, mixture=mixture)

    assert foretold(times, work) == pytest.approx(seconds(work), rel=0.01)


@given(items=st.integers(1, 500), num_languages=st.integers(1, 15))
def test_an_evaluation_takes_what_its_items_take(times: MeasuredTimes, items: int, num_languages: int) -> None:
    work = EvaluationConfig(languages=EvaluationConfig().languages[:num_languages], num_items=items)

    assert foretold(times, work, name="evaluation") == pytest.approx(seconds(work), rel=0.01)


def test_a_record_of_an_earlier_version_gives_the_mean_of_a_step(tmp_path: Path) -> None:
    times = after({0: TWO[0]}, tmp_path, without_paces=True)

    assert foretold(times, phase(steps=600)) == pytest.approx(2 * seconds(TWO[0].target))
    assert foretold(times, EvaluationConfig(), name="evaluation") == pytest.approx(seconds(TWO[0].evaluation))


def test_a_phase_that_was_not_timed_takes_the_pace_of_the_others(times: MeasuredTimes) -> None:
    work = phase("squad", steps=200)

    assert foretold(times, work, name="pretraining") == pytest.approx(seconds(work), rel=0.01)


EVALUATION = EvaluationConfig(num_items=400)
THREE = TWO | {2: trial(phase("mnli", steps=500), items=300, intermediate=phase("squad", steps=70))}


def test_the_start_of_ranks_and_the_encoding_of_data_are_not_in_every_stage(tmp_path: Path) -> None:
    times = after(THREE, tmp_path, slower={0: 7.0, 1: 7.0}, starts={0: 4.0, 1: 6.0})
    work = phase("mnli", steps=700)

    assert times.start_seconds == pytest.approx(5.0)
    assert foretold(times, work) == pytest.approx(seconds(work))
    assert foretold(times, EVALUATION, name="evaluation") == pytest.approx(seconds(EVALUATION), rel=0.01)


def test_a_phase_whose_only_stage_encoded_its_task_takes_the_overhead_of_others(tmp_path: Path) -> None:
    times = after(TWO, tmp_path, slower={0: 7.0, 1: 7.0})
    known, new = (
        Stage.model_validate({"phase": "intermediate", "key": name * 64, "parent": None, "work": phase(task)})
        for name, task in (("a", "squad"), ("b", "qqp"))
    )

    assert foretold(times, phase("squad", steps=90), name="intermediate") == pytest.approx(
        seconds(phase("squad", steps=90))
    )
    assert times.seconds_once([known], num_starts=0) == 0
    assert times.seconds_once([known, new], num_starts=0) == pytest.approx(7.0)


def test_ranks_divide_the_tokens_and_the_items_and_not_what_is_around_them(tmp_path: Path) -> None:
    times = after(TWO, tmp_path, ranks=2)
    work = phase("mnli", steps=700)

    assert foretold(times, work) == pytest.approx(OVERHEAD + OF_STEP * 700 + OF_TOKEN * tokens(work) / 2)
    assert foretold(times, EVALUATION, name="evaluation") == pytest.approx(
        OVERHEAD + (seconds(EVALUATION) - OVERHEAD) / 2, rel=0.01
    )


def test_a_stage_that_a_higher_rung_lists_again_counts_once(tmp_path: Path) -> None:
    config = TWO[1]
    measured = result(config, number=0)
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("known", spec={"rungs": {"num": 2}}, objective="average", planned_trials=1)
        proposal = Proposal(family="text", assignment={"family": "text"}, config=config, seed=0)
        record.propose("known", proposal=proposal)
        record.start("known", number=0)
        record.measure("known", number=0, result=measured, rung=0)
        record.finish("known", number=0, result=measured.model_copy(update={"paces": {}}), rung=1)
        times = measured_times(record, encoder=ENCODER)

    assert times.in_words() == "3 timed stages with this encoder, by tokens"


def test_the_times_say_what_they_are_from_and_which_tasks_they_lack(times: MeasuredTimes, tmp_path: Path) -> None:
    work = phase(mixture={"mnli": 0.5, "qqp": 0.5})
    stage = Stage.model_validate({"phase": "target", "key": "f" * 64, "parent": None, "work": work})
    older = after({0: TWO[0]}, tmp_path, without_paces=True)

    assert times.in_words() == "5 timed stages with this encoder, by tokens"
    assert times.tasks_not_timed([stage]) == ("qqp",)
    assert older.in_words() == "2 timed stages with this encoder, by the mean time of a step"
    assert older.tasks_not_timed([stage]) == ()
    assert MeasuredTimes().in_words() == ""


def test_each_choice_of_an_example_is_a_text(times: MeasuredTimes) -> None:
    text = (LENGTHS["mnli"] + LENGTHS["squad"]) / 2
    whole, cut = (phase("hellaswag", steps=50, max_length=length) for length in (256, 20))

    around = OVERHEAD + 50 * OF_STEP
    of_token = (foretold(times, cut) - around) / (50 * cut.batch_size * 4 * 20)

    assert of_token == pytest.approx(OF_TOKEN)
    assert foretold(times, whole) == pytest.approx(around + OF_TOKEN * 50 * whole.batch_size * 4 * text)


def test_frozen_layers_have_a_pace_of_their_own(tmp_path: Path) -> None:
    frozen: dict[str, Any] = {"freeze_embeddings": True, "freeze_layers": 2}
    times = after({0: TWO[0]}, tmp_path)
    of_token = times.seconds_per_token["target", False, 0, True, False, False]
    times.seconds_per_token["target", True, 2, True, False, False] = of_token / 2

    full, half = (foretold(times, phase(steps=1000, **fields)) - OVERHEAD for fields in (dict[str, Any](), frozen))

    assert half == pytest.approx(full / 2)


def test_steps_of_one_size_do_not_tell_their_own_time_from_that_of_their_tokens(tmp_path: Path) -> None:
    times = after({0: TWO[0]}, tmp_path)

    assert times.seconds_of_any_step == 0
    assert foretold(times, TWO[0].target) == pytest.approx(seconds(TWO[0].target))
