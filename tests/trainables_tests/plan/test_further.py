"""Several targets from one intermediate encoder: their configuration, their plan, their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, phase, trial
from trainables.checks.preflight import check_trial
from trainables.config import EvaluationConfig, FurtherTarget, PhaseConfig, TrialConfig, VisionConfig
from trainables.config.literature import GROUPS, LITERATURE
from trainables.errors import ConfigError
from trainables.evaluation.predictions import PREDICTIONS, read_predictions
from trainables.evaluation.scores import score_items
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.tasks.registry import task
from trainables.trials.trial import TrialResources, run_trial

INTERMEDIATE = phase(mixture={"commonsense_qa": 1.0}, steps=4)
SPANS = phase(mixture={"squad": 1.0}, steps=4, learning_rate=1e-3)


def scored(name: str, languages: tuple[str, ...], **fields: Any) -> EvaluationConfig:
    return EvaluationConfig(task=name, languages=languages, max_length=MAX_LENGTH, **fields)


FURTHER = {
    "xquad": FurtherTarget(target=(SPANS,), evaluation=scored("xquad", ("en", "de"))),
    "tatoeba": FurtherTarget(evaluation=scored("tatoeba", ("de", "sw"), layer=1)),
}


@pytest.mark.parametrize("name", LITERATURE)
def test_what_the_literature_scores_is_a_task_in_those_languages(name: str) -> None:
    assert set(LITERATURE[name].languages) <= set(task(name).languages)


@pytest.mark.parametrize(("group", "num_tasks"), [("xtreme", 9), ("xtreme_r", 10)])
def test_a_group_names_every_task_of_its_benchmark(group: str, num_tasks: int) -> None:
    config = TrialConfig.model_validate({"further": group})

    assert {config.evaluation.task, *config.further} == set(GROUPS[group])
    assert len(GROUPS[group]) == num_tasks


def test_a_group_is_filled_in_from_the_literature() -> None:
    further = TrialConfig.model_validate({"further": "xtreme"}).further

    assert further["xquad"].target[0].mixture == {"squad": 1.0}
    assert (further["xquad"].target[0].epochs, further["xquad"].evaluation.max_length) == (3, 384)
    assert further["tatoeba"].target == ()
    assert further["paws_x"].evaluation.languages == LITERATURE["paws_x"].languages


def test_what_the_user_says_stands_over_the_literature() -> None:
    given = {"xquad": {"target": {"mixture": "squad_v2", "steps": 7}, "evaluation": {"languages": ["en"]}}}

    further = TrialConfig.model_validate({"further": given}).further["xquad"]

    assert (further.target[0].mixture, further.target[0].steps, further.target[0].epochs) == (
        {"squad_v2": 1.0},
        7,
        None,
    )
    assert further.target[0].learning_rate == LITERATURE["xquad"].learning_rate
    assert further.evaluation.languages == ("en",)


def test_several_phases_train_one_after_the_other() -> None:
    further = TrialConfig.model_validate({"further": ["xcopa"]}).further["xcopa"]

    assert [list(one.mixture) for one in further.target] == [["social_i_qa"], ["copa"]]


def test_a_completed_configuration_survives_the_trip_through_json() -> None:
    config = TrialConfig.model_validate({"further": "xtreme"})

    assert TrialConfig.model_validate(config.model_dump(mode="json")) == config
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ("xtrem", "did you mean 'xtreme'"),
        ({"xnli": {"target": {"mixture": "mnli"}}}, "already scored on 'xnli'"),
        ({"xquad": {"evaluation": {"task": "mlqa"}}}, "must have the name of its task"),
        ({"xquad": {"targt": {}}}, "targt"),
        ({"xquad": {"target": {"steps": 0}}}, "steps"),
    ],
)
def test_a_mistake_in_a_further_target_is_told(further: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrialConfig.model_validate({"further": further})


MISTAKES: dict[str, tuple[dict[str, FurtherTarget], str, str]] = {
    "a head of another kind": (
        {"xquad": FurtherTarget(target=(phase(),), evaluation=scored("xquad", ("en",)))},
        "further.xquad.evaluation.task",
        "cannot be scored with the head of 'mnli'",
    ),
    "no head": (
        {"xquad": FurtherTarget(evaluation=scored("xquad", ("en",)))},
        "further.xquad.target",
        "needs a trained head",
    ),
    "a language that the task lacks": (
        {"xquad": FurtherTarget(target=(SPANS,), evaluation=scored("xquad", ("sw",)))},
        "further.xquad.evaluation.languages",
        "'xquad' has no language 'sw'",
    ),
    "a layer where none is compared": (
        {"xquad": FurtherTarget(target=(SPANS,), evaluation=scored("xquad", ("en",), layer=1))},
        "further.xquad.evaluation.layer",
        "no effect",
    ),
    "more layers than there are": (
        {"tatoeba": FurtherTarget(evaluation=scored("tatoeba", ("de",), layer=3))},
        "further.tatoeba.evaluation.layer",
        "set it to 2 or less",
    ),
    "a mixture as a target": (
        {
            "xquad": FurtherTarget(
                target=(phase(mixture={"squad": 0.5, "mnli": 0.5}),), evaluation=scored("xquad", ("en",))
            )
        },
        "further.xquad.target.0.mixture",
        "one task",
    ),
    "training on retrieval": (
        {"xquad": FurtherTarget(target=(phase(mixture={"tatoeba": 1.0}),), evaluation=scored("xquad", ("en",)))},
        "further.xquad.target.0.mixture",
        "scored without training",
    ),
}


@pytest.mark.usefixtures("tiny_world")
@pytest.mark.parametrize(("further", "field", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_further_target_that_does_not_fit_is_refused_before_anything_starts(
    further: dict[str, FurtherTarget], field: str, said: str, tiny_encoder: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_trial(trial(tiny_encoder, further=further))

    assert caught.value.field == field


@pytest.mark.usefixtures("tiny_world")
def test_further_targets_hang_under_the_intermediate_stage(tiny_encoder: Path) -> None:
    config = trial(tiny_encoder, intermediate=INTERMEDIATE, further=FURTHER)

    stages = plan_stages(config, provenance=read_provenance(config))

    trunk = stages[0].key
    assert [(stage.phase, stage.further) for stage in stages] == [
        ("intermediate", ""),
        ("target", ""),
        ("evaluation", ""),
        ("target", "xquad"),
        ("evaluation", "xquad"),
        ("evaluation", "tatoeba"),
    ]
    assert [stage.parent for stage in stages] == [None, trunk, stages[1].key, trunk, stages[3].key, trunk]


@pytest.mark.usefixtures("tiny_world")
def test_the_trials_own_line_does_not_depend_on_further_targets(tiny_encoder: Path) -> None:
    alone = trial(tiny_encoder, intermediate=INTERMEDIATE)
    together = trial(tiny_encoder, intermediate=INTERMEDIATE, further=FURTHER)

    own = plan_stages(alone, provenance=read_provenance(alone))

    assert plan_stages(together, provenance=read_provenance(together))[: len(own)] == own


@pytest.mark.usefixtures("tiny_world")
def test_targets_that_train_alike_are_one_stage(tiny_encoder: Path) -> None:
    further = {"xquad": FURTHER["xquad"]}
    config = trial(tiny_encoder, target=SPANS, evaluation=scored("squad", ("en",)), further=further)

    stages = plan_stages(config, provenance=read_provenance(config))

    assert [stage.phase for stage in stages] == ["target", "evaluation", "evaluation"]
    assert stages[2].parent == stages[0].key


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_a_trial_is_scored_on_every_target(tiny_encoder: Path, tmp_path: Path, one_rank: LocalGroup) -> None:
    store = StageStore(tmp_path / "store")
    config = trial(tiny_encoder, intermediate=INTERMEDIATE, further=FURTHER)

    result = run_trial(config, resources=TrialResources(store=store, group=one_rank))

    assert list(result.evaluations) == ["xnli", "xquad", "tatoeba"]
    assert result.evaluations["xnli"]["accuracy"] == result.languages
    assert set(result.evaluations["xquad"]["f1"]) == {"en", "de"}
    assert set(result.evaluations["tatoeba"]["accuracy"]) == {"de", "sw"}
    kept = {run.further: store.find(run.key) for run in result.stages if run.phase == "evaluation"}
    items = {name: read_predictions(stage.folder / PREDICTIONS) for name, stage in kept.items() if stage}
    assert [one.item for one in items["xquad"]["de"]] == [f"question-{row}" for row in range(12)]
    assert score_items(items["xquad"]["de"], spec=task("xquad"), language="de")["f1"] == pytest.approx(
        result.evaluations["xquad"]["f1"]["de"]
    )
    assert TrialResult.model_validate_json(result.model_dump_json()) == result


SEEING = phase(mixture={"miniature_entailment": 1.0}, vision=VisionConfig(tower="miniature", freeze=True))
ASKED: dict[str, Any] = {
    "miniature_visual_nli": {
        "target": {"mixture": "miniature_entailment", "steps": 2, "vision": {"tower": "intermediate"}},
        "evaluation": {"languages": ["en", "de"]},
    }
}


def asked(intermediate: PhaseConfig | None) -> TrialConfig:
    return TrialConfig.model_validate({"intermediate": intermediate, "further": ASKED})


def test_the_tower_of_the_intermediate_phase_is_named_in_the_completed_configuration() -> None:
    config = asked(SEEING)

    (trained,) = config.further["miniature_visual_nli"].target
    assert (trained.mixture, trained.vision) == ({"miniature_entailment": 1.0}, SEEING.vision)
    assert TrialConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("intermediate", [None, INTERMEDIATE])
def test_without_a_tower_the_phase_trains_on_the_texts_alone(intermediate: PhaseConfig | None) -> None:
    config = asked(intermediate)

    (trained,) = config.further["miniature_visual_nli"].target
    assert (trained.mixture, trained.vision) == ({"miniature_entailment@captions_only": 1.0}, None)
    assert TrialConfig.model_validate(config.model_dump(mode="json")) == config


def test_the_tasks_of_iglue_are_asked_with_the_tower_of_the_intermediate_phase() -> None:
    further = TrialConfig.model_validate({"intermediate": SEEING, "further": ["xvnli", "xflickrco"]}).further

    assert [list(one.target[0].mixture) for one in further.values()] == [["snli_ve"], ["flickr30k"]]
    assert {one.target[0].vision for one in further.values()} == {SEEING.vision}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target": {"mixture": "snli_ve", "steps": 1, "vision": {"tower": "intermediate"}}}, "name a tower"),
        ({"further": {"xvnli": {"target": {"vision": {"tower": "intermediate", "freeze": True}}}}}, "freeze has no"),
    ],
)
def test_a_tower_of_another_phase_is_named_only_in_further_targets(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrialConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"evaluation": EvaluationConfig(task="miniature_visual_nli", languages=("en",))}, "put it under `further`"),
        (
            {"further": {"miniature_captions": FurtherTarget(evaluation=scored("miniature_captions", ("de",)))}},
            "list `en` and at least one other",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_starts(fields: dict[str, Any], said: str) -> None:
    english = phase(mixture={"miniature_nli": 1.0}, steps=2)
    own = {"target": english, "evaluation": scored("miniature_nli", ("en",))}
    if "evaluation" in fields:
        own["target"] = SEEING
    with pytest.raises(ConfigError, match=said):
        check_trial(trial(Path("miniature"), **(own | fields)))
