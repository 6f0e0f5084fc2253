from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from trainables.config import PhaseConfig, VisionConfig
from trainables.errors import ConfigError
from trainables.models.encoder import EncodedText, Encoder, new_encoder
from trainables.models.families.family import EncoderShape
from trainables.models.head import Head, mean_over_text
from trainables.models.image_heads import MAX_LOGIT_SCALE, Temperature
from trainables.models.task_model import TaskModel, build_task_model
from trainables.models.text_heads import MAX_ANSWER_TOKENS, MeanStateHead, best_spans, build_head
from trainables.tasks.formats import FORMATS
from trainables.tasks.spec import HubSource, KindName, MaskingPolicy, TaskSpec

KINDS: tuple[KindName, ...] = tuple(kind for kind in get_args(KindName) if kind != "text_retrieval")
"""Kinds whose heads have weights."""
COUPLED = "image_text_retrieval"


def spec_of(kind: KindName) -> TaskSpec:
    return TaskSpec(
        name="task",
        kind=kind,
        source=HubSource(repository="o/n"),
        splits={},
        columns={name: name for name in FORMATS[kind].columns} if kind in FORMATS else {},
        labels=("a", "b", "c"),
        masking=MaskingPolicy() if kind == "masked_lm" else None,
        num_answers=5 if kind == "visual_question_answering" else None,
        licence="-",
        citation="-",
    )


SHAPE = EncoderShape(hidden_size=32, vocab_size=60)


def new_tiny_encoder() -> Encoder:
    config = {
        "model_type": "xlm-roberta",
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "pad_token_id": 1,
    }
    return new_encoder(config, dropout=0.0)


@cache
def write_teacher_config() -> Path:
    """Return a folder with the configuration of a teacher: a head needs no more than the size of its vectors."""
    folder = Path(tempfile.mkdtemp())
    (folder / "config.json").write_text('{"model_type": "clip_text_model", "projection_dim": 6}')
    return folder


def model_of(kind: KindName, *, pooling: str = "mean") -> TaskModel:
    vision = VisionConfig(num_layers=1, hidden_size=32, image_size=16, patch_size=8)
    spec = spec_of(kind)
    fields: dict[str, Any] = {"mixture": {"task": 1.0}, "steps": 1, "dropout": 0.0, "pooling": pooling}
    phase = PhaseConfig(**fields, vision=vision if spec.has_images else None)
    teacher = str(write_teacher_config()) if kind == "distillation" else None
    phase = phase.model_copy(update={"teacher": teacher})
    folder = None if teacher is None else Path(teacher)
    return build_task_model(phase, {"task": spec}, encoder=new_tiny_encoder(), teacher_folder=folder)


