from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from trainables.errors import CheckpointError, ConfigError
from trainables.models.encoder import Encoder, freeze, load_encoder, load_tokenizer, new_encoder, save_encoder

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 26,
}
IDS_BT = torch.tensor([[0, 7, 8, 9, 2], [0, 11, 2, 1, 1]])
MASK_BT = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    XLMRobertaModel(XLMRobertaConfig(**SIZES)).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    return load_encoder(folder, dropout=0.0)


@pytest.fixture
def real_folder() -> Path:
    if "XSTILTS_MIRROR" not in os.environ:
        pytest.skip("XSTILTS_MIRROR is not set: there is no real encoder to load")
    return Path(os.environ["XSTILTS_MIRROR"]) / "models/lab/xlmr-e5-small-6l"


def valid(hidden_BTD: Tensor) -> Tensor:
    return hidden_BTD[MASK_BT.bool()]


@torch.no_grad()  # then both take torch's fused attention; test_attention.py has the other way
def test_the_encoder_computes_what_transformers_computes(encoder: Encoder, folder: Path) -> None:
    model = AutoModel.from_pretrained(folder).eval()

    ours = encoder.eval()(IDS_BT, MASK_BT)

    assert torch.equal(valid(ours.hidden_BSD), valid(model(IDS_BT, attention_mask=MASK_BT).last_hidden_state))


@torch.no_grad()  # then both take torch's fused attention; test_attention.py has the other way
def test_a_bert_type_encoder_computes_what_transformers_computes(tmp_path: Path) -> None:
    BertModel(BertConfig(**SIZES, pad_token_id=1)).save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path).eval()

    ours = load_encoder(tmp_path, dropout=0.1).eval()(IDS_BT, MASK_BT)

    assert torch.equal(valid(ours.hidden_BSD), valid(model(IDS_BT, attention_mask=MASK_BT).last_hidden_state))


def test_a_float16_checkpoint_loads_as_float32(folder: Path) -> None:
    weights = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"dtype": "float32"', '"dtype": "float16"'))

    encoder = load_encoder(folder, dropout=0.1)

    assert '"float16"' in (folder / "config.json").read_text()
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_padding_does_not_change_a_text(encoder: Encoder) -> None:
    alone = encoder.eval()(IDS_BT[1:, :3], MASK_BT[1:, :3]).hidden_BSD

    padded = encoder(IDS_BT, MASK_BT).hidden_BSD[1:, :3]

    torch.testing.assert_close(alone, padded, atol=1e-6, rtol=0)


def test_without_dropout_training_mode_is_deterministic(encoder: Encoder) -> None:
    encoder.train()

    assert torch.equal(encoder(IDS_BT, MASK_BT).hidden_BSD, encoder(IDS_BT, MASK_BT).hidden_BSD)


def test_dropout_reaches_hidden_states_and_attention(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.3)

    assert {one.p for one in encoder.modules() if isinstance(one, torch.nn.Dropout)} == {0.3}


def test_image_tokens_stand_before_the_text_and_take_its_first_positions(encoder: Encoder) -> None:
    encoded = encoder.eval()(IDS_BT, MASK_BT, torch.randn(2, 3, 32))

    assert encoded.hidden_BSD.shape == (2, 8, 32)
    assert encoded.text_BTD.shape == (2, 5, 32)
    positions = encoder.positions(encoded.mask_BS)
    assert positions.tolist() == [[2, 3, 4, 5, 6, 7, 8, 9], [2, 3, 4, 5, 6, 7, 1, 1]]


def test_word_vectors_given_as_image_tokens_are_read_as_those_words(encoder: Encoder) -> None:
    words = encoder.model.embeddings.word_embeddings(IDS_BT[:1, :2])

    split = encoder.eval()(IDS_BT[:1, 2:], MASK_BT[:1, 2:], words).hidden_BSD

    torch.testing.assert_close(split, encoder(IDS_BT[:1], MASK_BT[:1]).hidden_BSD, atol=1e-6, rtol=0)


def test_image_and_text_fill_every_position_but_no_more(encoder: Encoder) -> None:
    ids, mask = torch.full((1, 20), 7), torch.ones(1, 20, dtype=torch.long)

    assert encoder(ids, mask, torch.zeros(1, 4, 32)).hidden_BSD.shape[1] == 24
    with pytest.raises(ConfigError, match=r"25 tokens .5 of them for images.*lower max_length"):
        encoder(ids, mask, torch.zeros(1, 5, 32))


