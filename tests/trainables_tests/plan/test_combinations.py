"""Plans of merges and averages: ordinary parts that trials share, and a stage of their own for the combination."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.trainables_tests.plan import test_stages
from tests.trainables_tests.plan.test_stages import EVALUATION, TARGET
from trainables.config import PhaseConfig, RungsConfig, ScheduleConfig, TrialConfig, VisionConfig
from trainables.plan.stage_plan import Stage, missing_stages, plan_stages

SETTINGS: dict[str, Any] = {"steps": 100, "learning_rate": 2e-5}
PICTURES = test_stages.PROVENANCE.specs["pictures"].model_copy(update={"columns": {"image": "image"}})
PROVENANCE = test_stages.PROVENANCE.model_copy(update={"specs": test_stages.PROVENANCE.specs | {"pictures": PICTURES}})
WEIGHTS = {"nli": 0.5, "choice": 0.3, "pictures": 0.2}


def keys(config: TrialConfig) -> dict[str, str]:
    return test_stages.keys(config, provenance=PROVENANCE)


def merged(
    mixture: dict[str, float] | None = None, *, merge: dict[str, Any] | None = None, **fields: Any
) -> TrialConfig:
    """Return a trial that merges encoders of single tasks."""
    mixture = WEIGHTS if mixture is None else mixture
    vision = {"vision": VisionConfig()} if "pictures" in mixture else {}
    phase = {"mixture": mixture, "merge": merge or {}, **SETTINGS, **vision, **fields}
    return trial(intermediate=PhaseConfig.model_validate(phase))


def trial(**fields: Any) -> TrialConfig:
    return TrialConfig(**({"target": TARGET, "evaluation": EVALUATION} | fields))


def plan(config: TrialConfig, **where: Any) -> tuple[Stage, ...]:
    return plan_stages(config, provenance=PROVENANCE, **where)


def single(task: str, **fields: Any) -> str:
    """Return the key of the intermediate stage of a trial that trains on one task."""
    return keys(trial(intermediate=PhaseConfig(mixture={task: 1.0}, **SETTINGS, **fields)))["intermediate"]


def merge_key(config: TrialConfig) -> str:
    return keys(config)["intermediate"]


def test_the_parts_of_a_merge_are_the_stages_of_its_tasks_alone() -> None:
    *parts, merge, target, _ = plan(merged())

    assert [part.key for part in parts] == [single("nli"), single("choice"), single("pictures", vision=VisionConfig())]
    assert all(part.is_input and part.parent is None for part in parts)
    assert merge.combination is not None
    assert merge.combination.weights == dict(sorted(zip([part.key for part in parts], WEIGHTS.values(), strict=True)))
    assert (merge.phase, merge.is_input, target.parent) == ("intermediate", False, merge.key)


def test_settings_of_one_part_are_its_own() -> None:
    first, second, *_ = plan(merged({"nli": 0.5, "choice": 0.5}, merge={"parts": {"choice": {"epochs": 2.0}}}))

    assert first.key == single("nli")
    assert (
        second.key
        == keys(trial(intermediate=PhaseConfig(mixture={"choice": 1.0}, epochs=2, learning_rate=2e-5)))["intermediate"]
    )


def test_the_order_of_the_parts_has_no_effect() -> None:
    assert merge_key(merged(dict(reversed(WEIGHTS.items())))) == merge_key(merged())


@pytest.mark.parametrize(
    "other",
    [
        merged({"nli": 0.4, "choice": 0.4, "pictures": 0.2}),
        merged({"nli": 0.5, "choice": 0.5}),
        merged(learning_rate=1e-5),
        merged(merge={"method": "task_arithmetic"}),
        merged(merge={"method": "task_arithmetic", "scaling": 0.5}),
        merged(merge={"method": "ties"}),
        merged(merge={"method": "ties", "density": 0.1}),
        merged(seed=1),
    ],
    ids=["weights", "tasks", "training of parts", "method", "scaling", "ties", "density", "seed"],
)
def test_what_decides_a_merge_is_in_its_key(other: TrialConfig) -> None:
    assert merge_key(other) != merge_key(merged())


def test_a_setting_written_out_is_the_same_merge_as_its_default() -> None:
    written = {"method": "ties", "density": 0.2, "scaling": 1.0}

    assert merge_key(merged(merge=written)) == merge_key(merged(merge={"method": "ties"}))


def test_only_a_missing_merge_needs_its_parts() -> None:
    stages = plan(merged())
    merge = next(stage for stage in stages if stage.combination)

    at_first = missing_stages(stages, is_complete=lambda _: False)
    with_a_part = missing_stages(stages, is_complete={stages[1].key}.__contains__)
    when_merged = missing_stages(stages, is_complete={merge.key}.__contains__)

    assert at_first == stages
    assert with_a_part == tuple(stage for stage in stages if stage is not stages[1])
    assert [stage.phase for stage in when_merged] == ["target", "evaluation"]


def test_a_lower_rung_merges_shorter_parts_that_continue_trunks() -> None:
    schedule = ScheduleConfig(kind="warmup_stable_decay", warmup_steps=2)
    rungs = RungsConfig(num=2, eta=2, grow=("intermediate",))
    config = merged({"nli": 0.5, "choice": 0.5}, merge={"parts": {"choice": {"steps": 40}}}, schedule=schedule)

    low, high = (plan(config, rungs=rungs, rung=rung) for rung in (0, 1))

    assert [stage.work.steps for stage in low if stage.is_part and isinstance(stage.work, PhaseConfig)] == [50, 20]
    assert [stage.is_trunk for stage in low] == [True, False, True, False, False, False, False]
    assert {stage.key for stage in low if stage.is_trunk} <= {stage.key for stage in high}


def averaged(seeds: int | None, **fields: Any) -> TrialConfig:
    average = {"seeds": seeds} | fields.pop("average", {})
    target = PhaseConfig.model_validate(TARGET.model_dump(mode="json") | {"average": average} | fields)
    return trial(target=target)


def test_an_average_combines_runs_that_share_the_start_of_their_head() -> None:
    first, second, third, average, evaluation = plan(averaged(3))

    assert first.key == keys(trial())["target"]  # the first run is the phase alone
    assert [(run.work.seed, run.work.head_seed) for run in (second, third) if isinstance(run.work, PhaseConfig)] == [
        (1, 0),
        (2, 0),
    ]
    assert average.combination is not None
    assert set(average.combination.weights.values()) == {1 / 3}
    assert evaluation.parent == average.key


def test_averages_of_more_runs_share_the_runs() -> None:
    few, many = ({stage.key for stage in plan(averaged(number)) if stage.is_part} for number in (3, 5))

    assert few < many


def test_checkpoints_of_one_run_continue_each_other_and_end_as_the_run_does() -> None:
    first, second, end, average, evaluation = plan(averaged(None, average={"last": 3, "every": 0.25}))

    assert end.key == keys(trial())["target"]
    assert (first.stop_share, second.stop_share, end.stop_share) == (0.5, 0.75, None)
    assert (first.continues, second.continues, end.continues) == (None, first.key, second.key)
    assert [stage.is_trunk for stage in (first, second, end, average)] == [True, True, False, False]
    assert average.combination is not None
    assert set(average.combination.weights) == {first.key, second.key, end.key}
    assert evaluation.parent == average.key


def test_what_follows_a_checkpoint_in_the_schedule_decides_it() -> None:
    first, *_ = plan(averaged(None, average={"last": 2}))
    longer, *_ = plan(averaged(None, average={"last": 2}, epochs=3.0))
    scored, *_ = plan(averaged(None, average={"last": 2}, num_dev_items=3))

    assert longer.key != first.key
    assert scored.key == first.key


def test_a_greedy_average_is_another_stage() -> None:
    assert keys(averaged(3, average={"select": "greedy"}))["target"] != keys(averaged(3))["target"]


def test_a_further_target_that_is_a_run_of_the_average_is_not_left_out() -> None:
    further = {"other": {"target": [TARGET.model_dump(mode="json")], "evaluation": {"task": "other"}}}
    config = TrialConfig.model_validate(averaged(2).model_dump(mode="json") | {"further": further})
    provenance = PROVENANCE.model_copy(
        update={
            "specs": PROVENANCE.specs | {"other": PROVENANCE.specs["nli"]},
            "data": PROVENANCE.data | {"other": "rows of other"},
        }
    )

    runs = [stage for stage in plan_stages(config, provenance=provenance) if stage.phase == "target"]

    assert [stage.is_part for stage in runs] == [False, True, False]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"merge": {"scaling": 0.5}}, "scaling has no effect on method linear"),
        ({"merge": {"density": 0.5}}, "density has no effect on method linear"),
        ({"merge": {"parts": {"squad": {"steps": 5}}}}, "settings of 'squad', which is not merged"),
        ({"merge": {"parts": {"nli": {"mixture": {"nli": 1.0}}}}}, "parts.nli sets 'mixture'"),
        ({"merge": {"parts": {"nli": {"steps": 0}}}}, r"merge.parts.nli.steps: 0: .*set it to 1 or more"),
        ({"merge": {"parts": {"nli": {"step": 5}}}}, r"merge.parts.nli.step: there is no such field"),
        ({"merge": {}, "sampling": {"kind": "proportional"}}, "proportional sampling has no effect on a merge"),
        ({"head_seed": 0}, "head_seed 0 has no effect"),
        ({"average": {"seeds": 2, "select": "greedy"}, "num_dev_items": 0}, "num_dev_items is 0; raise it"),
        ({"average": {}}, "seeds is None and last is None; give exactly one"),
        ({"average": {"seeds": 2, "last": 2}}, "seeds is 2 and last is 2; give exactly one"),
        ({"average": {"seeds": 2, "every": 0.1}}, "every has no effect on an average of seeds"),
        ({"average": {"last": 5, "every": 0.25}}, "5 checkpoints at distances of 0.25 do not fit"),
    ],
)
def test_a_setting_without_effect_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PhaseConfig.model_validate({"mixture": {"nli": 0.5, "choice": 0.5}, "steps": 10} | fields)
