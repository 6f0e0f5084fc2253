"""The multilingual encoder: a transformer of any family, its checkpoints and its frozen parts.

What differs between architectures is in `trainables/models/families`.

Shapes: B examples, T text tokens, K image tokens (0 without an image), S = K + T, D hidden size, V vocabulary,
E size of word embeddings (D in most families), Tm any number of tokens (the masked ones).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, cast  # Any: transformers is untyped

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.errors import CheckpointError, ConfigError
from trainables.models.families.by_name import family_of
from trainables.models.families.family import EncoderShape
from trainables.models.kept_weights import KeptModules, folder_stamp
from trainables.models.layers.dropout import use_cheap_dropout
from trainables.models.layers.linear import linear, use_fast_linear
from trainables.models.pretrained.loading_errors import loading
from trainables.models.transformers_model import new_model, read_config, read_model
from trainables.tasks.special_tokens import read_as_text
from trainables.tensor_files import Place

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spm.model",
    "vocab.txt",
)
"""Tokenizer files in a checkpoint's folder; those that exist are copied."""


_kept = KeptModules()


def kept_bytes() -> int:
    """Return the size in bytes of the weights that this process keeps for later jobs."""
    return _kept.num_bytes


class EncodedText(NamedTuple):
    """Output of the encoder for a batch. It is a tuple, because ZeRO stage 3 finds tensors only in tuples."""

    hidden_BSD: Tensor
    """Vectors of the last layer: image tokens, if there are any, then text tokens."""
    mask_BS: Tensor
    """True for a token, False for padding."""
    num_image_tokens: int = 0
    """K: number of image tokens; they are the first of the S positions."""

    @property
    def text_BTD(self) -> Tensor:
        """Vectors of the text tokens."""
        return self.hidden_BSD[:, self.num_image_tokens :]

    @property
    def text_mask_BT(self) -> Tensor:
        """True for a text token, False for padding."""
        return self.mask_BS[:, self.num_image_tokens :]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPrefix:
    """The frozen part of an encoder, embeddings and lowest layers, whose vectors of a text never change."""

    num_layers: int
    """Number of its layers, at least 1."""
    text_by_text: bool = True
    """Whether CPUs run each text by itself. ZeRO stage 3 cannot, where ranks have different numbers of texts."""


