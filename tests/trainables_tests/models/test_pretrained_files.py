"""Checkpoints as people have them: the sound ones pass, a damaged one is named by its folder and its field."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForPreTraining,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    XLMRobertaForMaskedLM,
)
from transformers.activations import ACT2FN

from trainables.config import VisionConfig
from trainables.data.sources.locator import locate_model, locate_vision
from trainables.errors import CheckpointError
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.pretrained.encoder_folder import ACTIVATIONS, check_encoder_folder, encoder_shape
from trainables.models.pretrained.finiteness import PIECE_BYTES, file_facts
from trainables.models.pretrained.vision_folder import check_vision_folder
from trainables.models.vision import build_vision_tower
from trainables.plan.starting_weights import folder_identity

LAYER = "encoder.layer.1.output.dense.weight"


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    """An encoder that a test may change."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


def set_config(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config = {name: value for name, value in (config | fields).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(config))


def set_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def add_words(folder: Path, *, number: int) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["unheard"] = number
    (folder / "tokenizer.json").write_text(json.dumps(content))


def in_shards(folder: Path) -> dict[str, str]:
    """Write the weights as two files with an index; returns tensor -> file."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + (number % 2)}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(files.values()):
        part = {name: tensor for name, tensor in tensors.items() if files[name] == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return files


def of_masked_lm(folder: Path) -> None:
    XLMRobertaForMaskedLM.from_pretrained(folder).save_pretrained(folder)


def of_bert(folder: Path, *, old_names: bool = False) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    BertForPreTraining(BertConfig(vocab_size=64, **sizes)).save_pretrained(folder)
    if old_names:
        set_weights(folder, lambda tensors: [_rename(tensors, name) for name in list(tensors)])


def _rename(tensors: dict[str, torch.Tensor], name: str) -> None:
    old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    tensors[old] = tensors.pop(name)


SOUND: dict[str, Callable[[Path], object]] = {
    "as it was saved": Path.is_dir,
    "in shards": in_shards,
    "of a masked-LM model": of_masked_lm,
    "of BERT": of_bert,
    "of BERT, with TensorFlow's names": lambda folder: of_bert(folder, old_names=True),
    "BERT without padding": lambda folder: (of_bert(folder), set_config(folder, pad_token_id=None)),
    "without fields that are at their defaults": lambda folder: set_config(folder, pad_token_id=...),
    "in half precision": lambda folder: set_weights(
        folder, lambda tensors: tensors.update({name: tensor.half() for name, tensor in tensors.items()})
    ),
    "with fewer layers than were saved": lambda folder: set_config(folder, num_hidden_layers=1),
    "with a pickle beside its weights": lambda folder: (folder / "pytorch_model.bin").write_bytes(b"never read"),
}


@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND.keys())
def test_a_sound_encoder_passes_and_loads(change: Callable[[Path], object], folder: Path) -> None:
    change(folder)

    check_encoder_folder(folder)

    assert load_encoder(folder, dropout=0.0).hidden_size == 32
    assert load_tokenizer(folder).is_fast
    assert len(folder_identity(folder)) == 64


def test_what_ships_passes() -> None:
    check_encoder_folder(Path(str(locate_model("miniature").path)))
    check_vision_folder(Path(str(locate_vision("miniature").path)))


def cut(folder: Path, name: str, *, to: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * to)])


def rewritten(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def encoded(name: str, encoding: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_text().encode(encoding))


def of_nothing(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder / "blobs" / "gone")


def a_shard_less(folder: Path) -> None:
    (folder / min(set(in_shards(folder).values()))).unlink()


def a_shard_cut(folder: Path) -> None:
    cut(folder, min(set(in_shards(folder).values())), to=0.9)


def an_index_that_promises(folder: Path, **more: Any) -> None:
    files = in_shards(folder) | more
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "padding of null": (lambda it: set_config(it, pad_token_id=None), "pad_token_id", "is null.*set it to"),
    "padding outside": (lambda it: set_config(it, pad_token_id=61), "pad_token_id", "is 61.*0 to 60"),
    "padding below": (lambda it: set_config(it, pad_token_id=-1), "pad_token_id", "is -1"),
    "padding of a fraction": (lambda it: set_config(it, pad_token_id=1.0), "pad_token_id", "is 1.0"),
    "padding behind all positions": (
        lambda it: (set_config(it, pad_token_id=1, max_position_embeddings=2), _positions(it, 2)),
        "pad_token_id",
        "positions start after it, but there are only 2",
    ),
    "weights cut in half": (lambda it: cut(it, "model.safetensors", to=0.5), "model.safetensors", "by its header"),
    "weights cut in the header": (lambda it: cut(it, "model.safetensors", to=0.001), "model.safetensors", "no header"),
    "empty weights": (rewritten("model.safetensors", b""), "model.safetensors", "0 bytes"),
    "weights and more": (
        lambda it: (it / "model.safetensors").open("ab").write(b"0000"),
        "model.safetensors",
        "by its header",
    ),
    "a pointer in place of weights": (
        rewritten("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        "model.safetensors",
        "git lfs pull",
    ),
    "a page in place of weights": (
        rewritten("model.safetensors", b"<!doctype html>"),
        "model.safetensors",
        "no header",
    ),
    "a header of nonsense": (
        rewritten("model.safetensors", (6).to_bytes(8, "little") + b'{"a":1'),
        "model.safetensors",
        "header cannot be read",
    ),
    "shards that are not all there": (a_shard_less, "model.safetensors.index.json", r"1 of 2 files are missing"),
    "a shard that is cut": (a_shard_cut, "model-00001-of-00002.safetensors", "by its header"),
    "an index of a tensor too many": (
        lambda it: an_index_that_promises(it, ghost="model-00001-of-00002.safetensors"),
        "model.safetensors.index.json",
        "'ghost'.*lacks",
    ),
    "an index that leads elsewhere": (
        lambda it: an_index_that_promises(it, ghost="../../secret"),
        "model.safetensors.index.json",
        "files must be in the same folder",
    ),
    "an index without a map": (
        lambda it: (in_shards(it), (it / "model.safetensors.index.json").write_text("{}")),
        "model.safetensors.index.json",
        "no weight_map",
    ),
    "a missing tensor": (lambda it: set_weights(it, lambda all_: all_.pop(LAYER)), LAYER, "is missing"),
    "more layers than weights": (
        lambda it: set_config(it, num_hidden_layers=3),
        "encoder.layer.2.attention.self.query.weight",
        "num_hidden_layers",
    ),
    "another width": (lambda it: set_config(it, hidden_size=64), "hidden_size", "is 64.*61 x 32"),
    "another vocabulary": (lambda it: set_config(it, vocab_size=60), "vocab_size", "is 60.*61 x 32"),
    "another inner width": (lambda it: set_config(it, intermediate_size=40), "intermediate_size", "48 x 32"),
    "more positions": (lambda it: set_config(it, max_position_embeddings=514), "max_position_embeddings", "66 x 32"),
    "a missing width": (lambda it: set_config(it, hidden_size=...), "hidden_size", r"is missing \(default 768\)"),
    "another padding than the tokenizer's": (
        lambda it: set_config(it, pad_token_id=5),
        "tokenizer.json",
        "'<pad>', id 1, but pad_token_id of config.json is 5",
    ),
    "an unknown activation": (lambda it: set_config(it, hidden_act="nonsense"), "hidden_act", "'nonsense'.*gelu"),
    "a negative epsilon": (lambda it: set_config(it, layer_norm_eps=-1.0), "layer_norm_eps", "is -1.0"),
    "an epsilon of text": (lambda it: set_config(it, layer_norm_eps="1e-5"), "layer_norm_eps", "is '1e-5'"),
    "an unknown type": (lambda it: set_config(it, dtype="float99"), "dtype", "'float99'.*float32"),
    "a list as type": (lambda it: set_config(it, torch_dtype=["float32"]), "torch_dtype", "float32"),
    "a width of text": (lambda it: set_config(it, hidden_size="32"), "hidden_size", "is '32'"),
    "no layers": (lambda it: set_config(it, num_hidden_layers=0), "num_hidden_layers", "is 0"),
    "heads that do not divide": (
        lambda it: set_config(it, num_attention_heads=5),
        "num_attention_heads",
        "is 5, which does not",
    ),
    "weights of whole numbers": (
        lambda it: set_weights(it, lambda all_: all_.update({LAYER: all_[LAYER].to(torch.int8)})),
        LAYER,
        "has the type I8",
    ),
    "quantised": (
        lambda it: set_config(it, quantization_config={"bits": 4}),
        "quantization_config",
        "cannot be trained",
    ),
    "another family": (lambda it: set_config(it, model_type="gpt2"), "model_type", "'gpt2'"),
    "no family": (lambda it: set_config(it, model_type=...), "model_type", "None"),
    "a mark in config.json": (encoded("config.json", "utf-8-sig"), "config.json", "byte order mark.*without the mark"),
    "config.json in UTF-16": (encoded("config.json", "utf-16"), "config.json", "byte order mark"),
    "config.json in Latin-1": (rewritten("config.json", b'{"a": "\xe9"}'), "config.json", "not UTF-8"),
    "config.json cut": (lambda it: cut(it, "config.json", to=0.5), "config.json", "is not valid JSON"),
    "config.json of a list": (rewritten("config.json", b"[]"), "config.json", "holds a list"),
    "config.json nested without end": (rewritten("config.json", b"[" * 100_000), "config.json", "nested too deep"),
    "config.json that is a link to nothing": (of_nothing, "config.json", "link to a file that does not exist"),
    "config.json that is a pointer": (
        rewritten("config.json", b"version https://git-lfs.github.com/spec/v1\n"),
        "config.json",
        "git lfs pull",
    ),
    "more pieces than embeddings": (lambda it: add_words(it, number=61), "tokenizer.json", "'unheard' the id 61"),
    "a tokenizer that is cut": (lambda it: cut(it, "tokenizer.json", to=0.5), "tokenizer.json", "is not valid JSON"),
    "a tokenizer without words": (rewritten("tokenizer.json", b"{}"), "tokenizer.json", "has no tokens"),
    "a tokenizer with a mark": (encoded("tokenizer.json", "utf-8-sig"), "tokenizer.json", "byte order mark"),
    "settings of the tokenizer that are cut": (
        lambda it: cut(it, "tokenizer_config.json", to=0.5),
        "tokenizer_config.json",
        "is not valid JSON",
    ),
    "no tokenizer": (lambda it: (it / "tokenizer.json").unlink(), "tokenizer.json", "has no tokenizer"),
    "pickles alone": (
        lambda it: (it / "model.safetensors").rename(it / "pytorch_model.bin"),
        "pytorch_model.bin",
        "pickle can run any code.*save_pretrained",
    ),
    "checkpoints of Lightning": (
        lambda it: (it / "model.safetensors").rename(it / "last.ckpt"),
        "last.ckpt",
        "pickle can run any code",
    ),
}


def _positions(folder: Path, number: int) -> None:
    name = "embeddings.position_embeddings.weight"
    set_weights(folder, lambda tensors: tensors.update({name: tensors[name][:number].clone()}))


@pytest.mark.parametrize(("damage", "field", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_encoder_is_named_by_its_folder_and_its_field(
    damage: Callable[[Path], object], field: str, said: str, folder: Path
) -> None:
    damage(folder)

    with pytest.raises(CheckpointError, match=said) as caught:
        check_encoder_folder(folder)

    assert (caught.value.folder, caught.value.field) == (folder, field)
    assert str(folder) in str(caught.value)
    assert "; " in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_weights_that_are_not_finite_are_named(dtype: torch.dtype, value: float, folder: Path) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors[LAYER] = tensors[LAYER].to(dtype)
        tensors[LAYER][-1, -1] = value

    set_weights(folder, spoil)
    check_encoder_folder(folder)

    with pytest.raises(CheckpointError, match=r"'encoder.layer.1.output.dense.weight' in model.safetensors") as caught:
        folder_identity(folder)

    assert (caught.value.folder, caught.value.field) == (folder, LAYER)


def test_the_largest_numbers_of_a_type_are_finite(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        ends = torch.tensor([torch.finfo(dtype).max, torch.finfo(dtype).min, -0.0], dtype=dtype)
        save_file({"a.weight": ends}, tmp_path / f"{dtype}.safetensors")

        assert file_facts(tmp_path / f"{dtype}.safetensors").not_finite is None


def test_masks_may_be_infinite(tmp_path: Path) -> None:
    save_file({"attn_mask": torch.tensor([float("-inf")])}, tmp_path / "model.safetensors")

    assert file_facts(tmp_path / "model.safetensors").not_finite is None


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5])
def test_the_hash_of_a_file_is_that_of_its_bytes(size: int, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "any.safetensors").write_bytes(content)
    save_file({"a.weight": torch.zeros(size, dtype=torch.float16)}, tmp_path / "whole.safetensors")

    for path in tmp_path.iterdir():
        assert file_facts(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_has_changed_is_read_again(folder: Path) -> None:
    before = folder_identity(folder)
    set_weights(folder, lambda tensors: tensors[LAYER].zero_())
    os.utime(folder / "model.safetensors", ns=(1, 1))

    assert folder_identity(folder) != before


def _tokens(folder: Path) -> dict[str, int]:
    return json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]


def test_every_activation_that_is_taken_is_one_of_transformers() -> None:
    assert {*ACTIVATIONS} <= ACT2FN.keys()
    assert not any(list(ACT2FN[name].parameters()) for name in ACTIVATIONS)


def test_a_tokenizer_without_padding_is_refused(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "NoSuch"}')

    with pytest.raises(CheckpointError, match="no padding token"):
        load_tokenizer(folder)


def test_positions_begin_behind_the_padding(folder: Path) -> None:
    set_config(folder, pad_token_id=3)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (token,) = (token for token, number in _tokens(folder).items() if number == 3)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": token}))

    check_encoder_folder(folder)

    assert load_encoder(folder, dropout=0.0).max_tokens == encoder_shape(folder)["max_position_embeddings"] - 4


SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SQUARES: dict[str, Any] = {"image_size": 16, "patch_size": 8}
TEXT: dict[str, Any] = {**SIZES, "vocab_size": 50, "max_position_embeddings": 16}
TOWERS: dict[str, Callable[[], Any]] = {
    "vit": lambda: ViTForImageClassification(ViTConfig(**SIZES, **SQUARES)),
    "clip": lambda: CLIPModel(CLIPConfig(text_config=TEXT, vision_config={**SIZES, **SQUARES})),
    "clip, images alone": lambda: CLIPVisionModel(CLIPVisionConfig(**SIZES, **SQUARES)),
    "siglip": lambda: SiglipVisionModel(SiglipVisionConfig(**SIZES, **SQUARES)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**SIZES, **SQUARES)),
}


@pytest.mark.parametrize("make", TOWERS.values(), ids=TOWERS.keys())
def test_a_sound_vision_tower_passes_and_loads(make: Callable[[], Any], tmp_path: Path) -> None:
    make().save_pretrained(tmp_path / "tower")

    check_vision_folder(tmp_path / "tower")

    assert build_vision_tower(VisionConfig(tower=str(tmp_path)), folder=tmp_path / "tower").num_tokens == 4


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    """A ViT that a test may damage."""
    ViTForImageClassification(ViTConfig(**SIZES, **SQUARES)).save_pretrained(tmp_path / "tower")
    (tmp_path / "tower/preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5]}')
    return tmp_path / "tower"


PATCHES = "vit.embeddings.patch_embeddings.projection.weight"
VISION_DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "cut weights": (lambda it: cut(it, "model.safetensors", to=0.5), "model.safetensors", "by its header"),
    "no weights": (lambda it: (it / "model.safetensors").unlink(), "model.safetensors", "has no weights"),
    "pickles": (
        lambda it: (it / "model.safetensors").rename(it / "pytorch_model.bin"),
        "pytorch_model.bin",
        "pickle can run any code",
    ),
    "a mark": (encoded("config.json", "utf-8-sig"), "config.json", "byte order mark"),
    "no type": (lambda it: set_config(it, model_type=...), "model_type", "None"),
    "patches of another size": (lambda it: set_config(it, patch_size=4), "patch_size", "32 x 3 x 8 x 8"),
    "patches larger than images": (lambda it: set_config(it, patch_size=32), "patch_size", "image_size, which is 16"),
    "sizes as a list": (lambda it: set_config(it, image_size=[16, 16]), "image_size", "whole number"),
    "another width": (lambda it: set_config(it, hidden_size=64), "hidden_size", "32 x 3 x 8 x 8"),
    "no patches": (
        lambda it: set_weights(it, lambda tensors: tensors.pop(PATCHES)),
        "patch_embeddings.projection.weight",
        "no tensor has a name such as",
    ),
    "two channels": (
        rewritten("preprocessor_config.json", b'{"image_std": [0.5, 0.5]}'),
        "preprocessor_config.json",
        "red, green, blue",
    ),
    "a torn preprocessor": (
        rewritten("preprocessor_config.json", b"{"),
        "preprocessor_config.json",
        "is not valid JSON",
    ),
}


@pytest.mark.parametrize(("damage", "field", "said"), VISION_DAMAGE.values(), ids=VISION_DAMAGE.keys())
def test_a_damaged_vision_tower_is_named_by_its_folder_and_its_field(
    damage: Callable[[Path], object], field: str, said: str, tower: Path
) -> None:
    damage(tower)

    with pytest.raises(CheckpointError, match=said) as caught:
        check_vision_folder(tower)

    assert (caught.value.folder, caught.value.field) == (tower, field)


def test_a_vision_tower_is_not_filled_up_with_random_numbers(tower: Path) -> None:
    lost = "vit.layernorm.bias"
    set_weights(tower, lambda tensors: tensors.pop(lost))

    with pytest.raises(
        CheckpointError, match=r"vision tower.*1 of its weights are missing, the first is layernorm\.bias"
    ):
        build_vision_tower(VisionConfig(tower=str(tower)), folder=tower)
