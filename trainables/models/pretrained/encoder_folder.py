"""Whether a folder holds an encoder that can be trained: its configuration, weights and tokenizer, and their fit.

What is wrong in a download or a hand-made checkpoint shows here, before anything is started, by the file and the field.
Nothing is loaded and nobody's code runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.pretrained.documents import read_object, unreadable
from trainables.models.pretrained.header import FILE, INDEX, Tensor, read_tensors
from trainables.models.pretrained.vocabulary import TOKENIZER, check_tokenizer
from trainables.models.text_towers import KNOWN, OPEN_CLIP_CONFIG, is_image_text, read_text_tower

ENCODER_FAMILIES = ("xlm-roberta", "bert")
"""Values of `model_type` in config.json that an encoder can have."""

TRAINED_TYPES = ("F32", "F16", "BF16", "F64")
"""Types that weights are read from. Quantised ones mean nothing without their scales."""

CONFIG = "config.json"

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PREFIXES = {"xlm-roberta": ("", "roberta."), "bert": ("", "bert.")}
_WORDS = "embeddings.word_embeddings.weight"
_DEFAULTS = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
"""What transformers takes of both families where config.json leaves a field out."""

ACTIVATIONS = (
    *("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh"),
    *("gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2"),
    *("relu6", "sigmoid", "silu", "swish", "tanh"),
)
"""Values of `hidden_act`: those of transformers' functions that have no weights."""

_DTYPES = frozenset({None, "auto", "float64", "float32", "float16", "bfloat16"})

_PADDING = {"xlm-roberta": 1, "bert": 0}
"""The same of `pad_token_id`."""

_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
"""What BERT's first checkpoints, which TensorFlow wrote, call them."""


def check_encoder_folder(path: Path) -> None:
    """Check that a folder holds an encoder that can be loaded without running anyone's code, and trained.

    Args:
        path: The folder.

    Raises:
        CheckpointError: A file is missing, damaged or of a kind that is not loaded, or two do not fit; names which.
    """
    if not path.is_dir():
        msg = f"cannot load an encoder from {str(path)!r}: it is no folder; give a checkpoint's folder"
        raise CheckpointError(msg, folder=path)
    _require(path, (CONFIG, OPEN_CLIP_CONFIG), "its configuration")
    check_not_pickled(path)
    if is_image_text(path):
        _check_text_tower(path)
        return
    _require(path, (FILE, INDEX), "its weights")
    _require(path, (TOKENIZER, "sentencepiece.bpe.model"), "its tokenizer")
    config = encoder_config(path)
    weights = _named(path, family=str(config["model_type"]))
    check_types(path, weights)
    _check_shapes(path, config=config, weights=weights)
    check_padding(path, config=config)
    check_tokenizer(path, num_embeddings=config["vocab_size"], padding=_counted_from(config))


def check_not_pickled(path: Path) -> None:
    """Check that a checkpoint does not have its weights as pickles only.

    Raises:
        CheckpointError: It has.
    """
    pickled = sorted(file for pattern in _PICKLES for file in path.glob(pattern))
    if pickled and not any(path.glob("*.safetensors")):
        msg = (
            f"cannot load an encoder from {str(path)!r}: its weights are pickled ({pickled[0].name}), and a pickle can "
            "run any code when it is read, so only safetensors are; convert them with save_pretrained, or take a "
            "revision of the repository that has them (a pull request's is refs/pr/N)"
        )
        raise CheckpointError(msg, folder=path, field=pickled[0].name)


