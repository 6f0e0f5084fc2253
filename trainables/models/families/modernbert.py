"""ModernBERT (arXiv 2412.13663): mmBERT. Rotary positions; every third layer sees all tokens, the others those nearby.

Image tokens stand before the text, in places 0 to K - 1; the text's first token is in place K. Rotary angles and the
window of local layers count places, with padding. So a word far from the images (more than `local_attention` / 2
places) sees them in the global layers only, as it would see words there.

A norm stands above the last layer; it belongs to that layer when layers are frozen. The classification head is the
family's own: its dense layer has no tanh but GELU and a norm behind it, and it averages tokens itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any  # Any: transformers and JSON are untyped

from trainables.models.families.family import EncoderFamily, Named, Pooling, ScorerForm, with_bias

if TYPE_CHECKING:
    from torch import Tensor, nn

_SIZES = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
}
"""Defaults of transformers."""


class ModernBert(EncoderFamily):
    """ModernBERT's encoder."""

    model_type = "modernbert"
    model_class, classifier_class = "ModernBertModel", "ModernBertForSequenceClassification"
    prefix = "model."
    parts = ("embeddings.", "layers.", "final_norm.")
    words = "embeddings.tok_embeddings.weight"
    padding = 50283
    activation_field, epsilon_field = "hidden_activation", "norm_eps"
    dropout_fields = ("embedding_dropout", "attention_dropout", "mlp_dropout")
    defaults = _SIZES

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the weights; the first layer has no norm before its attention."""
        hidden, wide = "hidden_size", "intermediate_size"
        yield self.words, ("vocab_size", hidden)
        yield "embeddings.norm.weight", (hidden,)
        for number in range(config["num_hidden_layers"]):
            layer = f"layers.{number}"
            if number > 0:
                yield f"{layer}.attn_norm.weight", (hidden,)
            yield f"{layer}.attn.Wqkv.weight", ((3, hidden), hidden)
            yield f"{layer}.attn.Wo.weight", (hidden, hidden)
            yield f"{layer}.mlp_norm.weight", (hidden,)
            yield f"{layer}.mlp.Wi.weight", ((2, wide), hidden)
            yield f"{layer}.mlp.Wo.weight", (hidden, wide)
        yield "final_norm.weight", (hidden,)

    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Normalise; positions enter in the layers."""
        del mask_BS, positions_BS
        return model.embeddings(inputs_embeds=words_BSE)

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers, each with the mask and the rotary angles of its type; the closing norm follows the last."""
        import torch

        num_tokens = hidden_BSD.shape[1]
        places_S = torch.arange(num_tokens, device=hidden_BSD.device)
        masks = {
            "full_attention": None if mask_BS is None else mask_BS[:, None, None, :],
            "sliding_attention": _nearby(mask_BS, places_S=places_S, reach=model.config.sliding_window),
        }
        angles = {kind: model.rotary_emb(hidden_BSD, places_S[None], kind) for kind in set(model.config.layer_types)}
        for layer in islice(model.layers, num_below, num_layers):
            kind = layer.attention_type
            hidden_BSD = layer(hidden_BSD, masks[kind], position_embeddings=angles[kind])
        is_below = num_layers is not None and num_layers < len(model.layers)
        return hidden_BSD if is_below else model.final_norm(hidden_BSD)

    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the embeddings: words and their norm."""
        return [model.embeddings]

    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return each layer, the last one with the closing norm."""
        layers = [[layer] for layer in model.layers]
        layers[-1].append(model.final_norm)
        return layers

    def scorer_form(self, config: Any) -> ScorerForm:
        """Return the family's own head: GELU, and a norm behind it."""
        return ScorerForm(
            activation="gelu",
            opening_norm=False,
            closing_norm=True,
            closing_bias=config.norm_bias,
            closing_epsilon=config.norm_eps,
        )

    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return encoder and head; `classifier_pooling` of the configuration gives the pooling."""
        config.classifier_pooling = "mean" if pooling == "mean" else "cls"
        config.classifier_bias, config.classifier_activation = True, "gelu"
        norm = {name.removeprefix("closing_"): one for name, one in scorer.items() if name.startswith("closing_norm.")}
        closing = {f"head.{name}": tensor for name, tensor in norm.items()}
        head = with_bias("head.dense", scorer, source="dense") | with_bias("classifier", scorer, source="out_proj")
        return {self.prefix + name: tensor for name, tensor in state.items()} | closing | head


def _nearby(mask_BS: Tensor | None, *, places_S: Tensor, reach: int) -> Tensor | None:
    """Return the mask of local layers: True for tokens that are at most `reach` places away.

    Every token sees itself, padding too: a row of attention without any token would be NaN in torch's kernels.
    """
    import torch

    num_tokens = len(places_S)
    if num_tokens <= reach + 1:  # every token is near
        return None if mask_BS is None else mask_BS[:, None, None, :]
    near_SS = (places_S[:, None] - places_S).abs() <= reach
    if mask_BS is None:
        return near_SS[None, None]
    itself_SS = torch.eye(num_tokens, dtype=torch.bool, device=places_S.device)
    return ((near_SS & mask_BS[:, None, :]) | itself_SS)[:, None]
