"""XLM-R text towers of image-text checkpoints, as encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AltCLIPConfig, AltCLIPModel, XLMRobertaModel

from tests.tiny import write_encoder
from trainables.errors import CheckpointError
from trainables.models.encoder import load_encoder, load_tokenizer, save_encoder
from trainables.models.pretrained.encoder_folder import check_encoder_folder, encoder_shape
from trainables.plan.starting_weights import encoder_folder

TEXT: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "project_dim": 16,
    "initializer_factor": 1.0,
    "initializer_range": 0.1,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 16,
    "patch_size": 8,
}
IDS = torch.tensor([[0, 7, 9, 12, 2], [0, 20, 2, 1, 1]])
MASK = (IDS != 1).long()


def write_altclip(folder: Path) -> AltCLIPModel:
    write_encoder(folder)
    (folder / "model.safetensors").unlink()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AltCLIPModel(AltCLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)).eval()
    model.save_pretrained(folder)
    return model


def write_renamed(folder: Path, *, prefix: str, file: str) -> XLMRobertaModel:
    """Write the tiny XLM-R as another program stores it beside an image model."""
    write_encoder(folder)
    state = load_file(folder / "model.safetensors")
    # Real ones have this epsilon (and heads of 64, where the tiny encoder's have 8).
    model = XLMRobertaModel.from_pretrained(folder, add_pooling_layer=False, layer_norm_eps=1e-5).eval()
    (folder / "model.safetensors").unlink()
    (folder / "config.json").unlink()
    renamed = {prefix + name: tensor for name, tensor in state.items()}
    save_file(renamed | {"visual.proj": torch.zeros(2, 2)}, folder / file)
    return model


def hidden_of(folder: Path) -> torch.Tensor:
    check_encoder_folder(folder)
    return load_encoder(folder, dropout=0.0).eval()(IDS, MASK).hidden_BSD[MASK.bool()]


def test_altclips_text_tower_has_the_hidden_states_of_transformers(tmp_path: Path) -> None:
    model = write_altclip(tmp_path)

    hidden = hidden_of(tmp_path)

    expected = model.text_model.roberta(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=0)
    assert load_tokenizer(tmp_path).pad_token_id == 1
    assert encoder_folder(str(tmp_path), revision=None) == tmp_path


@pytest.mark.parametrize(
    ("prefix", "file", "config_file", "config"),
    [
        (
            "transformer.",
            "model.safetensors",
            "config.json",
            {"model_type": "M-CLIP", "modelBase": "xlm-roberta-large"},
        ),
        (
            "text.transformer.",
            "open_clip_model.safetensors",
            "open_clip_config.json",
            {"model_cfg": {"text_cfg": {"hf_model_name": "xlm-roberta-base"}}},
        ),
    ],
    ids=["m-clip", "open_clip"],
)
def test_other_layouts_are_read_by_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, file: str, config_file: str, config: dict[str, Any]
) -> None:
    monkeypatch.setattr("trainables.models.text_towers._HEAD_SIZE", 8)
    model = write_renamed(tmp_path, prefix=prefix, file=file)
    (tmp_path / config_file).write_text(json.dumps(config))

    hidden = hidden_of(tmp_path)

    expected = model(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=0)
    assert load_tokenizer(tmp_path).pad_token_id == 1
    assert encoder_shape(tmp_path)["max_position_embeddings"] == 66


def test_what_was_trained_from_a_text_tower_is_saved_as_an_xlm_r(tmp_path: Path) -> None:
    write_altclip(tmp_path / "clip")
    encoder = load_encoder(tmp_path / "clip", dropout=0.0)

    save_encoder(encoder.model.state_dict(), source_folder=tmp_path / "clip", folder=tmp_path / "saved")

    loaded = XLMRobertaModel.from_pretrained(tmp_path / "saved", add_pooling_layer=False).eval()
    hidden = loaded(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
    torch.testing.assert_close(hidden, hidden_of(tmp_path / "clip"), atol=1e-5, rtol=0)


def test_another_image_text_checkpoint_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    write_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "chinese_clip"}')

    with pytest.raises(
        CheckpointError, match=r"'chinese_clip', but an encoder must be one of .* text tower of one of altclip"
    ):
        check_encoder_folder(tmp_path)


def test_a_text_tower_that_is_no_xlm_r_is_refused(tmp_path: Path) -> None:
    write_renamed(tmp_path, prefix="text.bert.", file="open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text("{}")

    with pytest.raises(CheckpointError, match="its text model is not an XLM-R"):
        check_encoder_folder(tmp_path)


def test_pickled_weights_are_refused_with_the_next_step(tmp_path: Path) -> None:
    write_altclip(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")

    with pytest.raises(
        CheckpointError, match=r"pytorch_model\.bin.*only safetensors files are read; convert the weights .*refs/pr/N"
    ):
        check_encoder_folder(tmp_path)