class WordEmbeddings(nn.Embedding):
    """Word embeddings that are also the decoder of masked LM: they compute the scores of all words for a vector.

    Both uses call this module, so ZeRO stage 3 gathers the matrix for both. In another module, which used the same
    weight, the matrix would be sharded.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's own name)
        """Return vectors for token ids (whole numbers), or scores of all words (Tm x V) for vectors (Tm x E)."""
        if input.is_floating_point():
            return linear(input, self.weight, None)
        return super().forward(input)


class Encoder(nn.Module):
    """A transformer without pooler.

    Args:
        model: The transformers model; its word embeddings and dropouts are replaced by equivalent modules of xstilts.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        old = cast("nn.Embedding", model.get_input_embeddings())
        model.set_input_embeddings(
            WordEmbeddings.from_pretrained(old.weight, freeze=False, padding_idx=old.padding_idx)
        )
        use_cheap_dropout(model)
        use_fast_linear(model)
        self.model: Any = model
        config: Any = model.config
        self.family = family_of(config.model_type)
        self.hidden_size: int = config.hidden_size
        self.input_size: int = old.embedding_dim
        """Size E of word embeddings and image tokens."""
        self.vocab_size: int = config.vocab_size
        self.num_layers: int = config.num_hidden_layers
        self.max_tokens: int = self.family.max_tokens(config.to_dict())
        """Maximum number of tokens of an input, including image tokens."""
        self.prefix: FrozenPrefix | None = None
        """Its frozen part without dropout, which texts pass by themselves in training; None without one."""
        self.without_dropout: tuple[nn.Module, ...] = ()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own signature)
        """Switch dropout on or off; in a frozen part without dropout it stays off."""
        super().train(mode)
        for module in self.without_dropout:
            module.eval()
        return self

    def turn_dropout_off(self, modules: Sequence[nn.Module]) -> None:
        """Keep modules without dropout while the others train."""
        self.without_dropout = tuple(modules)
        self.train(self.training)

    def forward(
        self,
        input_ids_BT: Tensor,
        attention_mask_BT: Tensor | None,
        image_tokens_BKE: Tensor | None = None,
        num_layers: int | None = None,
        prefix_BTD: Tensor | None = None,
    ) -> EncodedText:
        """Return the last layer's vectors of image tokens (first) and text tokens.

        Padding can be anywhere. Each family documents the positions of its tokens.

        Args:
            input_ids_BT: Token ids.
            attention_mask_BT: 1 for tokens, 0 for padding; None without padding. Attention is fastest then, and only
                the CPU knows it without making a GPU wait (`trainables/data/batches.py`).
            image_tokens_BKE: Vectors that are placed before the text's word embeddings.
            num_layers: Number of layers to run, from the lowest; None runs all.
            prefix_BTD: Vectors above the frozen prefix, which were computed before; without image tokens.

        Raises:
            ConfigError: Image and text together have more tokens than the encoder has positions.
        """
        is_alone = image_tokens_BKE is None and num_layers is None and self.training
        if prefix_BTD is None and self.prefix is not None and is_alone:
            prefix_BTD = self.prefix_vectors(input_ids_BT, attention_mask_BT)
        if prefix_BTD is not None:
            return self._above_prefix(prefix_BTD, attention_mask_BT)
        return self._run(input_ids_BT, attention_mask_BT, image_tokens_BKE, num_layers=num_layers)

    @torch.no_grad()
    def prefix_vectors(self, input_ids_BT: Tensor, attention_mask_BT: Tensor | None) -> Tensor:
        """Return the vectors above the frozen prefix (B x T x D), without gradients.

        On the CPU each text is run by itself, without padding: the rounding of matrix products depends on their shapes,
        so a text has the same vectors in every batch, bit for bit. Padding is on the right, and has vectors of 0.

        Args:
            input_ids_BT: Token ids.
            attention_mask_BT: 1 for tokens, 0 for padding; None without padding.
        """
        assert self.prefix is not None  # noqa: S101  (the caller asks for it)
        num_layers = None if self.prefix.num_layers == self.num_layers else self.prefix.num_layers
        if not (self.prefix.text_by_text and input_ids_BT.device.type == "cpu"):
            return self._run(input_ids_BT, attention_mask_BT, None, num_layers=num_layers).hidden_BSD
        num_texts, longest = input_ids_BT.shape
        lengths = [longest] * num_texts if attention_mask_BT is None else attention_mask_BT.sum(dim=1).tolist()
        vectors = [
            self._run(input_ids_BT[number, :length].clone()[None], None, None, num_layers=num_layers).hidden_BSD[0]
            for number, length in enumerate(lengths)
        ]
        whole_BTD = vectors[0].new_zeros(num_texts, longest, self.hidden_size)
        for number, vectors_TD in enumerate(vectors):
            whole_BTD[number, : len(vectors_TD)] = vectors_TD
        return whole_BTD

    def _above_prefix(self, prefix_BTD: Tensor, attention_mask_BT: Tensor | None) -> EncodedText:
        assert self.prefix is not None  # noqa: S101  (its vectors were given)
        padded_BT = None if attention_mask_BT is None else attention_mask_BT.bool()
        mask_BT = prefix_BTD.new_ones(prefix_BTD.shape[:2], dtype=torch.bool) if padded_BT is None else padded_BT
        if self.prefix.num_layers < self.num_layers:
            prefix_BTD = self.family.run_layers(
                self.model, prefix_BTD, mask_BS=padded_BT, num_layers=None, num_below=self.prefix.num_layers
            )
        return EncodedText(prefix_BTD, mask_BT)

    def _run(
        self,
        input_ids_BT: Tensor,
        attention_mask_BT: Tensor | None,
        image_tokens_BKE: Tensor | None,
        *,
        num_layers: int | None,
    ) -> EncodedText:
        is_padded = attention_mask_BT is not None
        mask_BS = torch.ones_like(input_ids_BT, dtype=torch.bool) if not is_padded else attention_mask_BT.bool()
        words_BSE = self.model.get_input_embeddings()(input_ids_BT)
        num_image_tokens = 0
        if image_tokens_BKE is not None:
            num_image_tokens = image_tokens_BKE.shape[1]
            words_BSE = torch.cat((image_tokens_BKE.to(words_BSE.dtype), words_BSE), dim=1)
            mask_BS = nn.functional.pad(mask_BS, (num_image_tokens, 0), value=True)
        self._check_length(mask_BS.shape[1], num_image_tokens=num_image_tokens)
        hidden_BSD = self.family.embed(self.model, words_BSE, mask_BS=mask_BS, positions_BS=self.positions(mask_BS))
        padded_BS = mask_BS if is_padded else None
        hidden_BSD = self.family.run_layers(self.model, hidden_BSD, mask_BS=padded_BS, num_layers=num_layers)
        return EncodedText(hidden_BSD, mask_BS, num_image_tokens)

    def positions(self, mask_BS: Tensor) -> Tensor:
        """Return the family's position ids for a mask of tokens (B x S)."""
        return self.family.positions(mask_BS, padding=self.model.config.pad_token_id)

    def score_words(self, vectors_TmE: Tensor) -> Tensor:
        """Return the product of each vector with each word embedding (Tm x V)."""
        return self.model.get_input_embeddings()(vectors_TmE)

    @property
    def shape(self) -> EncoderShape:
        """What a head must know of this encoder."""
        return EncoderShape(
            hidden_size=self.hidden_size,
            input_size=self.input_size,
            vocab_size=self.vocab_size,
            scorer=self.family.scorer_form(self.model.config),
        )

    def _check_length(self, num_tokens: int, *, num_image_tokens: int) -> None:
        if num_tokens > self.max_tokens:
            msg = (
                f"an input has {num_tokens} tokens ({num_image_tokens} of them for images), but this encoder reads at "
                f"most {self.max_tokens}; lower max_length"
            )
            raise ConfigError("max_length", msg)


