"""The contract of a family of encoders (`trainables/models/families/family.py`), over every family."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from tests.tiny_families import FIELDS, LABELS, NLI, PADDING, VARIANTS, random_model, write_family
from trainables.config import AdapterConfig, PhaseConfig
from trainables.errors import ConfigError
from trainables.models.adapters import add_adapter, is_of_adapter
from trainables.models.encoder import Encoder, freeze, load_encoder, load_tokenizer, new_encoder, save_encoder
from trainables.models.families.adapted_matrices import adapter_bytes
from trainables.models.families.by_name import FAMILIES
from trainables.models.families.family import layer_of
from trainables.models.head import Pooling
from trainables.models.hugging_face_folder import export_classifier
from trainables.models.pretrained.encoder_folder import check_encoder_folder, max_tokens
from trainables.models.pretrained.encoder_size import encoder_size
from trainables.models.pretrained.header import read_header
from trainables.models.task_model import TaskModel, build_task_model, head_state
from trainables.ranks.sharding import Room, TrainedModel, sharding
from trainables.tensor_files import OWN, SHARED, WHOLE, Place, split, write

MAX_TOKENS = 64


@pytest.fixture(scope="module", params=VARIANTS)
def folder(request: pytest.FixtureRequest, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each variant, which no test changes."""
    variant: str = request.param
    tokenizer: Any = load_tokenizer(tiny_encoder)
    return write_family(tmp_path_factory.mktemp("family") / "encoder", variant, tokenizer=tokenizer)


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    return load_encoder(folder, dropout=0.0).eval()