def encoder_config(path: Path) -> Mapping[str, Any]:
    """Return the configuration of an encoder's folder, with what transformers takes for fields that it leaves out.

    Raises:
        CheckpointError: It is no JSON, of another family, or a field is no number that can be.
    """
    config = read_object(path / CONFIG)
    family = config.get("model_type")
    if family not in ENCODER_FAMILIES:
        msg = (
            f"cannot load an encoder from {str(path)!r}: its model_type is {family!r}; an encoder is one of "
            f"{', '.join(ENCODER_FAMILIES)}, or the XLM-R text tower of one of {', '.join(KNOWN)}; choose such a "
            "checkpoint"
        )
        raise CheckpointError(msg, folder=path, field="model_type")
    if config.get("quantization_config") is not None:
        remedy = "take the checkpoint that it was made from"
        raise unfit(path, "quantization_config", "is set, and quantised weights are not trained", remedy)
    config = {**_DEFAULTS, "pad_token_id": _PADDING[str(family)], **config}
    for field in _DEFAULTS:
        _check_whole(path, field, config[field])
    _check_settings(path, config)
    if config["hidden_size"] % config["num_attention_heads"]:
        problem = f"{config['num_attention_heads']} does not divide hidden_size, {config['hidden_size']}"
        raise unfit(path, "num_attention_heads", problem, "copy config.json anew")
    return config


def encoder_shape(path: Path) -> Mapping[str, Any]:
    """Return the configuration of the encoder that a folder holds, whichever type of checkpoint it is.

    Raises:
        CheckpointError: As `check_encoder_folder`.
    """
    tower = read_text_tower(path)
    return tower.config if tower is not None else encoder_config(path)


def check_padding(path: Path, *, config: Mapping[str, Any]) -> None:
    """Check the token that fills texts up: XLM-R counts positions from it.

    Raises:
        CheckpointError: It is no token of the vocabulary.
    """
    number, last = config["pad_token_id"], config["vocab_size"] - 1
    usual = _PADDING[str(config["model_type"])]
    if number is None and config["model_type"] != "xlm-roberta":
        return
    if type(number) is not int or not 0 <= number <= last:
        shown = "null" if number is None else repr(number)
        problem = f"is {shown}, and it must be a token of the vocabulary, 0 to {last}"
        raise unfit(path, "pad_token_id", problem, f"set it to the padding's number in the tokenizer (usually {usual})")
    if config["model_type"] == "xlm-roberta" and number + 1 >= config["max_position_embeddings"]:
        problem = f"is {number}, and XLM-R's positions begin behind it, of which there are "
        problem += f"{config['max_position_embeddings']} (max_position_embeddings)"
        raise unfit(path, "pad_token_id", problem, "copy config.json anew")