def load_encoder(
    folder: Path | Place, *, dropout: float, gradient_checkpointing: bool = False, adapters: Sequence[Path] = ()
) -> Encoder:
    """Return the encoder of a checkpoint with float32 weights, whatever type they are stored in.

    Args:
        folder: A folder in the hub's layout: config.json and model.safetensors (or its shards); or an image-text
            checkpoint, whose XLM-R text tower is used (`trainables/models/text_towers.py`). A stage can share tensors
            with others; its place also says where these are.
        dropout: Dropout probability of hidden states and attention; 0 makes the encoder deterministic.
        gradient_checkpointing: Whether each layer is recomputed in the backward pass.
        adapters: Folders with adapters, which are merged into the weights one after another.

    Raises:
        CheckpointError: A part of the checkpoint is missing, or it holds another type of model.
    """
    place = Place(folder) if isinstance(folder, Path) else folder
    stamps = tuple(folder_stamp(one) for one in place if one is not None)
    model = _kept.load((stamps, dropout), read=lambda: _read_with_dropout(place, dropout))
    if gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    if adapters:
        from trainables.models.adapters import merge_adapter

        for adapter in adapters:
            merge_adapter(model, adapter)
    return Encoder(model)


def _read_with_dropout(place: Place, dropout: float) -> PreTrainedModel:
    return read_model(place.folder, config=read_config(place.folder, dropout=dropout), shared=place.shared)


