"""What families share whose layers are BERT's: a norm behind attention, and a norm behind the feed-forward part.

Also the layer that expresses mean pooling.
Shapes: B examples, S tokens, E size of word embeddings, D hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any  # Any: transformers and JSON are untyped

from trainables.models.families.family import EncoderFamily, Named, Pooling, weight_and_bias, with_bias

if TYPE_CHECKING:
    from torch import Tensor, nn

MEAN_SCALE = 1e9
"""Factor of the mean before the residual is added; the following LayerNorm removes the factor again.

It makes the residual smaller than float32's precision (2 ** -24); its square, summed over D, is far from overflow.
"""

SIZES = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
"""Defaults of transformers for BERT and XLM-R."""

_WITHOUT_POOLER = {"add_pooling_layer": False}


class BertLayers(EncoderFamily):
    """A family with the embeddings and the layers of BERT; its files give names, and where positions start."""

    defaults = SIZES
    model_arguments = _WITHOUT_POOLER
    projections: tuple[str, ...] = ("attention.self.query", "attention.self.key", "attention.self.value")
    """Names of the projections of a layer's attention: queries, keys, values."""
    word_field: str = "hidden_size"
    """Field of config.json with the size E of word embeddings."""

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the embeddings, then the layers."""
        yield self.words, ("vocab_size", self.word_field)
        yield "embeddings.position_embeddings.weight", ("max_position_embeddings", self.word_field)
        yield "embeddings.token_type_embeddings.weight", ("type_vocab_size", self.word_field)
        yield from weight_and_bias("embeddings.LayerNorm", self.word_field)
        yield from self.layer_tensors(config)

    def layer_tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the weights of the layers."""
        hidden, wide = "hidden_size", "intermediate_size"
        for layer in (f"encoder.layer.{number}" for number in range(config["num_hidden_layers"])):
            for part in (*self.projections, "attention.output.dense"):
                yield from weight_and_bias(f"{layer}.{part}", hidden, hidden)
            yield from weight_and_bias(f"{layer}.attention.output.LayerNorm", hidden)
            yield from weight_and_bias(f"{layer}.intermediate.dense", wide, hidden)
            yield from weight_and_bias(f"{layer}.output.dense", hidden, wide)
            yield from weight_and_bias(f"{layer}.output.LayerNorm", hidden)

    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Add positions and the type of the first text, then normalise."""
        del mask_BS
        return model.embeddings(inputs_embeds=words_BSE, position_ids=positions_BS)

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers; nothing stands above the last one."""
        mask_B11S = None if mask_BS is None else mask_BS[:, None, None, :]
        for layer in islice(model.encoder.layer, num_below, num_layers):
            hidden_BSD = layer(hidden_BSD, mask_B11S)
        return hidden_BSD

    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the embeddings: words, positions, types, and their norm."""
        return [model.embeddings]

    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return each layer."""
        return [[layer] for layer in model.encoder.layer]

    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return the encoder with one more layer for mean pooling, and the head."""
        tensors = dict(state)
        if pooling == "mean":
            tensors |= self.mean_layer(config, scorer=scorer)
            config.num_hidden_layers += 1
        return {self.prefix + name: tensor for name, tensor in tensors.items()} | self.head(scorer)

    def head(self, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the head of `classifier_class`: BERT has the dense layer and its tanh in the pooler."""
        dense = with_bias(f"{self.prefix}pooler.dense", scorer, source="dense")
        return dense | with_bias("classifier", scorer, source="out_proj")

    def mean_layer(self, config: Any, *, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a layer whose output at every token is the mean over all tokens, behind the scorer's norm."""
        # Attention: softmax(0) is uniform, so the output is MEAN_SCALE * mean + residual; LayerNorm removes the scale.
        # Feed-forward: 0, so the output is the last LayerNorm of the attention output, which has mean 0, variance 1.
        query, key, value = self.projections
        norm = {
            "attention.output.LayerNorm": ones_and_zeros(config.hidden_size),
            # The factor cancels the epsilon of this LayerNorm, whose input has a variance of 1.
            "output.LayerNorm": (
                scorer["norm.weight"] * math.sqrt(1 + config.layer_norm_eps),
                scorer["norm.bias"],
            ),
        }
        parts = {"query": query, "key": key, "value": value, "wide": "intermediate.dense", "narrow": "output.dense"}
        parts["mixed"] = "attention.output.dense"
        layer = passing_mean(config, names=parts) | norm
        return named_layer(layer, prefix=f"encoder.layer.{config.num_hidden_layers}")


def ones_and_zeros(size: int) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a LayerNorm that only normalises."""
    import torch

    return torch.ones(size), torch.zeros(size)


def passing_mean(config: Any, *, names: Mapping[str, str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return weights and biases of a layer whose attention returns MEAN_SCALE * mean and whose feed-forward part is 0.

    Args:
        config: Configuration of the encoder.
        names: Names of the parts `query`, `key`, `value`, `mixed` (behind attention), `wide` and `narrow`.
    """
    import torch

    size, wide = config.hidden_size, config.intermediate_size
    zeros, square, identity = torch.zeros(size), torch.zeros(size, size), torch.eye(size)
    parts = {
        "query": (square, zeros),
        "key": (square, zeros),
        "value": (MEAN_SCALE * identity, zeros),
        "mixed": (identity, zeros),
        "wide": (torch.zeros(wide, size), torch.zeros(wide)),
        "narrow": (torch.zeros(size, wide), zeros),
    }
    return {names[part]: tensors for part, tensors in parts.items()}


def named_layer(layer: Mapping[str, tuple[Tensor, Tensor]], *, prefix: str) -> dict[str, Tensor]:
    """Return the weights and biases of a layer by their full names."""
    weights = {f"{prefix}.{name}.weight": weight for name, (weight, _) in layer.items()}
    return weights | {f"{prefix}.{name}.bias": bias for name, (_, bias) in layer.items()}
