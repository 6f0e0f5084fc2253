"""A card says what a trial was trained on, and names no folder of the machine that trained it."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.publication.card_facts import CardFacts, read_card_facts
from search.publication.model_card import card_body, card_metadata
from search.record import Proposal, open_record
from tests.search_tests.building import result
from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig

FOLDER = "/home/someone/secret-project"


@pytest.fixture
def facts(tmp_path: Path) -> CardFacts:
    """A trial with an encoder, a vision tower and texts in folders of its user, and with translations."""
    images: dict = {"mixture": {"nlvr": 1.0}, "vision": {"tower": f"{FOLDER}/tower", "freeze": True}}
    texts = {"masked_lm": {"texts": f"{FOLDER}/texts", "languages": ["sw"], "ratio": 0.25}, "translations": ["de"]}
    config = TrialConfig.model_validate(
        {
            "encoder": {"name": f"{FOLDER}/encoder"},
            "intermediate": PhaseConfig.model_validate({**images, "beside": texts, "steps": 10}),
            "evaluation": EvaluationConfig(languages=("de", "en", "sw")),
        }
    )
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("sweep", spec={}, objective="average", planned_trials=1)
        record.propose("sweep", proposal=Proposal(family="multimodal", assignment={}, config=config, seed=7))
        record.start("sweep", number=0)
        record.finish("sweep", number=0, result=result())
        return read_card_facts(record, record.trial("sweep", number=0))


def test_no_folder_of_the_user_is_in_a_card(facts: CardFacts) -> None:
    text = card_body(facts) + str(card_metadata(facts))

    assert "secret-project" not in text
    assert all(f": {name}\n" in text for name in ("tower", "texts", "encoder"))


def test_texts_beside_a_phase_are_data_of_the_model(facts: CardFacts) -> None:
    assert [(phase, spec.kind) for phase, spec in facts.trained][1] == ("intermediate", "masked_lm")
    assert "GFDL" in card_body(facts)


def test_a_language_with_translations_was_not_scored_without_labels(facts: CardFacts) -> None:
    results = card_metadata(facts)["model-index"][0]["results"]  # type: ignore[index]
    protocols = {one["dataset"]["args"]["protocol"] for one in results}

    assert facts.label_languages == ("en", "de")
    assert protocols == {
        "trained in this language",
        "trained on translations into de",
        "zero-shot: no labels in sw",
    }
    assert "has seen labels in en, de only" in card_body(facts)
