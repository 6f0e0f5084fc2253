"""EuroBERT (arXiv 2503.05500): rotary positions, fewer keys than queries, and gated feed-forward parts.

Image tokens stand before the text, in places 0 to K - 1; the text's first token is in place K. Rotary angles count
places, with padding. The embeddings have neither norm nor dropout.

A norm stands above the last layer; it belongs to that layer when layers are frozen. The classification head is the
family's own: its dense layer has GELU, and it averages tokens itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any  # Any: transformers and JSON are untyped

from trainables.models.families.family import EncoderFamily, Named, Pooling, ScorerForm, with_bias

if TYPE_CHECKING:
    from torch import Tensor, nn

_SIZES = {
    "vocab_size": 128256,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 8192,
}
"""Defaults of transformers."""


class EuroBert(EncoderFamily):
    """EuroBERT's encoder."""

    model_type = "eurobert"
    model_class, classifier_class = "EuroBertModel", "EuroBertForSequenceClassification"
    prefix = "model."
    parts = ("embed_tokens.", "layers.", "norm.")
    words = "embed_tokens.weight"
    padding = 128001
    epsilon_field = "rms_norm_eps"
    dropout_fields = ("attention_dropout",)
    defaults = _SIZES

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the weights."""
        hidden, wide, heads = "hidden_size", "intermediate_size", "num_attention_heads"
        head_size = config.get("head_dim") or config[hidden] // config[heads]
        keys = "num_key_value_heads" if config.get("num_key_value_heads") else heads
        yield self.words, ("vocab_size", hidden)
        for layer in (f"layers.{number}" for number in range(config["num_hidden_layers"])):
            yield f"{layer}.self_attn.q_proj.weight", ((head_size, heads), hidden)
            yield f"{layer}.self_attn.k_proj.weight", ((head_size, keys), hidden)
            yield f"{layer}.self_attn.v_proj.weight", ((head_size, keys), hidden)
            yield f"{layer}.self_attn.o_proj.weight", (hidden, (head_size, heads))
            yield f"{layer}.mlp.gate_proj.weight", (wide, hidden)
            yield f"{layer}.mlp.up_proj.weight", (wide, hidden)
            yield f"{layer}.mlp.down_proj.weight", (hidden, wide)
            yield f"{layer}.input_layernorm.weight", (hidden,)
            yield f"{layer}.post_attention_layernorm.weight", (hidden,)
        yield "norm.weight", (hidden,)

    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Return the vectors as they are; positions enter in the layers."""
        del model, mask_BS, positions_BS
        return words_BSE

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers with the rotary angles of all places; the closing norm follows the last one."""
        import torch

        places_S = torch.arange(hidden_BSD.shape[1], device=hidden_BSD.device)
        angles = model.rotary_emb(hidden_BSD, position_ids=places_S[None])
        mask_B11S = None if mask_BS is None else mask_BS[:, None, None, :]
        for layer in islice(model.layers, num_below, num_layers):
            hidden_BSD = layer(hidden_BSD, mask_B11S, position_embeddings=angles)
        is_below = num_layers is not None and num_layers < len(model.layers)
        return hidden_BSD if is_below else model.norm(hidden_BSD)

    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the word embeddings."""
        return [model.embed_tokens]

    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return each layer, the last one with the closing norm."""
        layers = [[layer] for layer in model.layers]
        layers[-1].append(model.norm)
        return layers

    def scorer_form(self, config: Any) -> ScorerForm:
        """Return the family's own head: GELU, no norm."""
        del config
        return ScorerForm(activation="gelu", opening_norm=False)

    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return encoder and head; `classifier_pooling` of the configuration gives the pooling."""
        config.classifier_pooling = "mean" if pooling == "mean" else "bos"
        head = with_bias("dense", scorer, source="dense") | with_bias("classifier", scorer, source="out_proj")
        return {self.prefix + name: tensor for name, tensor in state.items()} | head
