from __future__ import annotations

from typing import Any

import pytest
import torch

from trainables.config import PhaseConfig, VisionConfig
from trainables.errors import ConfigError
from trainables.models.encoder import Encoder, new_encoder
from trainables.models.task_model import build_task_model, encoder_state, head_state, parameter_groups
from trainables.tasks.spec import IMAGE_COLUMNS, HubSource, KindName, MaskingPolicy, TaskSpec

IDS_BT = torch.tensor([[0, 7, 8, 9, 2], [0, 11, 2, 1, 1]])
TEXT = {"input_ids_BT": IDS_BT, "attention_mask_BT": (IDS_BT != 1).long()}
NLI_BATCH = TEXT | {"labels_B": torch.tensor([0, 2])}
VISION = VisionConfig(num_layers=1, hidden_size=32, image_size=16, patch_size=8)


def spec_of(name: str, *, kind: KindName) -> TaskSpec:
    return TaskSpec(
        name=name,
        kind=kind,
        source=HubSource(repository="o/n"),
        splits={},
        columns={"image": "image"} if kind in IMAGE_COLUMNS else {},
        labels=("a", "b", "c"),
        masking=MaskingPolicy() if kind == "masked_lm" else None,
        licence="-",
        citation="-",
    )


SPECS = {
    "nli": spec_of("nli", kind="sentence_pair"),
    "paraphrase": spec_of("paraphrase", kind="sentence_pair"),
    "words": spec_of("words", kind="masked_lm"),
    "scenes": spec_of("scenes", kind="image_classification"),
}


def phase_of(*tasks: str, **fields: Any) -> PhaseConfig:
    return PhaseConfig(**{"mixture": dict.fromkeys(tasks, 1 / len(tasks)), "steps": 1, **fields})


@pytest.fixture
def encoder() -> Encoder:
    config = {
        "model_type": "xlm-roberta",
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 40,
        "pad_token_id": 1,
    }
    return new_encoder(config, dropout=0.1)


def test_each_task_of_a_mixture_has_its_own_head(encoder: Encoder) -> None:
    model = build_task_model(phase_of("nli", "words"), SPECS, encoder=encoder)
    targets_BT = torch.where(IDS_BT == 7, IDS_BT, -100)

    assert set(model.heads) == {"nli", "words"}
    assert set(model("nli", NLI_BATCH).outputs) == {"logits"}
    assert set(model("words", TEXT | {"targets_BT": targets_BT}).outputs) == {"correct", "total"}


def test_a_new_head_depends_on_seed_and_task_alone(encoder: Encoder) -> None:
    torch.manual_seed(1)
    alone = build_task_model(phase_of("nli", seed=4), SPECS, encoder=encoder)
    torch.manual_seed(2)
    mixed = build_task_model(phase_of("scenes", "words", "nli", seed=4, vision=VISION), SPECS, encoder=encoder)
    other_seed = build_task_model(phase_of("nli", seed=5), SPECS, encoder=encoder)
    both = build_task_model(phase_of("nli", "paraphrase", seed=4), SPECS, encoder=encoder)
    name = "scorer.dense.weight"
    first = head_state(alone.state_dict(), task="nli")[name]

    assert torch.equal(first, head_state(mixed.state_dict(), task="nli")[name])
    assert not torch.equal(first, head_state(other_seed.state_dict(), task="nli")[name])
    assert not torch.equal(first, head_state(both.state_dict(), task="paraphrase")[name])


def test_building_leaves_the_global_random_state_alone(encoder: Encoder) -> None:
    state = torch.get_rng_state()

    build_task_model(phase_of("scenes", vision=VISION), SPECS, encoder=encoder)

    assert torch.equal(state, torch.get_rng_state())


def test_a_phase_freezes_what_it_says(encoder: Encoder) -> None:
    model = build_task_model(phase_of("nli", freeze_embeddings=True, freeze_layers=1), SPECS, encoder=encoder)

    model("nli", NLI_BATCH).losses_B.mean().backward()

    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    below = ("encoder.model.embeddings.", "encoder.model.encoder.layer.0.")
    assert frozen == {name for name in model.state_dict() if name.startswith(below)}
    assert trained == set(model.state_dict()) - frozen


def test_images_train_through_frozen_layers(encoder: Encoder) -> None:
    phase = phase_of("scenes", freeze_embeddings=True, freeze_layers=2, vision=VISION)
    model = build_task_model(phase, SPECS, encoder=encoder)

    model("scenes", NLI_BATCH | {"pixel_values_B3HW": torch.randn(2, 3, 16, 16)}).losses_B.mean().backward()

    assert all(parameter.grad is not None for parameter in model.vision.parameters())
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


def test_features_computed_earlier_stand_for_pixels(encoder: Encoder) -> None:
    model = build_task_model(phase_of("scenes", vision=VISION, dropout=0), SPECS, encoder=encoder).eval()
    pixels = torch.randn(2, 3, 16, 16)

    from_pixels = model("scenes", NLI_BATCH | {"pixel_values_B3HW": pixels}).losses_B

    from_features = model("scenes", NLI_BATCH | {"image_features_BKV": model.vision(pixels)}).losses_B
    assert torch.equal(from_pixels, from_features)


def test_biases_norms_and_frozen_weights_do_not_decay(encoder: Encoder) -> None:
    model = build_task_model(phase_of("nli", freeze_embeddings=True), SPECS, encoder=encoder)
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    decayed, undecayed = parameter_groups(model, weight_decay=0.1)

    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.1, 0.0)
    assert all("orm" in names[id(one)] or names[id(one)].endswith("bias") for one in undecayed["params"])
    assert not any("orm" in names[id(one)] or names[id(one)].endswith("bias") for one in decayed["params"])
    trained = [one for one in model.parameters() if one.requires_grad]
    assert len(decayed["params"]) + len(undecayed["params"]) == len(trained)


def test_the_encoders_state_has_the_names_of_transformers(encoder: Encoder) -> None:
    model = build_task_model(phase_of("nli", "words"), SPECS, encoder=encoder)

    state = encoder_state(model.state_dict())

    assert list(state) == list(encoder.model.state_dict())
    assert "embeddings.word_embeddings.weight" in state


def test_images_without_a_tower_and_a_tower_without_images_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ConfigError, match="vision: is missing"):
        build_task_model(phase_of("scenes"), SPECS, encoder=encoder)
    with pytest.raises(ConfigError, match="vision: has no effect: no task of nli has images"):
        build_task_model(phase_of("nli", vision=VISION), SPECS, encoder=encoder)