def batch_of(kind: KindName, *, num_padding: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    ids_BT = torch.randint(5, 60, (4, 9), generator=generator)
    lengths_B = torch.tensor([9, 6, 8, 4])
    mask_BT = (torch.arange(9) < lengths_B[:, None]).long()
    ids_BT = torch.where(mask_BT.bool(), ids_BT, 1)
    ids_BT = torch.nn.functional.pad(ids_BT, (0, num_padding), value=1)
    mask_BT = torch.nn.functional.pad(mask_BT, (0, num_padding))
    text = {"input_ids_BT": ids_BT, "attention_mask_BT": mask_BT}
    labels = {"labels_B": torch.tensor([0, 2, 1, 0])}
    pixels = {"pixel_values_B3HW": torch.randn(4, 3, 16, 16, generator=generator)}
    pairs = {"pixel_values_BN3HW": torch.randn(4, 2, 3, 16, 16, generator=generator)}
    earned = {"credits_BA": torch.tensor([[1.0, 0, 0, 0, 0], [0, 1, 1 / 3, 0, 0], [0, 0, 0, 2 / 3, 0], [0] * 5])}
    span_mask_BT = mask_BT * (torch.arange(mask_BT.shape[1]) >= 2)
    targets_BT = torch.where((ids_BT % 3 == 0) & mask_BT.bool(), ids_BT, -100)
    choices_BCT = torch.stack([torch.where(mask_BT.bool(), (ids_BT + 17 * shift) % 55 + 5, 1) for shift in range(3)], 1)
    choices = {"input_ids_BCT": choices_BCT, "attention_mask_BCT": mask_BT[:, None].expand_as(choices_BCT)}
    spans = {"span_mask_BT": span_mask_BT, "starts_B": torch.tensor([2, 3, 4, 2]), "ends_B": torch.tensor([4, 5, 4, 3])}
    batches: dict[KindName, dict[str, Tensor]] = {
        "sentence_pair": text | labels,
        "multiple_choice": choices | labels,
        "span_qa": text | spans,
        "image_classification": text | labels | pixels,
        "image_pair_classification": text | labels | pairs,
        "image_text_retrieval": text | pixels,
        "tagging": text | {"targets_BT": torch.where(targets_BT >= 0, targets_BT % 3, targets_BT)},
        "visual_question_answering": text | pixels | earned,
        "masked_lm": text | {"targets_BT": targets_BT},
        "distillation": text | {"teacher_vectors_BV": torch.randn(4, 6, generator=generator)},
    }
    return batches[kind]


def rows(tensors: Mapping[str, Tensor], start: int, stop: int) -> dict[str, Tensor]:
    return {name: tensor[start:stop] for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_outputs_have_one_entry_per_example(kind: KindName) -> None:
    output = model_of(kind)("task", batch_of(kind))

    assert output.losses_B.shape == (4,)
    assert output.losses_B.dtype == torch.float32
    assert output.outputs
    assert {len(tensor) for tensor in output.outputs.values()} == {4}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != COUPLED])
