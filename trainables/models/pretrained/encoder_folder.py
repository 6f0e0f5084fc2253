"""Checks that a folder holds an encoder that can be trained: configuration, weights, tokenizer, and that they fit.

So an error in a download or in a hand-made checkpoint is found before a trial starts, with its file and field. Nothing
is loaded, and no code of the checkpoint runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.families.by_name import FAMILIES, PAGE, family_of
from trainables.models.families.family import EncoderFamily, length
from trainables.models.pretrained.documents import read_object, unreadable
from trainables.models.pretrained.header import FILE, INDEX, Tensor, read_tensors
from trainables.models.pretrained.vocabulary import TOKENIZER, check_tokenizer
from trainables.models.text_towers import KNOWN, OPEN_CLIP_CONFIG, is_image_text, read_text_tower
from trainables.tensor_files import OWN

TRAINED_TYPES = ("F32", "F16", "BF16", "F64")
"""Types of weights that can be read. Quantised weights cannot be used without their scales."""

CONFIG = "config.json"
CONFIGS = (CONFIG, OPEN_CLIP_CONFIG)
"""Files of which an encoder's folder must hold one; they name its architecture."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZERS = (TOKENIZER, "sentencepiece.bpe.model")
"""Files of which an encoder's folder must hold one."""

ACTIVATIONS = (
    *("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh"),
    *("gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2"),
    *("relu6", "sigmoid", "silu", "swish", "tanh"),
)
"""Allowed values of `hidden_act`: the functions of transformers that have no weights."""

_DTYPES = frozenset({None, "auto", "float64", "float32", "float16", "bfloat16"})

_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
"""Tensor name -> name in BERT's first checkpoints, which TensorFlow wrote."""


def check_encoder_folder(path: Path) -> None:
    """Check that a folder holds an encoder that can be trained, and loaded without running code of the checkpoint.

    Args:
        path: The folder.

    Raises:
        CheckpointError: A file is missing, damaged or of a wrong type, or two files do not fit together; the message
            names the file.
    """
    if not path.is_dir():
        msg = f"cannot load an encoder from {str(path)!r}: it is not a folder; give the folder of a checkpoint"
        raise CheckpointError(msg, folder=path)
    check_architecture(path)
    check_not_pickled(path)
    if is_image_text(path):
        _check_text_tower(path)
        return
    check_not_of_store(path)
    _check_has_file(path, (FILE, INDEX), "weights", " (where they are pickled, run `xstilts encoders convert` once)")
    _check_has_file(path, TOKENIZERS, "tokenizer")
    config = encoder_config(path)
    weights = _named(path, family=family_of(config["model_type"]))
    check_types(path, weights)
    _check_shapes(path, config=config, weights=weights)
    check_padding(path, config=config)
    check_tokenizer(path, num_embeddings=config["vocab_size"], padding=_padding_before_positions(config))


def check_architecture(path: Path) -> None:
    """Check that a folder's configuration is that of an encoder; no other file is needed.

    Raises:
        CheckpointError: It has no configuration, or one of an architecture that is no family.
    """
    _check_has_file(path, CONFIGS, "configuration")
    if not is_image_text(path):
        family_in(path)


def check_not_pickled(path: Path) -> None:
    """Check that a checkpoint has weights in safetensors files, and not only as pickles.

    Raises:
        CheckpointError: It has only pickled weights.
    """
    pickled = sorted(file for pattern in _PICKLES for file in path.glob(pattern))
    if pickled and not any(path.glob("*.safetensors")):
        msg = (
            f"cannot load an encoder from {str(path)!r}: its weights are pickled ({pickled[0].name}); a pickle can run "
            "any code, so only safetensors files are read; convert the weights once with `xstilts encoders convert` (a "
            "vision tower: with save_pretrained), or use a revision of the repository that has safetensors "
            "(refs/pr/N for a pull request)"
        )
        raise CheckpointError(msg, folder=path, field=pickled[0].name)


def check_not_of_store(path: Path) -> None:
    """Check that a folder is not that of a stage whose weights are partly elsewhere in its store.

    Raises:
        CheckpointError: It is.
    """
    if (path / OWN).is_file() and not (path / FILE).is_file():
        msg = (
            f"cannot load an encoder from {str(path)!r}: it is the folder of a stage that shares tensors with others, "
            f"and {OWN} holds only its own; use the whole encoder, which `xstilts stages copy {path.name[:12]} FOLDER` "
            "writes"
        )
        raise CheckpointError(msg, folder=path, field=OWN)


