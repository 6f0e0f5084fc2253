"""The multilingual encoder: an XLM-R-family transformer, its checkpoints, and what of it is frozen.

This is a door to `transformers`: nothing outside encoder, heads, vision and export knows that library.

Shapes: B examples, T text tokens, K image tokens (0 without an image), S = K + T, D hidden size, V vocabulary,
Tm any number of tokens (the masked ones).
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast  # Any: transformers is untyped

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from trainables.errors import CheckpointError, ConfigError
from trainables.models import attention
from trainables.models.dropout import use_cheap_dropout
from trainables.models.kept_weights import KeptModules, folder_stamp
from trainables.models.pretrained.encoder_folder import ENCODER_FAMILIES
from trainables.models.pretrained.loading import loading
from trainables.models.text_towers import TextTower, read_text_tower
from trainables.models.weights import read_renamed
from trainables.tasks.special_tokens import read_as_text

AttentionInterface.register(attention.NAME, attention.attend)

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "vocab.txt",
)
"""Files of a checkpoint's folder that make its tokenizer; each is copied where it exists."""


_kept = KeptModules()


def kept_bytes() -> int:
    """Return the size of the weights that this process keeps for jobs to come."""
    return _kept.num_bytes


class EncodedText(NamedTuple):
    """What the encoder makes of a batch. A tuple, because ZeRO stage 3 looks for tensors in nothing but tuples."""

    hidden_BSD: Tensor
    """Last layer's vectors: image tokens, if any, then text tokens."""
    mask_BS: Tensor
    """True where there is a token, False where there is padding."""
    num_image_tokens: int = 0
    """K: how many of the S positions, the first ones, are image tokens."""

    @property
    def text_BTD(self) -> Tensor:
        """The text tokens' vectors."""
        return self.hidden_BSD[:, self.num_image_tokens :]

    @property
    def text_mask_BT(self) -> Tensor:
        """True where there is a text token."""
        return self.mask_BS[:, self.num_image_tokens :]


class WordEmbeddings(nn.Embedding):
    """Word vectors that also score vectors against every word, which ties a masked-LM decoder to them.

    Both uses are a call of this one module, so ZeRO stage 3 gathers the matrix for either; a decoder in another
    module that borrowed the weight would find it sharded.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's own name)
        """Return vectors for whole numbers (token ids), and a score per word (Tm x V) for vectors (Tm x D)."""
        if input.is_floating_point():
            return nn.functional.linear(input, self.weight)
        return super().forward(input)


class Encoder(nn.Module):
    """An XLM-R-family transformer without pooler.

    Args:
        model: Its transformers model; its word embeddings and dropouts are replaced by equal ones of ours.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        old = cast("nn.Embedding", model.get_input_embeddings())
        model.set_input_embeddings(
            WordEmbeddings.from_pretrained(old.weight, freeze=False, padding_idx=old.padding_idx)
        )
        use_cheap_dropout(model)
        self.model: Any = model
        config: Any = model.config
        self.hidden_size: int = config.hidden_size
        self.vocab_size: int = config.vocab_size
        self.num_layers: int = config.num_hidden_layers
        self._first_position: int = config.pad_token_id + 1 if config.model_type == "xlm-roberta" else 0
        self.max_tokens: int = config.max_position_embeddings - self._first_position
        """Most tokens that one input can have, image tokens included."""

    def forward(
        self,
        input_ids_BT: Tensor,
        attention_mask_BT: Tensor,
        image_tokens_BKD: Tensor | None = None,
        num_layers: int | None = None,
    ) -> EncodedText:
        """Return the last layer's vectors of image tokens (first) and text tokens.

        Padding may stand anywhere: positions count real tokens only, as XLM-R's do.

        Args:
            input_ids_BT: Token ids.
            attention_mask_BT: 1 for tokens, 0 for padding.
            image_tokens_BKD: Vectors that stand before the text as if they were word embeddings.
            num_layers: Layers to run, the lowest; None runs all.

        Raises:
            ConfigError: Image and text together are longer than the encoder's positions.
        """
        mask_BS = attention_mask_BT.bool()
        words_BSD = self.model.embeddings.word_embeddings(input_ids_BT)
        num_image_tokens = 0
        if image_tokens_BKD is not None:
            num_image_tokens = image_tokens_BKD.shape[1]
            words_BSD = torch.cat((image_tokens_BKD.to(words_BSD.dtype), words_BSD), dim=1)
            mask_BS = nn.functional.pad(mask_BS, (num_image_tokens, 0), value=True)
        self._check_length(mask_BS.shape[1], num_image_tokens=num_image_tokens)
        hidden_BSD = self.model.embeddings(inputs_embeds=words_BSD, position_ids=self.positions(mask_BS))
        # Without a mask attention takes its fastest way.
        attention_mask_B11S = None if bool(mask_BS.all()) else mask_BS[:, None, None, :]
        for layer in islice(self.model.encoder.layer, num_layers):
            hidden_BSD = layer(hidden_BSD, attention_mask_B11S)
        return EncodedText(hidden_BSD, mask_BS, num_image_tokens)

    def positions(self, mask_BS: Tensor) -> Tensor:
        """Return position ids: XLM-R's run from its padding id + 1 over real tokens, BERT's from 0 over all."""
        if self._first_position == 0:
            return torch.arange(mask_BS.shape[1], device=mask_BS.device).expand(mask_BS.shape)
        return mask_BS.cumsum(dim=1) * mask_BS + (self._first_position - 1)

    def score_words(self, hidden_TmD: Tensor) -> Tensor:
        """Return each vector's product with each word embedding (Tm x V)."""
        return self.model.embeddings.word_embeddings(hidden_TmD)

    def _check_length(self, num_tokens: int, *, num_image_tokens: int) -> None:
        if num_tokens > self.max_tokens:
            msg = (
                f"{num_tokens} tokens ({num_image_tokens} of them for the image) do not fit; this encoder has "
                f"positions for {self.max_tokens}; lower max_length"
            )
            raise ConfigError("max_length", msg)