def texts(*lengths: int, width: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return token ids and a mask: one text for each length, with padding behind it."""
    generator = torch.Generator().manual_seed(seed)
    width = width or max(lengths)
    ids_BT = torch.randint(5, 50, (len(lengths), width), generator=generator)
    mask_BT = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    return ids_BT.masked_fill(mask_BT == 0, PADDING), mask_BT


def with_holes(*, width: int, num_texts: int) -> tuple[Tensor, Tensor]:
    """Return texts with padding anywhere: before, inside and behind."""
    ids_BT, _ = texts(*[width] * num_texts)
    mask_BT = (torch.rand(num_texts, width, generator=torch.Generator().manual_seed(1)) < 0.6).long()
    mask_BT[:, width // 2] = 1
    return ids_BT.masked_fill(mask_BT == 0, PADDING), mask_BT


BATCHES = {
    "lengths 1 to the maximum": texts(1, 2, 3, 5, 9, 17, 33, MAX_TOKENS),
    "no padding": texts(12, 12),
    "padding anywhere": with_holes(width=40, num_texts=6),
    "one token": texts(1),
}


@torch.no_grad()
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
def test_vectors_are_those_of_transformers(batch: tuple[Tensor, Tensor], encoder: Encoder, folder: Path) -> None:
    ids_BT, mask_BT = batch
    theirs = AutoModel.from_pretrained(folder).eval()(ids_BT, attention_mask=mask_BT).last_hidden_state

    ours = encoder(ids_BT, mask_BT).hidden_BSD

    assert ours[mask_BT.bool()].std() > 0.1
    torch.testing.assert_close(ours[mask_BT.bool()], theirs[mask_BT.bool()], atol=1e-5, rtol=0)


def test_vectors_are_the_same_while_gradients_are_recorded(encoder: Encoder) -> None:
    # Then attention takes another way on CPUs.
    ids_BT, mask_BT = BATCHES["padding anywhere"]
    with torch.no_grad():
        without = encoder(ids_BT, mask_BT).hidden_BSD[mask_BT.bool()]

    torch.testing.assert_close(encoder(ids_BT, mask_BT).hidden_BSD[mask_BT.bool()], without, atol=1e-5, rtol=0)


@torch.no_grad()
def test_vectors_of_a_lower_layer_are_those_of_transformers(encoder: Encoder, folder: Path) -> None:
    ids_BT, mask_BT = texts(4, 9)
    model = AutoModel.from_pretrained(folder).eval()
    theirs = model(ids_BT, attention_mask=mask_BT, output_hidden_states=True).hidden_states[1]

    ours = encoder(ids_BT, mask_BT, num_layers=1).hidden_BSD

    torch.testing.assert_close(ours[mask_BT.bool()], theirs[mask_BT.bool()], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
def test_a_run_above_a_layer_continues_the_run_below(batch: tuple[Tensor, Tensor], encoder: Encoder) -> None:
    ids_BT, mask_BT = batch[0], batch[1].bool()
    words_BTE, positions_BT = encoder.model.get_input_embeddings()(ids_BT), encoder.positions(mask_BT)
    family, model = encoder.family, encoder.model
    embedded_BTD = family.embed(model, words_BTE, mask_BS=mask_BT, positions_BS=positions_BT)
    whole_BTD = family.run_layers(model, embedded_BTD, mask_BS=mask_BT, num_layers=None)

    for number in range(1, encoder.num_layers):
        below_BTD = family.run_layers(model, embedded_BTD, mask_BS=mask_BT, num_layers=number)
        below_BTD = below_BTD * mask_BT[:, :, None]  # what stands at padding has no part in it
        above_BTD = family.run_layers(model, below_BTD, mask_BS=mask_BT, num_layers=None, num_below=number)
        torch.testing.assert_close(above_BTD[mask_BT], whole_BTD[mask_BT], atol=1e-6, rtol=0)


@torch.no_grad()
def test_image_tokens_are_read_as_words_in_their_places(encoder: Encoder) -> None:
    ids_BT, mask_BT = texts(20, 14)
    words_BTE = encoder.model.get_input_embeddings()(ids_BT)

    split = encoder(ids_BT[:, 3:], mask_BT[:, 3:], words_BTE[:, :3])

    assert split.num_image_tokens == 3
    together = encoder(ids_BT, mask_BT).hidden_BSD
    torch.testing.assert_close(split.hidden_BSD[mask_BT.bool()], together[mask_BT.bool()], atol=1e-5, rtol=0)


def test_inputs_are_as_long_as_the_encoder_says_and_no_longer(encoder: Encoder, folder: Path) -> None:
    ids_BT, mask_BT = texts(MAX_TOKENS - 2)

    assert encoder.max_tokens == max_tokens(folder) == MAX_TOKENS
    assert encoder(ids_BT, mask_BT, torch.zeros(1, 2, encoder.input_size)).hidden_BSD.shape[1] == MAX_TOKENS
    with pytest.raises(ConfigError, match="lower max_length"):
        encoder(ids_BT, mask_BT, torch.zeros(1, 3, encoder.input_size))


def weights_with_gradient(encoder: Encoder) -> set[str]:
    encoder.zero_grad()
    encoder.train()(*texts(5, 9)).hidden_BSD.square().sum().backward()
    return {name for name, weight in encoder.model.named_parameters() if weight.grad is not None}


def test_every_weight_is_frozen_with_the_embeddings_or_with_one_layer(encoder: Encoder) -> None:
    everything = {name for name, _ in encoder.model.named_parameters()}
    assert weights_with_gradient(encoder) == everything

    trained = [everything]
    for layers in range(encoder.num_layers):
        freeze(encoder, embeddings=True, layers=layers)
        trained.append(weights_with_gradient(encoder))
    freeze(encoder, embeddings=True, layers=encoder.num_layers)

    assert all(more > fewer for more, fewer in itertools.pairwise(trained))
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_the_frozen_layers_record_nothing(encoder: Encoder) -> None:
    freeze(encoder, embeddings=True, layers=1)
    inputs: list[bool] = []
    second = encoder.family.layers(encoder.model)[1][0]
    second.register_forward_pre_hook(lambda _, args: inputs.append(args[0].requires_grad))

    encoder.train()(*texts(5, 9))

    assert inputs == [False]


def test_weights_in_two_files_are_those_of_one(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    state = {name: one + 1 if layer_of(name) == 1 else one for name, one in encoder.model.state_dict().items()}
    for name in ("whole", "own"):
        save_encoder(state, source_folder=folder, folder=tmp_path / name)
    parts = split(tmp_path / "own" / WHOLE, start=Place(folder))
    assert parts is not None
    (tmp_path / "shared").mkdir()
    write(parts.own_pieces(), tmp_path / "own" / OWN)
    write(parts.shared_pieces(), tmp_path / "shared" / SHARED)
    (tmp_path / "own" / WHOLE).unlink()

    loaded = load_encoder(Place(tmp_path / "own", tmp_path / "shared"), dropout=0.0).eval()

    whole = load_encoder(tmp_path / "whole", dropout=0.0).eval()
    for one, other in zip(loaded.state_dict().items(), whole.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert torch.equal(loaded(*texts(5, 9)).hidden_BSD, whole(*texts(5, 9)).hidden_BSD)


def test_dropout_is_that_of_the_phase_everywhere(folder: Path) -> None:
    probabilities = {one.p for one in load_encoder(folder, dropout=0.3).modules() if isinstance(one, torch.nn.Dropout)}

    assert probabilities <= {0.3}
    encoder = load_encoder(folder, dropout=0.3).train()
    first, second = encoder(*texts(5, 9)).hidden_BSD, encoder(*texts(5, 9)).hidden_BSD
    assert not torch.equal(first, second)


def test_recomputing_activations_changes_no_gradient(encoder: Encoder, folder: Path) -> None:
    recomputing = load_encoder(folder, dropout=0.0, gradient_checkpointing=True)
    for one in (encoder, recomputing):
        one.train()(*texts(5, 9)).hidden_BSD.square().mean().backward()

    for one, other in zip(encoder.parameters(), recomputing.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_checks_know_every_weight_and_a_saved_encoder_is_the_same(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    check_encoder_folder(folder)
    save_encoder(encoder.model.state_dict(), source_folder=folder, folder=tmp_path)
    check_encoder_folder(tmp_path)

    stored, again = read_header(folder / "model.safetensors"), AutoModel.from_pretrained(tmp_path)
    assert read_header(tmp_path / "model.safetensors").keys() == stored.keys()
    assert type(again).__name__ == encoder.family.model_class
    for name, tensor in again.state_dict().items():
        if name in stored:
            assert torch.equal(tensor, encoder.model.state_dict()[name])


@pytest.mark.parametrize("family", FIELDS)
def test_the_listed_weights_are_those_of_transformers(family: str) -> None:
    model = random_model(family)
    config = {**FAMILIES[family].defaults, **model.config.to_dict()}

    listed = {
        name: tuple(config[size] if isinstance(size, str) else size[0] * config[size[1]] for size in sizes)
        for name, sizes in FAMILIES[family].tensors(config)
    }

    assert listed == {name: tuple(weight.shape) for name, weight in model.named_parameters()}


@pytest.mark.parametrize("targets", ["query_value", "attention", "all"])
@pytest.mark.parametrize("family", FIELDS)
def test_the_weights_of_an_adapter_are_as_many_as_arithmetic_says(family: str, targets: Any) -> None:
    config, adapter = random_model(family).config.to_dict(), AdapterConfig(rank=3, targets=targets)
    encoder = new_encoder(config, dropout=0.0)
    add_adapter(encoder.model, adapter, seed=0)

    added = sum(one.numel() for name, one in encoder.model.named_parameters() if is_of_adapter(name))

    assert adapter_bytes(config, adapter, bytes_per_weight=1) == added > 0


def classifier(folder: Path, *, pooling: Pooling) -> TaskModel:
    phase = PhaseConfig.model_validate({"mixture": {"nli": 1.0}, "steps": 1, "pooling": pooling})
    model = build_task_model(phase, {"nli": NLI}, encoder=load_encoder(folder, dropout=0.1)).eval()
    with torch.no_grad():
        for parameter in model.heads.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)), alpha=0.4)
    return model


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_an_exported_classifier_predicts_the_same(pooling: Pooling, folder: Path, tmp_path: Path) -> None:
    ids_BT, mask_BT = texts(1, 7, 19, 50)
    model = classifier(folder, pooling=pooling)
    labels_B = torch.zeros(len(ids_BT), dtype=torch.long)
    batch = {"input_ids_BT": ids_BT, "attention_mask_BT": mask_BT, "labels_B": labels_B}
    ours = model("nli", batch).outputs["logits"]

    head = head_state(model.state_dict(), task="nli")
    export_classifier(folder, head=head, pooling=pooling, labels=LABELS, folder=tmp_path)

    exported, report = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert (report["missing_keys"], report["unexpected_keys"]) == (set(), set())
    assert type(exported).__name__ == model.encoder.family.classifier_class
    theirs = exported.eval()(ids_BT, attention_mask=mask_BT).logits
    assert ours.std() > 0.3
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert torch.equal(ours.argmax(dim=1), theirs.argmax(dim=1))


@pytest.mark.parametrize("family", FIELDS)
def test_a_new_encoder_of_each_family_depends_on_its_seed_alone(family: str) -> None:
    config = random_model(family).config.to_dict()

    first, again = new_encoder(config, dropout=0.0, seed=3), new_encoder(config, dropout=0.0, seed=3)

    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


XLM_R_XL, XLM_R_XXL = {}, {"hidden_size": 4096, "num_hidden_layers": 48, "intermediate_size": 16384}
"""What the configurations of XLM-R XL and XXL (arXiv 2105.00572, table 1) have beside the defaults of transformers."""


@pytest.mark.parametrize(("fields", "billions"), [(XLM_R_XL, 3.5), (XLM_R_XXL, 10.7)])
def test_the_numbers_of_parameters_of_xl_and_xxl_are_those_of_transformers(
    fields: dict[str, int], billions: float
) -> None:
    config = AutoConfig.for_model("xlm-roberta-xl", **fields)
    with torch.device("meta"):
        theirs = AutoModel.from_config(config, add_pooling_layer=False)

    ours = FAMILIES["xlm-roberta-xl"].num_parameters(fields)

    assert ours == sum(parameter.numel() for parameter in theirs.parameters())
    assert ours / 1e9 == pytest.approx(billions, rel=0.02)


LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096, "vocab_size": 250_002}
"""What the configuration of XLM-R Large has beside the defaults of transformers, where it decides the sizes."""


@pytest.mark.parametrize(
    ("name", "family", "fields"),
    [
        ("XLM-R Large", "xlm-roberta", LARGE | {"max_position_embeddings": 514, "type_vocab_size": 1}),
        ("XLM-R XL", "xlm-roberta-xl", XLM_R_XL),
        ("XLM-R XXL", "xlm-roberta-xl", XLM_R_XXL),
    ],
)
def test_the_page_on_encoders_gives_the_sizes_that_the_rule_counts(
    name: str, family: str, fields: dict[str, int]
) -> None:
    size = encoder_size({"model_type": family, **fields})
    model = TrainedModel(size=size, num_trained=size.num_parameters, precision="bfloat16")
    room = Room(num_ranks=8, device_bytes=24e9)
    ways: list[tuple[Any, Any]] = [(stage, "none") for stage in range(4)] + [(3, "optimizer"), (3, "all")]

    held = [
        sharding(model, stage=stage, offload=offload, room=room, recomputes=True).device_bytes
        for stage, offload in ways
    ]

    page = (Path(__file__).parents[2] / "docs/how-to/encoders.md").read_text(encoding="utf-8")
    cells = [f"{size.num_parameters / 1e9:.2f}", *(f"{one / 1e9:.1f}" for one in held)]
    assert f"| {name} | {' | '.join(cells)} |" in page