def new_encoder(config: Mapping[str, object], *, dropout: float, seed: int = 0) -> Encoder:
    """Return an untrained encoder, for pretraining from scratch.

    Args:
        config: The content of its config.json; `model_type` is that of a family.
        dropout: Dropout probability of hidden states and attention.
        seed: Seed of its weights; the global random state is neither read nor changed.

    Raises:
        CheckpointError: `model_type` is that of no family.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = new_model(config, dropout=dropout)
    return Encoder(model)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the fast tokenizer of a checkpoint; it reads texts that spell its special tokens as ordinary text.

    Raises:
        CheckpointError: The folder has no fast tokenizer, or the tokenizer has no padding token.
    """
    with loading(folder, what="a tokenizer", needs="a whole tokenizer.json"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.is_fast:
        msg = (
            f"cannot load a tokenizer from {str(folder)!r}: it is a slow tokenizer, but only a fast one gives the "
            "character offsets that spans need; add tokenizer.json"
        )
        raise CheckpointError(msg)
    if tokenizer.pad_token_id is None:
        msg = (
            f"cannot load a tokenizer from {str(folder)!r}: it has no padding token, which batches need; set "
            "`pad_token` in tokenizer_config.json to the token that the checkpoint was trained with"
        )
        raise CheckpointError(msg, folder=folder, field="pad_token")
    return read_as_text(tokenizer)


def save_encoder(
    state: Mapping[str, Tensor], *, source_folder: Path, folder: Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a folder that `AutoModel.from_pretrained` loads: config.json, model.safetensors, the tokenizer's files.

    The files are not written atomically. A caller that must know whether they are complete (the stage store) writes a
    manifest after them.

    Args:
        state: Weights by their names in transformers, as `trainables.models.task_model.encoder_state` returns them.
        source_folder: Folder that configuration (with its own dropout) and tokenizer are copied from.
        folder: Folder to write; it is created if it is missing.
        dtype: Type in which the weights are stored.

    Raises:
        CheckpointError: `source_folder` has no configuration of a supported family.
    """
    config = read_config(source_folder)
    config.architectures = [family_of(config.model_type).model_class]
    config.dtype = dtype
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    copy_tokenizer(source_folder, folder=folder)


def copy_tokenizer(source_folder: Path, *, folder: Path) -> None:
    """Copy the tokenizer files of `source_folder` into `folder`."""
    for name in TOKENIZER_FILES:
        if (source_folder / name).is_file() and source_folder.resolve() != folder.resolve():
            shutil.copyfile(source_folder / name, folder / name)


def freeze(encoder: Encoder, *, embeddings: bool, layers: int, dropout: bool = True) -> None:
    """Freeze the embeddings and the lowest layers.

    Frozen parts cost only a forward pass: autograd records nothing below the first trained weight, unless trained image
    tokens are among the inputs. By default dropout stays active in frozen parts during training, as in transformers, so
    that the layers above them see the same noise however many are frozen. Without it, the vectors above the frozen
    layers never change, and they can be computed before (`trainables/training/prefix_vectors.py`).

    Args:
        encoder: The encoder, changed in place.
        embeddings: Whether the embeddings are frozen: everything below the first layer, and what all layers share.
        layers: Number of frozen layers, counted from the lowest.
        dropout: Whether dropout stays active in the frozen parts.

    Raises:
        ConfigError: The encoder has fewer layers.
    """
    if layers > encoder.num_layers:
        msg = f"is {layers}, but this encoder has {encoder.num_layers} layers; set it to {encoder.num_layers} or less"
        raise ConfigError("freeze_layers", msg)
    frozen = [*encoder.family.embedding_modules(encoder.model)] if embeddings else []
    frozen += [module for layer in encoder.family.layers(encoder.model)[:layers] for module in layer]
    for module in frozen:
        module.requires_grad_(requires_grad=False)
    if not dropout:
        encoder.turn_dropout_off(frozen)
        encoder.prefix = FrozenPrefix(num_layers=layers) if layers else None
