"""XLM-R XL and XXL (arXiv 2105.00572): 3.5 and 10.7 billion parameters; norms stand before each part of a layer.

Positions are XLM-R's: image tokens stand before the text and take positions 2 to K + 1, the text's first token has
position K + 2, and padding has the padding token's position. The embeddings have no norm. A norm stands above the last
layer; it belongs to that layer when layers are frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: transformers and JSON are untyped

from trainables.models.families.bert_layers import named_layer, ones_and_zeros, passing_mean
from trainables.models.families.family import Named, Pooling, weight_and_bias
from trainables.models.families.xlm_roberta import XlmRoberta

if TYPE_CHECKING:
    from torch import Tensor, nn

_SIZES = {
    "vocab_size": 250880,
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "intermediate_size": 10240,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}
"""Defaults of transformers."""


class XlmRobertaXl(XlmRoberta):
    """XLM-R XL's encoder."""

    model_type = "xlm-roberta-xl"
    model_class, classifier_class = "XLMRobertaXLModel", "XLMRobertaXLForSequenceClassification"
    defaults = _SIZES

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the embeddings, the layers and the closing norm."""
        hidden, wide = "hidden_size", "intermediate_size"
        yield self.words, ("vocab_size", hidden)
        yield "embeddings.position_embeddings.weight", ("max_position_embeddings", hidden)
        yield "embeddings.token_type_embeddings.weight", ("type_vocab_size", hidden)
        for layer in (f"encoder.layer.{number}" for number in range(config["num_hidden_layers"])):
            for part in (*self.projections, "attention.output.dense"):
                yield from weight_and_bias(f"{layer}.{part}", hidden, hidden)
            yield from weight_and_bias(f"{layer}.attention.self_attn_layer_norm", hidden)
            yield from weight_and_bias(f"{layer}.intermediate.dense", wide, hidden)
            yield from weight_and_bias(f"{layer}.output.dense", hidden, wide)
            yield from weight_and_bias(f"{layer}.LayerNorm", hidden)
        yield from weight_and_bias("encoder.LayerNorm", hidden)

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers; the closing norm follows the last one."""
        hidden_BSD = super().run_layers(model, hidden_BSD, mask_BS=mask_BS, num_layers=num_layers, num_below=num_below)
        is_below = num_layers is not None and num_layers < len(model.encoder.layer)
        return hidden_BSD if is_below else model.encoder.LayerNorm(hidden_BSD)

    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return each layer, the last one with the closing norm."""
        layers = [[layer] for layer in model.encoder.layer]
        layers[-1].append(model.encoder.LayerNorm)
        return layers

    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return the encoder with one more layer for mean pooling, and the head.

        The new layer's first norm is the encoder's closing norm, so its attention averages the encoder's vectors. The
        closing norm is then the scorer's.
        """
        if pooling == "first":
            return super().to_classifier(config, state=state, scorer=scorer, pooling=pooling)
        closing = {f"encoder.LayerNorm.{part}": scorer[f"norm.{part}"] for part in ("weight", "bias")}
        encoder = {name: tensor for name, tensor in state.items() if not name.startswith("encoder.LayerNorm.")}
        first_norm = (state["encoder.LayerNorm.weight"], state["encoder.LayerNorm.bias"])
        names = {"query": self.projections[0], "key": self.projections[1], "value": self.projections[2]}
        names |= {"mixed": "attention.output.dense", "wide": "intermediate.dense", "narrow": "output.dense"}
        layer = passing_mean(config, names=names) | {
            "attention.self_attn_layer_norm": first_norm,
            "LayerNorm": ones_and_zeros(config.hidden_size),
        }
        encoder |= named_layer(layer, prefix=f"encoder.layer.{config.num_hidden_layers}") | closing
        config.num_hidden_layers += 1
        return {self.prefix + name: tensor for name, tensor in encoder.items()} | self.head(scorer)