def load_encoder(folder: Path, *, dropout: float, gradient_checkpointing: bool = False) -> Encoder:
    """Return a checkpoint's encoder with float32 weights, whatever type they are stored in.

    Args:
        folder: Hub layout: config.json and model.safetensors (or its shards); or an image-text checkpoint, whose XLM-R
            text tower is taken (`trainables/models/text_towers.py`).
        dropout: Probability, for hidden states and attention alike; 0 makes it deterministic.
        gradient_checkpointing: Recompute each layer in the backward pass.

    Raises:
        CheckpointError: The folder lacks a part, or holds another kind of model.
    """
    model = _kept.load((folder_stamp(folder), dropout), read=lambda: _read_with_dropout(folder, dropout))
    if gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return Encoder(model)


def _read_with_dropout(folder: Path, dropout: float) -> PreTrainedModel:
    config = read_config(folder)
    _set_dropout(config, dropout)
    return _read_model(folder, config=config)


def new_encoder(config: Mapping[str, object], *, dropout: float, seed: int = 0) -> Encoder:
    """Return an untrained encoder, for pretraining from scratch.

    Args:
        config: What its config.json holds; `model_type` is one of `ENCODER_FAMILIES`.
        dropout: Probability, for hidden states and attention alike.
        seed: Seeds its weights; the global random state is neither read nor changed.

    Raises:
        CheckpointError: `model_type` is not one of `ENCODER_FAMILIES`.
    """
    _check_family(config.get("model_type"), where="the configuration")
    parsed: PreTrainedConfig = AutoConfig.for_model(**cast("dict[str, Any]", config))
    _set_dropout(parsed, dropout)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModel.from_config(
            parsed, add_pooling_layer=False, attn_implementation=attention.NAME, dtype=torch.float32
        )
    return Encoder(model)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return a checkpoint's fast tokenizer; texts that spell its special tokens are read as text.

    Raises:
        CheckpointError: The folder has none.
    """
    with loading(folder, what="a tokenizer", needs="a whole tokenizer.json"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.is_fast:
        msg = f"the tokenizer in {folder} is a slow one; spans need character offsets: add tokenizer.json"
        raise CheckpointError(msg)
    if tokenizer.pad_token_id is None:
        msg = (
            f"the tokenizer in {str(folder)!r} has no token to fill texts up with; name it in tokenizer_config.json "
            "(`pad_token`), as the checkpoint's own does"
        )
        raise CheckpointError(msg, folder=folder, field="pad_token")
    return read_as_text(tokenizer)


def save_encoder(
    state: Mapping[str, Tensor], *, source_folder: Path, folder: Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a folder that `AutoModel.from_pretrained` loads: config.json, model.safetensors, the tokenizer's files.

    The files are not written atomically; who needs completeness (the stage store) writes a manifest after them.

    Args:
        state: Weights by their names in transformers, as `trainables.models.task_model.encoder_state` gives them.
        source_folder: Where the configuration (its own dropout kept) and the tokenizer are taken from.
        folder: Created if it is missing.
        dtype: Type that the weights are stored in.

    Raises:
        CheckpointError: `source_folder` has no configuration of a known family.
    """
    config = read_config(source_folder)
    config.architectures = ["XLMRobertaModel" if config.model_type == "xlm-roberta" else "BertModel"]
    config.dtype = dtype
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    copy_tokenizer(source_folder, folder=folder)