def encoder_config(path: Path) -> Mapping[str, Any]:
    """Return the configuration of an encoder's folder, with the defaults of transformers for missing fields.

    Raises:
        CheckpointError: It is not JSON, is of another family, or a field has a value that is not allowed.
    """
    config, family = read_object(path / CONFIG), family_in(path)
    if config.get("quantization_config") is not None:
        remedy = "use the original checkpoint, which is not quantised"
        raise unfit(path, "quantization_config", "is set, but quantised weights cannot be trained", remedy)
    config = {**family.defaults, "pad_token_id": family.padding, **config}
    for field in family.defaults:
        _check_whole(path, field, config[field])
    _check_settings(path, config)
    if config["hidden_size"] % config["num_attention_heads"]:
        problem = f"is {config['num_attention_heads']}, which does not divide hidden_size {config['hidden_size']}"
        raise unfit(path, "num_attention_heads", problem, "copy config.json again")
    return config


def family_in(path: Path) -> EncoderFamily:
    """Return the family that the config.json of a folder names; only this file is read.

    Raises:
        CheckpointError: It is not JSON, or names an architecture that is no family.
    """
    named = read_object(path / CONFIG).get("model_type")
    if isinstance(named, str) and named in FAMILIES:
        return FAMILIES[named]
    msg = (
        f"cannot load an encoder from {str(path)!r}: its model_type is {named!r}, but an encoder must be one of "
        f"{', '.join(FAMILIES)}, or the XLM-R text tower of one of {', '.join(KNOWN)}; choose such a checkpoint, or "
        f"add the architecture ({PAGE})"
    )
    raise CheckpointError(msg, folder=path, field="model_type")


def max_tokens(path: Path) -> int:
    """Return the maximum number of tokens of an input of the encoder in a folder, image tokens included.

    Raises:
        CheckpointError: For the reasons in `check_encoder_folder`.
    """
    shape = encoder_shape(path)
    return family_of(shape["model_type"]).max_tokens(shape)


def encoder_shape(path: Path) -> Mapping[str, Any]:
    """Return the configuration of the encoder in a folder, for every supported type of checkpoint.

    Raises:
        CheckpointError: For the reasons in `check_encoder_folder`.
    """
    tower = read_text_tower(path)
    return tower.config if tower is not None else encoder_config(path)


def check_padding(path: Path, *, config: Mapping[str, Any]) -> None:
    """Check the id of the padding token; XLM-R and XLM-R XL count positions from it.

    Raises:
        CheckpointError: It is not a token of the vocabulary, or leaves no positions.
    """
    number, last = config["pad_token_id"], config["vocab_size"] - 1
    family = family_of(config["model_type"])
    if number is None and not family.starts_after_padding:
        return
    if type(number) is not int or not 0 <= number <= last:
        shown = "null" if number is None else repr(number)
        problem = f"is {shown}, but must be a token of the vocabulary, 0 to {last}"
        remedy = f"set it to the id of the tokenizer's padding token (usually {family.padding})"
        raise unfit(path, "pad_token_id", problem, remedy)
    if family.starts_after_padding and number + 1 >= config["max_position_embeddings"]:
        problem = f"is {number}, and XLM-R's positions start after it, but there are only "
        problem += f"{config['max_position_embeddings']} positions (max_position_embeddings)"
        raise unfit(path, "pad_token_id", problem, "copy config.json again")


