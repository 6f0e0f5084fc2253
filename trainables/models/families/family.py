"""The contract of a family of encoders: every architecture that xstilts trains is one subclass, in one file.

A family says how one architecture of transformers is used. Its layers and its attention are transformers' own; a family
only calls them. Checks of a checkpoint's files read the same object, so a module of a family imports torch and
transformers inside its functions only.

A family keeps seven promises. `tests/contracts/test_encoder_families.py` checks them for each:

1. *Embed.* `embed` turns word vectors into the input of the first layer. Vectors of image tokens stand before those of
   the text, in the same space (size E), so a family does not see the difference.
2. *Positions.* Padding can be anywhere. A text has the same vectors as in transformers' own model, and padding changes
   nothing. Image tokens take the first positions, and the text follows them as more words would.
3. *Layers.* `run_layers` runs layers 1 to N, for any N up to all. A norm above the last layer belongs to a run of all
   layers, as in the `hidden_states` of transformers. A run can start above a layer, with the vectors of a run up to it.
4. *Freezing.* `embedding_modules` and `layers` name every weight below a layer, so what is frozen stays as it is, bit
   for bit. A norm above the last layer is frozen together with that layer.
5. *Weights.* Names of weights are those of transformers' model without a head. `tensors` lists them with their sizes.
6. *Heads.* `scorer_form` describes a classification head that `to_classifier` can express.
7. *Export.* `to_classifier` gives the weights of transformers' own class for classification, which predicts the same.
   No code of ours or of a repository is needed to load it.

Shapes: B examples, S tokens (image tokens, then text), E size of word embeddings, D hidden size, L labels.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal  # Any: transformers and JSON are untyped

if TYPE_CHECKING:
    from torch import Tensor, nn

Pooling = Literal["mean", "first"]
"""How a text becomes one vector: the mean over its tokens, or its first token."""

_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")
"""The number of a layer in the name of a weight."""

Size = str | tuple[int, str]
"""Size of a dimension: a field of config.json, or a multiple of one."""

Named = tuple[str, tuple[Size, ...]]
"""Name of a tensor, and the sizes of its dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerForm:
    """The parts of a classification head that differ between families."""

    activation: Literal["tanh", "gelu"] = "tanh"
    """Function behind the dense layer."""
    opening_norm: bool = True
    """Whether a LayerNorm stands before the dense layer, where a text is pooled by the mean."""
    closing_norm: bool = False
    """Whether a LayerNorm stands behind the activation."""
    closing_bias: bool = False
    """Whether the closing norm has a bias."""
    closing_epsilon: float = 1e-5
    """Epsilon of the closing norm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderShape:
    """What a head must know of an encoder."""

    hidden_size: int
    """Size D of the vectors that the encoder returns."""
    vocab_size: int
    """Number of words."""
    input_size: int | None = None
    """Size E of word embeddings and image tokens; None: the hidden size."""
    scorer: ScorerForm = ScorerForm()
    """Classification head that the family can export."""

    @property
    def word_size(self) -> int:
        """Size E of word embeddings and image tokens."""
        return self.input_size or self.hidden_size


class EncoderFamily(ABC):
    """One architecture; see the module's docstring for what each part promises."""

    model_type: ClassVar[str]
    """Value of `model_type` in config.json."""
    model_class: ClassVar[str]
    """Class of transformers without a head."""
    classifier_class: ClassVar[str]
    """Class of transformers for classification of texts."""
    prefix: ClassVar[str]
    """Prefix of the weights in a model with a head."""
    parts: ClassVar[tuple[str, ...]] = ("embeddings.", "encoder.")
    """How the names of its weights start, without the prefix; other weights of a checkpoint are not used."""
    words: ClassVar[str] = "embeddings.word_embeddings.weight"
    """Name of the word embeddings."""
    padding: ClassVar[int]
    """Default of transformers for `pad_token_id`."""
    defaults: ClassVar[Mapping[str, int]]
    """Defaults of transformers for the sizes in config.json."""
    activation_field: ClassVar[str] = "hidden_act"
    """Field of config.json with the activation."""
    epsilon_field: ClassVar[str] = "layer_norm_eps"
    """Field of config.json with the epsilon of norms."""
    dropout_fields: ClassVar[tuple[str, ...]] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    """Fields of config.json that a phase's dropout sets."""
    model_arguments: ClassVar[Mapping[str, object]] = {}
    """Arguments of the class without a head."""
    attention: ClassVar[Literal["ours", "eager"]] = "ours"
    """`ours` (`trainables/models/layers/attention.py`) where the layers take a function; `eager`: their own."""
    starts_after_padding: ClassVar[bool] = False
    """Whether positions count real tokens only, from the padding token's id + 1."""

    # What the files of a checkpoint hold: no torch.

    @abstractmethod
    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the weights of an encoder with this config.json, whose sizes are complete."""

    def num_parameters(self, config: Mapping[str, Any]) -> int:
        """Return the number of parameters of an encoder with this config.json; missing sizes have their defaults."""
        complete = {**self.defaults, **config}
        return sum(math.prod(length(size, complete) for size in sizes) for _, sizes in self.tensors(complete))

    def max_tokens(self, config: Mapping[str, Any]) -> int:
        """Return the maximum number of tokens of an input, including image tokens."""
        first = config["pad_token_id"] + 1 if self.starts_after_padding else 0
        return config["max_position_embeddings"] - first

    # The model of transformers.

    def positions(self, mask_BS: Tensor, *, padding: int | None) -> Tensor:
        """Return position ids, B x S.

        Args:
            mask_BS: True for a token, False for padding.
            padding: Id of the padding token.
        """
        import torch

        if not self.starts_after_padding:
            return torch.arange(mask_BS.shape[1], device=mask_BS.device).expand(mask_BS.shape)
        assert padding is not None  # noqa: S101  (the checks of a checkpoint demand one)
        return mask_BS.cumsum(dim=1) * mask_BS + padding

    @abstractmethod
    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Return the input of the first layer (B x S x D) for vectors of image tokens and words."""

    @abstractmethod
    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Return the vectors above a layer.

        Args:
            model: The model of transformers.
            hidden_BSD: What `embed` returned; or the vectors above layer `num_below`.
            mask_BS: True for a token, False for padding; None without padding, which is fastest.
            num_layers: Number of layers, from the lowest; None runs all, and the norm above them.
            num_below: Number of these layers that have been run, less than `num_layers`; the run continues above them.
        """

    @abstractmethod
    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the modules below the first layer."""

    @abstractmethod
    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return the modules of each layer, from the lowest; a norm above the last layer is part of it."""

    # Heads and export.

    def scorer_form(self, config: Any) -> ScorerForm:
        """Return the form of a classification head for an encoder with this configuration."""
        del config
        return ScorerForm()

    @abstractmethod
    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return the weights of `classifier_class`, and change the configuration to fit them.

        Args:
            config: Configuration of the encoder.
            state: Weights of the encoder.
            scorer: Weights of a scorer (`trainables/models/head.py`): `dense`, `out_proj`, and the norms of its form.
            pooling: Mean over the text's tokens, or its first token.
        """


def length(size: Size, config: Mapping[str, Any]) -> int:
    """Return the length of a dimension."""
    times, field = (1, size) if isinstance(size, str) else size
    return times * config[field]


def layer_of(name: str) -> int | None:
    """Return the number of the layer that a weight belongs to, by its name; None outside of the layers."""
    found = _LAYER.search(name)
    return None if found is None else int(found[1])


def weight_and_bias(name: str, *sizes: Size) -> Iterator[Named]:
    """Yield a weight with these sizes, and its bias with the first of them."""
    yield f"{name}.weight", sizes
    yield f"{name}.bias", sizes[:1]


def with_bias(name: str, tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Return a weight and its bias under another name."""
    return {f"{name}.{part}": tensors[f"{source}.{part}"] for part in ("weight", "bias")}


def additive_mask(mask_BS: Tensor | None, *, like: Tensor) -> Tensor | None:
    """Return a mask to add to scores of attention (B x 1 x 1 x S): 0 for a token, the lowest number elsewhere."""
    if mask_BS is None:
        return None
    import torch

    lowest = torch.finfo(like.dtype).min
    return mask_BS[:, None, None, :].logical_not().to(like.dtype) * lowest