def copy_tokenizer(source_folder: Path, *, folder: Path) -> None:
    """Copy the tokenizer's files that `source_folder` has into `folder`."""
    for name in TOKENIZER_FILES:
        if (source_folder / name).is_file() and source_folder.resolve() != folder.resolve():
            shutil.copyfile(source_folder / name, folder / name)


def freeze(encoder: Encoder, *, embeddings: bool, layers: int) -> None:
    """Stop the training of the embeddings and of the lowest layers.

    What is frozen costs a forward pass only: autograd records nothing below the first trained weight, unless image
    tokens, which are trained, pass through. Dropout goes on in frozen layers while training, as in transformers, so
    that what is above them sees the same noise however much is frozen.

    Args:
        encoder: Changed in place.
        embeddings: Whether the embeddings (words, positions, types, their norm) are frozen.
        layers: How many layers are frozen, counted from the lowest.

    Raises:
        ConfigError: There are fewer layers.
    """
    if layers > encoder.num_layers:
        msg = f"{layers} layers cannot be frozen; this encoder has {encoder.num_layers}; lower it"
        raise ConfigError("freeze_layers", msg)
    if embeddings:
        encoder.model.embeddings.requires_grad_(requires_grad=False)
    frozen: Iterable[nn.Module] = encoder.model.encoder.layer[:layers]
    for layer in frozen:
        layer.requires_grad_(requires_grad=False)


@contextmanager
def quiet_transformers() -> Generator[None]:
    """Keep transformers' progress bars and load reports off stderr; its settings are put back afterwards."""
    verbosity, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bar:
            transformers_logging.enable_progress_bar()


def read_config(folder: Path) -> PreTrainedConfig:
    """Return a checkpoint's configuration.

    Raises:
        CheckpointError: The folder has none, or one of another family.
    """
    tower = read_text_tower(folder)
    if tower is not None:
        return AutoConfig.for_model(**tower.config)
    if not (folder / "config.json").is_file():
        msg = f"no encoder in {folder}: it has no config.json; give the folder of a Hugging Face checkpoint"
        raise CheckpointError(msg)
    with loading(folder, what="a configuration", needs="the config.json of an encoder"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    _check_family(config.model_type, where=str(folder))
    return config


def _read_model(folder: Path, *, config: PreTrainedConfig) -> PreTrainedModel:
    tower = read_text_tower(folder)
    if tower is not None:
        return _read_text_tower(tower, config=config)
    loaded: tuple[PreTrainedModel, dict[str, Any]]
    with (
        loading(folder, what="an encoder", needs="a whole model.safetensors and its config.json"),
        quiet_transformers(),
    ):
        loaded = AutoModel.from_pretrained(
            folder,
            config=config,
            add_pooling_layer=False,
            attn_implementation=attention.NAME,
            # transformers 5 otherwise keeps the checkpoint's type, and DeepSpeed then trains in float16.
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    model, report = loaded
    if report["missing_keys"]:
        # transformers fills what is missing with random numbers and only warns.
        missing = sorted(report["missing_keys"])
        msg = f"{folder} lacks {len(missing)} of the encoder's weights, {missing[0]} first; copy it anew"
        raise CheckpointError(msg)
    return model


def _read_text_tower(tower: TextTower, *, config: PreTrainedConfig) -> PreTrainedModel:
    with loading(tower.weights.parent, what="an encoder", needs="a whole text tower"):
        model: PreTrainedModel = AutoModel.from_config(
            config, add_pooling_layer=False, attn_implementation=attention.NAME, dtype=torch.float32
        )
        missing, unexpected = model.load_state_dict(read_renamed(tower.weights, names=tower.names), strict=False)
    if missing or unexpected:
        wrong = f"lacks {missing[0]}" if missing else f"has an unknown {unexpected[0]}"
        msg = f"cannot load an encoder from {str(tower.weights)!r}: its text tower {wrong}; copy the checkpoint anew"
        raise CheckpointError(msg)
    return model


def _check_family(model_type: object, *, where: str) -> None:
    if model_type not in ENCODER_FAMILIES:
        known = ", ".join(ENCODER_FAMILIES)
        msg = f"{where} is of type {model_type!r}; an encoder is one of {known}; choose such a checkpoint"
        raise CheckpointError(msg)


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    config.hidden_dropout_prob = dropout
    config.attention_probs_dropout_prob = dropout