def check_types(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Check that weights are stored as numbers that can be trained.

    Raises:
        CheckpointError: One is quantised.
    """
    odd = next((name for name, tensor in weights.items() if tensor.dtype not in TRAINED_TYPES), None)
    if odd is not None:
        msg = (
            f"cannot load weights from {str(path)!r}: {odd!r} is stored as {weights[odd].dtype}; they are read as "
            f"{', '.join(TRAINED_TYPES)}; take the checkpoint before it was quantised"
        )
        raise CheckpointError(msg, folder=path, field=odd)


def unfit(path: Path, field: str, problem: str, remedy: str) -> CheckpointError:
    """Return the error of a field of config.json."""
    msg = f"cannot load a checkpoint from {str(path)!r}: {field} of {CONFIG} {problem}; {remedy}"
    return CheckpointError(msg, folder=path, field=field)


def _check_text_tower(path: Path) -> None:
    tower = read_text_tower(path)
    assert tower is not None  # noqa: S101  (it is of a known type)
    _require(path, (TOKENIZER, "sentencepiece.bpe.model"), "its tokenizer")
    check_padding(path, config=tower.config)
    check_tokenizer(path, num_embeddings=tower.config["vocab_size"], padding=_counted_from(tower.config))


def _check_settings(path: Path, config: Mapping[str, Any]) -> None:
    """Check the fields that are no sizes."""
    activation, epsilon = config.get("hidden_act", "gelu"), config.get("layer_norm_eps", 1e-12)
    if activation not in ACTIVATIONS:
        problem = f"is {activation!r}, and it must be one of {', '.join(ACTIVATIONS)}"
        raise unfit(path, "hidden_act", problem, "copy config.json anew")
    if type(epsilon) is not float or not 0 < epsilon < 1:
        problem = f"is {epsilon!r}, and it must be a number between 0 and 1, such as 1e-05"
        raise unfit(path, "layer_norm_eps", problem, "copy config.json anew")
    for field in ("dtype", "torch_dtype"):
        if isinstance(config.get(field), list | dict) or config.get(field) not in _DTYPES:
            problem = f"is {config[field]!r}, and weights are loaded as {', '.join(sorted(filter(None, _DTYPES)))}"
            raise unfit(path, field, problem, "copy config.json anew")


def _counted_from(config: Mapping[str, Any]) -> int | None:
    """Return the padding that an XLM-R counts its positions from; None for BERT, whose positions begin at 0."""
    return config["pad_token_id"] if config["model_type"] == "xlm-roberta" else None


def _check_whole(path: Path, field: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise unfit(path, field, f"is {value!r}, and it must be a whole number above 0", "copy config.json anew")


def _named(path: Path, *, family: str) -> Mapping[str, Tensor]:
    """Return the tensors of an encoder by their names without the prefix that a head's model gives them."""
    tensors = read_tensors(path)
    prefix = next((prefix for prefix in _PREFIXES[family] if prefix + _WORDS in tensors), None)
    if prefix is None:
        msg = (
            f"cannot load weights from {str(path)!r}: no tensor is named {_WORDS}, and config.json says {family}; "
            "copy the checkpoint anew"
        )
        raise CheckpointError(msg, folder=path, field=_WORDS)
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    weights = {name: tensor for name, tensor in named.items() if name.startswith(("embeddings.", "encoder."))}
    weights.pop("embeddings.position_ids", None)
    return weights


def _check_shapes(path: Path, *, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    for name, fields in _expected(config["num_hidden_layers"]):
        tensor = weights.get(name) or weights.get(_old_name(name))
        if tensor is None:
            msg = (
                f"cannot load weights from {str(path)!r}: the tensor {name!r} is missing, and config.json tells of "
                f"{config['num_hidden_layers']} layers (num_hidden_layers); copy the checkpoint anew"
            )
            raise CheckpointError(msg, folder=path, field=name)
        has = tensor.shape if len(tensor.shape) == len(fields) else (None,) * len(fields)
        differing = [field for field, size in zip(fields, has, strict=True) if config[field] != size]
        if differing:
            shape = " x ".join(map(str, tensor.shape))
            is_there = differing[0] in read_object(path / CONFIG)
            said = f"is {config[differing[0]]}" if is_there else f"is missing, which means {config[differing[0]]}"
            problem = f"{said}, and the weights have another shape: {name} is {shape}"
            raise unfit(path, differing[0], problem, "take config.json and weights of one checkpoint")


def _old_name(name: str) -> str:
    return next((name.removesuffix(new) + old for new, old in _OLD_NAMES.items() if name.endswith(new)), name)


def _expected(num_layers: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the name of each of an encoder's tensors, and the fields that give its shape."""
    hidden, wide = "hidden_size", "intermediate_size"
    yield _WORDS, ("vocab_size", hidden)
    yield "embeddings.position_embeddings.weight", ("max_position_embeddings", hidden)
    yield "embeddings.token_type_embeddings.weight", ("type_vocab_size", hidden)
    yield from _both("embeddings.LayerNorm", hidden)
    for layer in (f"encoder.layer.{number}" for number in range(num_layers)):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            yield from _both(f"{layer}.{part}", hidden, hidden)
        yield from _both(f"{layer}.attention.output.LayerNorm", hidden)
        yield from _both(f"{layer}.intermediate.dense", wide, hidden)
        yield from _both(f"{layer}.output.dense", hidden, wide)
        yield from _both(f"{layer}.output.LayerNorm", hidden)


def _both(name: str, *fields: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield f"{name}.weight", fields
    yield f"{name}.bias", fields[:1]


def _require(path: Path, names: tuple[str, ...], what: str) -> None:
    if any((path / name).is_file() for name in names):
        return
    dangling = next((name for name in names if (path / name).is_symlink()), None)
    if dangling is not None:
        raise unreadable(path / dangling, "is a link to a file that is not there", "fetch the checkpoint anew")
    msg = f"cannot load an encoder from {str(path)!r}: it lacks {what}; it needs {' or '.join(names)}; add it"
    raise CheckpointError(msg, folder=path, field=names[0])