def check_types(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Check that weights are stored in a type that can be trained.

    Raises:
        CheckpointError: A tensor has another type, for example a quantised one.
    """
    odd = next((name for name, tensor in weights.items() if tensor.dtype not in TRAINED_TYPES), None)
    if odd is not None:
        msg = (
            f"cannot load weights from {str(path)!r}: {odd!r} has the type {weights[odd].dtype}, but must be one of "
            f"{', '.join(TRAINED_TYPES)}; use the original checkpoint, which is not quantised"
        )
        raise CheckpointError(msg, folder=path, field=odd)


def unfit(path: Path, field: str, problem: str, remedy: str) -> CheckpointError:
    """Return the error about a field of config.json, with its problem and the next step (`remedy`)."""
    msg = f"cannot load a checkpoint from {str(path)!r}: {field} of {CONFIG} {problem}; {remedy}"
    return CheckpointError(msg, folder=path, field=field)


def _check_text_tower(path: Path) -> None:
    tower = read_text_tower(path)
    assert tower is not None  # noqa: S101  (the caller has checked the type)
    _check_has_file(path, TOKENIZERS, "tokenizer")
    check_padding(path, config=tower.config)
    check_tokenizer(path, num_embeddings=tower.config["vocab_size"], padding=_padding_before_positions(tower.config))


def _check_settings(path: Path, config: Mapping[str, Any]) -> None:
    """Check the fields that are not sizes."""
    family = family_of(config["model_type"])
    activation, epsilon = config.get(family.activation_field, "gelu"), config.get(family.epsilon_field, 1e-12)
    if activation not in ACTIVATIONS:
        problem = f"is {activation!r}, but must be one of {', '.join(ACTIVATIONS)}"
        raise unfit(path, family.activation_field, problem, "copy config.json again")
    if type(epsilon) is not float or not 0 < epsilon < 1:
        problem = f"is {epsilon!r}, but must be a number between 0 and 1, such as 1e-05"
        raise unfit(path, family.epsilon_field, problem, "copy config.json again")
    for field in ("dtype", "torch_dtype"):
        if isinstance(config.get(field), list | dict) or config.get(field) not in _DTYPES:
            problem = f"is {config[field]!r}, but must be one of {', '.join(sorted(filter(None, _DTYPES)))}"
            raise unfit(path, field, problem, "copy config.json again")


def _padding_before_positions(config: Mapping[str, Any]) -> int | None:
    """Return the padding id after which positions start; None for families whose positions start at 0."""
    return config["pad_token_id"] if family_of(config["model_type"]).starts_after_padding else None


def _check_whole(path: Path, field: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise unfit(path, field, f"is {value!r}, but must be a whole number above 0", "copy config.json again")


def _named(path: Path, *, family: EncoderFamily) -> Mapping[str, Tensor]:
    """Return the tensors of an encoder by name, without the prefix that a model with a head adds."""
    tensors = read_tensors(path)
    prefix = next((prefix for prefix in ("", family.prefix) if prefix + family.words in tensors), None)
    if prefix is None:
        msg = (
            f"cannot load weights from {str(path)!r}: no tensor has the name {family.words}, which model_type "
            f"{family.model_type} of config.json needs; copy the checkpoint again"
        )
        raise CheckpointError(msg, folder=path, field=family.words)
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    weights = {name: tensor for name, tensor in named.items() if name.startswith(family.parts)}
    weights.pop("embeddings.position_ids", None)
    return weights


def _check_shapes(path: Path, *, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    for name, sizes in family_of(config["model_type"]).tensors(config):
        tensor = weights.get(name) or weights.get(_old_name(name))
        if tensor is None:
            msg = (
                f"cannot load weights from {str(path)!r}: the tensor {name!r} is missing, but config.json has "
                f"{config['num_hidden_layers']} layers (num_hidden_layers); copy the checkpoint again"
            )
            raise CheckpointError(msg, folder=path, field=name)
        has = tensor.shape if len(tensor.shape) == len(sizes) else (None,) * len(sizes)
        differing = [field for field, size in zip(sizes, has, strict=True) if length(field, config) != size]
        if differing:
            field = differing[0] if isinstance(differing[0], str) else differing[0][1]
            shape = " x ".join(map(str, tensor.shape))
            is_there = field in read_object(path / CONFIG)
            value = f"is {config[field]}" if is_there else f"is missing (default {config[field]})"
            problem = f"{value}, but the weights have another shape: {name} is {shape}"
            raise unfit(path, field, problem, "use config.json and weights of the same checkpoint")


def _old_name(name: str) -> str:
    return next((name.removesuffix(new) + old for new, old in _OLD_NAMES.items() if name.endswith(new)), name)


def _check_has_file(path: Path, names: tuple[str, ...], what: str, hint: str = "") -> None:
    if any((path / name).is_file() for name in names):
        return
    dangling = next((name for name in names if (path / name).is_symlink()), None)
    if dangling is not None:
        raise unreadable(path / dangling, "is a link to a file that does not exist", "fetch the checkpoint again")
    msg = (
        f"cannot load an encoder from {str(path)!r}: it has no {what}; it must hold {' or '.join(names)}; add the file"
        f"{hint}"
    )
    raise CheckpointError(msg, folder=path, field=names[0])