def test_frozen_parts_get_no_gradient_and_record_none(encoder: Encoder) -> None:
    freeze(encoder, embeddings=True, layers=1)
    inputs: list[bool] = []
    encoder.model.encoder.layer[1].register_forward_pre_hook(lambda _, args: inputs.append(args[0].requires_grad))

    encoder(IDS_BT, MASK_BT).hidden_BSD.sum().backward()

    assert inputs == [False]
    trained = {name for name, parameter in encoder.model.named_parameters() if parameter.grad is not None}
    assert trained == {
        name for name in encoder.model.state_dict() if name.startswith(("encoder.layer.1.", "encoder.layer.2."))
    }


def test_freezing_more_layers_than_there_are_names_the_field(encoder: Encoder) -> None:
    with pytest.raises(ConfigError) as caught:
        freeze(encoder, embeddings=True, layers=4)

    assert caught.value.field == "freeze_layers"


def test_gradient_checkpointing_changes_no_gradient(encoder: Encoder, folder: Path) -> None:
    checkpointed = load_encoder(folder, dropout=0.0, gradient_checkpointing=True)
    for one in (encoder, checkpointed):
        freeze(one, embeddings=True, layers=1)
        one.train()(IDS_BT, MASK_BT).hidden_BSD.square().mean().backward()

    for one, other in zip(encoder.parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_saved_encoder_loads_again_and_keeps_its_own_dropout(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")

    save_encoder(encoder.model.state_dict(), source_folder=folder, folder=tmp_path / "saved")

    loaded = AutoModel.from_pretrained(tmp_path / "saved", add_pooling_layer=False)
    assert loaded.config.hidden_dropout_prob == 0.1
    assert (tmp_path / "saved/tokenizer.json").exists()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, encoder.model.state_dict()[name])


def test_an_encoder_is_stored_in_the_type_asked_for(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    save_encoder(encoder.model.state_dict(), source_folder=folder, folder=tmp_path / "saved", dtype=torch.bfloat16)

    assert {tensor.dtype for tensor in load_file(tmp_path / "saved/model.safetensors").values()} == {torch.bfloat16}
    assert load_encoder(tmp_path / "saved", dropout=0).model.dtype == torch.float32


def test_a_checkpoint_that_lacks_a_weight_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(
        CheckpointError, match=r"1 of its weights are missing.* encoder\.layer\.1\.output\.dense\.weight"
    ):
        load_encoder(folder, dropout=0)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_encoder(tmp_path, dropout=0)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_weights_that_are_not_safetensors_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_encoder(folder, dropout=0)


def test_another_family_is_refused(folder: Path) -> None:
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"xlm-roberta"', '"distilbert"'))

    with pytest.raises(CheckpointError, match="'distilbert', but an encoder must be one of xlm-roberta, bert"):
        load_encoder(folder, dropout=0)


def test_a_new_encoder_depends_on_its_seed_alone() -> None:
    config = {"model_type": "xlm-roberta", **SIZES}
    torch.manual_seed(1)
    state = torch.get_rng_state()

    first = new_encoder(config, dropout=0.1, seed=3)

    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    again, other = new_encoder(config, dropout=0.1, seed=3), new_encoder(config, dropout=0.1, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@torch.no_grad()  # then both take torch's fused attention; test_attention.py has the other way
@pytest.mark.mirror
def test_a_real_float16_encoder_gives_what_transformers_gives(real_folder: Path) -> None:
    batch = load_tokenizer(real_folder)(
        ["Ein Hund.", "A much longer text, in English."], padding=True, return_tensors="pt"
    )
    model = AutoModel.from_pretrained(real_folder, dtype=torch.float32).eval()

    ours = load_encoder(real_folder, dropout=0.1).eval()(batch["input_ids"], batch["attention_mask"])

    mask = batch["attention_mask"].bool()
    # Up to rounding: on some processors, our linear layers multiply with another library (docs/decisions/0035).
    torch.testing.assert_close(ours.hidden_BSD[mask], model(**batch).last_hidden_state[mask], atol=1e-5, rtol=0)