def test_a_split_batch_has_the_same_losses(kind: KindName) -> None:
    model, batch = model_of(kind).eval(), batch_of(kind)

    parts = [model("task", rows(batch, start, stop)).losses_B for start, stop in ((0, 1), (1, 4))]

    torch.testing.assert_close(torch.cat(parts), model("task", batch).losses_B, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_more_padding_changes_nothing(kind: KindName) -> None:
    model = model_of(kind).eval()

    tight, wide = model("task", batch_of(kind)), model("task", batch_of(kind, num_padding=5))

    torch.testing.assert_close(tight.losses_B, wide.losses_B, atol=1e-5, rtol=0)
    of_real_tokens = {name: wide.outputs[name][tuple(map(slice, one.shape))] for name, one in tight.outputs.items()}
    torch.testing.assert_close(tight.outputs, of_real_tokens, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_lower_the_loss(kind: KindName) -> None:
    model, batch = model_of(kind).train(), batch_of(kind)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = model("task", batch).losses_B.mean()

    for _ in range(15):
        optimizer.zero_grad()
        model("task", batch).losses_B.mean().backward()
        optimizer.step()

    assert model("task", batch).losses_B.mean() < 0.6 * first


@pytest.mark.parametrize("kind", KINDS)
def test_every_new_weight_gets_a_gradient(kind: KindName) -> None:
    model = model_of(kind)

    model("task", batch_of(kind)).losses_B.mean().backward()

    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("kind", ["sentence_pair", "multiple_choice", "image_classification"])
def test_first_token_pooling_has_no_norm(kind: KindName) -> None:
    model = model_of(kind, pooling="first")

    assert model("task", batch_of(kind)).losses_B.shape == (4,)
    assert not any("scorer.norm" in name for name in model.state_dict())


def test_first_token_pooling_reads_the_text_and_not_the_image() -> None:
    model = model_of("image_classification", pooling="first")
    pooled: list[Tensor] = []
    model.heads["task"].scorer.dense.register_forward_pre_hook(lambda _, args: pooled.append(args[0]))
    encoded: list[EncodedText] = []
    model.encoder.register_forward_hook(lambda *call: encoded.append(call[2]))

    model("task", batch_of("image_classification"))

    assert torch.equal(pooled[0], encoded[0].hidden_BSD[:, 4])


def test_an_image_changes_the_answer() -> None:
    model, batch = model_of("image_classification").eval(), batch_of("image_classification")

    swapped = batch | {"pixel_values_B3HW": batch["pixel_values_B3HW"].flip(0)}

    assert not torch.allclose(model("task", batch).outputs["logits"], model("task", swapped).outputs["logits"])


def test_the_order_of_two_images_changes_the_answer() -> None:
    model, batch = model_of("image_pair_classification").eval(), batch_of("image_pair_classification")

    swapped = batch | {"pixel_values_BN3HW": batch["pixel_values_BN3HW"].flip(1)}

    assert not torch.allclose(model("task", batch).outputs["logits"], model("task", swapped).outputs["logits"])


@pytest.mark.parametrize("kind", ["image_classification", "image_pair_classification", "visual_question_answering"])
def test_features_computed_before_stand_for_pixels(kind: KindName) -> None:
    model, batch = model_of(kind).eval(), batch_of(kind)
    pixels = batch[next(name for name in batch if name.startswith("pixel"))]
    flat = pixels.flatten(0, pixels.ndim - 4)

    features_BKV = model.vision(flat).reshape(4, -1, 32)
    given = {name: tensor for name, tensor in batch.items() if not name.startswith("pixel")}

    torch.testing.assert_close(
        model("task", given | {"image_features_BKV": features_BKV}).losses_B, model("task", batch).losses_B
    )


def test_a_question_without_an_answer_that_can_be_given_has_loss_zero() -> None:
    losses_B = model_of("visual_question_answering")("task", batch_of("visual_question_answering")).losses_B

    assert losses_B[3] == 0
    assert (losses_B[:3] > 0).all()


def test_the_mean_leaves_padding_and_image_tokens_out() -> None:
    hidden_BSD = torch.tensor([[[9.0], [1.0], [3.0], [7.0]]])
    mask_BS = torch.tensor([[True, True, True, False]])

    assert mean_over_text(EncodedText(hidden_BSD, mask_BS, num_image_tokens=1)).tolist() == [[2.0]]


@pytest.mark.parametrize("layer", [1, 2])
def test_sentences_are_compared_by_the_mean_of_a_layers_states(layer: int) -> None:
    encoder, batch = new_tiny_encoder().eval(), batch_of("sentence_pair", num_padding=3)
    lengths = batch["attention_mask_BT"].sum(dim=1).tolist()
    # Each text alone, so that the reference has no padding at all.
    means = [
        encoder.model(ids_T[None, :length], output_hidden_states=True).hidden_states[layer][0].mean(dim=0)
        for ids_T, length in zip(batch["input_ids_BT"], lengths, strict=True)
    ]

    output = MeanStateHead(layer)(encoder, batch)

    torch.testing.assert_close(output.outputs["vectors"], torch.stack(means), atol=1e-5, rtol=0)
    assert list(MeanStateHead(layer).parameters()) == []


def test_the_layer_above_the_middle_is_compared_where_none_is_named() -> None:
    encoder, batch = new_tiny_encoder().eval(), batch_of("sentence_pair")

    unnamed, second = (MeanStateHead(layer)(encoder, batch).outputs["vectors"] for layer in (None, 2))

    assert torch.equal(unnamed, second)


def test_the_best_span_never_ends_before_it_starts() -> None:
    start_logits_BT = torch.tensor([[0.0, 0.0, 5.0, 1.0]])
    end_logits_BT = torch.tensor([[0.0, 6.0, 0.0, 3.0]])

    best = best_spans(start_logits_BT, end_logits_BT=end_logits_BT)

    assert {name: tensor.tolist() for name, tensor in best.items()} == {
        "starts": [2],
        "ends": [3],
        "span_logits": [8.0],
        "start_logits": [5.0],
        "end_logits": [3.0],
        "null_logits": [0.0],
    }


def test_silence_is_no_span_however_sure_it_is() -> None:
    logits_BT = torch.tensor([[9.0, -1.0, 2.0], [9.0, *[torch.finfo(torch.float32).min] * 2]])

    best = best_spans(logits_BT, end_logits_BT=logits_BT)

    assert best["starts"].tolist() == [2, 0]
    assert best["null_logits"].tolist() == [18.0, 18.0]


def test_the_best_span_has_at_most_thirty_tokens() -> None:
    start_logits_BT, end_logits_BT = torch.zeros(1, 50), torch.zeros(1, 50)
    start_logits_BT[0, 3], end_logits_BT[0, 3 + MAX_ANSWER_TOKENS - 1], end_logits_BT[0, 40] = 5.0, 4.0, 9.0

    best = best_spans(start_logits_BT, end_logits_BT=end_logits_BT)

    assert int(best["ends"] - best["starts"]) < MAX_ANSWER_TOKENS
    assert best["span_logits"].tolist() == [9.0]


def test_spans_stay_inside_their_mask() -> None:
    batch = batch_of("span_qa")

    outputs = model_of("span_qa").eval()("task", batch).outputs

    inside_B2 = batch["span_mask_BT"].gather(1, torch.stack((outputs["starts"], outputs["ends"]), dim=1))
    assert inside_B2.tolist() == [[1, 1]] * 4


def test_a_masked_lm_scores_words_by_the_encoders_own_embeddings() -> None:
    model, batch = model_of("masked_lm").eval(), batch_of("masked_lm")
    masked_BT = batch["targets_BT"] >= 0
    head: Any = model.heads["task"]
    hidden = model.encoder(batch["input_ids_BT"], batch["attention_mask_BT"]).hidden_BSD[masked_BT]
    weight = model.encoder.state_dict()["model.embeddings.word_embeddings.weight"]
    logits = head.norm(torch.nn.functional.gelu(head.dense(hidden))) @ weight.T + head.word_bias.bias
    losses = torch.nn.functional.cross_entropy(logits, batch["targets_BT"][masked_BT], reduction="none")
    counts = masked_BT.sum(1)

    output = model("task", batch)

    expected = torch.stack([part.mean() for part in losses.split(counts.tolist())])
    torch.testing.assert_close(output.losses_B, expected)
    assert output.outputs["total"].tolist() == counts.tolist()
    assert not any("word_embeddings" in name for name in head.state_dict())


def test_an_example_without_masked_tokens_has_loss_zero() -> None:
    batch = batch_of("masked_lm")
    batch["targets_BT"][1] = -100

    output = model_of("masked_lm")("task", batch)

    assert output.losses_B[1] == 0
    assert output.losses_B.isfinite().all()
    assert output.outputs["total"][1] == 0


def test_retrieval_embeddings_have_length_one_and_logits_are_bounded() -> None:
    outputs = model_of("image_text_retrieval")("task", batch_of("image_text_retrieval")).outputs
    temperature = Temperature()
    with torch.no_grad():
        temperature.log_scale.fill_(50)

    torch.testing.assert_close(outputs["texts"].norm(dim=1), torch.ones(4))
    torch.testing.assert_close(outputs["images"].norm(dim=1), torch.ones(4))
    assert temperature(torch.ones(1)).item() == pytest.approx(MAX_LOGIT_SCALE)


def test_a_kind_that_does_not_exist_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError, match="kind"):
        spec_of("summarisation")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_head(kind: KindName) -> None:
    head = build_head(spec_of(kind), shape=SHAPE, pooling="mean", dropout=0.1, vision_size=16, teacher_size=6)

    assert isinstance(head, Head)


@pytest.mark.parametrize("kind", ["image_classification", "image_text_retrieval"])
def test_a_kind_with_images_needs_a_vision_tower(kind: KindName) -> None:
    with pytest.raises(ConfigError, match="vision: is missing, but task 'task' has images"):
        build_head(spec_of(kind), shape=SHAPE, pooling="mean", dropout=0.1)


def test_a_classification_without_labels_is_refused() -> None:
    spec = spec_of("sentence_pair").model_copy(update={"labels": ("only",)})

    with pytest.raises(ConfigError, match=r"tasks\.task\.labels"):
        build_head(spec, shape=SHAPE, pooling="mean", dropout=0.1)
