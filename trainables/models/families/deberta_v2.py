"""DeBERTa-v2 and v3 (arXiv 2006.03654, 2111.09543): mDeBERTa. Attention depends on the distance between two tokens.

Image tokens stand before the text, in places 0 to K - 1; the text's first token is in place K. Distances are between
places, so an image token is as far from a word as a word in its place would be. Padding counts. Where a checkpoint has
absolute positions too (`position_biased_input`; mDeBERTa has none), they are places as well.

The vectors of distances are shared by all layers, so they are frozen with the embeddings. The convolution of
DeBERTa-v2 stands behind the first layer and is frozen with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal  # Any: transformers and JSON are untyped

from trainables.models.families.bert_layers import BertLayers
from trainables.models.families.family import Named, Pooling, Size, weight_and_bias, with_bias

if TYPE_CHECKING:
    from torch import Tensor, nn

_DISTANCES = "encoder.rel_embeddings.weight"

_NO_ARGUMENTS: Mapping[str, object] = {}
"""The class has no pooler."""

_SIZES = {
    "vocab_size": 128100,
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "intermediate_size": 6144,
    "max_position_embeddings": 512,
}
"""Defaults of transformers."""


class DebertaV2(BertLayers):
    """DeBERTa's encoder: BERT's layers with disentangled attention, which transformers implements."""

    model_type = "deberta-v2"
    model_class, classifier_class = "DebertaV2Model", "DebertaV2ForSequenceClassification"
    prefix = "deberta."
    padding = 0
    attention = "eager"
    model_arguments = _NO_ARGUMENTS
    projections = ("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj")
    defaults = _SIZES

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the weights that the fields of the configuration ask for."""
        words: Size = "embedding_size" if "embedding_size" in config else "hidden_size"
        yield self.words, ("vocab_size", words)
        if config.get("position_biased_input", True):
            yield "embeddings.position_embeddings.weight", ("max_position_embeddings", words)
        if config.get("type_vocab_size"):
            yield "embeddings.token_type_embeddings.weight", ("type_vocab_size", words)
        yield from weight_and_bias("embeddings.LayerNorm", "hidden_size")
        if config.get("relative_attention", False):
            yield _DISTANCES, ((2, _distance_field(config)), "hidden_size")
        if "layer_norm" in str(config.get("norm_rel_ebd", "none")).lower():
            yield from weight_and_bias("encoder.LayerNorm", "hidden_size")
        yield from self.layer_tensors(config)

    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Normalise, and set padding to 0."""
        return model.embeddings(inputs_embeds=words_BSE, position_ids=positions_BS, mask=mask_BS)

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers with the vectors of distances, and the convolution behind the first one."""
        encoder, embedded_BSD = model.encoder, hidden_BSD
        if mask_BS is None:
            mask_BS = hidden_BSD.new_ones(hidden_BSD.shape[:2]).bool()
        mask_B1SS = (mask_BS[:, None, :] & mask_BS[:, :, None])[:, None]
        distances = encoder.get_rel_pos(hidden_BSD)
        vectors = _distance_vectors(encoder)
        if vectors is not None and hidden_BSD.device.type == "cpu":
            vectors = _within_reach(encoder.layer, vectors, largest=int(distances[0, -1, 0]))
        for number, layer in enumerate(islice(encoder.layer, num_below, num_layers), start=num_below):
            # By position, not by name: the recomputation of activations finds tensors only there.
            hidden_BSD = layer(hidden_BSD, mask_B1SS, None, distances, vectors)[0]
            if number == 0 and encoder.conv is not None:
                hidden_BSD = encoder.conv(embedded_BSD, hidden_BSD, mask_BS.long())
        return hidden_BSD

    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the embeddings, the vectors of distances and their norm."""
        shared = (getattr(model.encoder, name, None) for name in ("rel_embeddings", "LayerNorm"))
        return [model.embeddings, *(module for module in shared if module is not None)]

    def layers(self, model: Any) -> Sequence[Sequence[nn.Module]]:
        """Return each layer, the first one with the convolution."""
        layers = [[layer] for layer in model.encoder.layer]
        if model.encoder.conv is not None:
            layers[0].append(model.encoder.conv)
        return layers

    def to_classifier(
        self,
        config: Any,
        *,
        state: Mapping[str, Tensor],
        scorer: Mapping[str, Tensor],
        pooling: Pooling,
    ) -> dict[str, Tensor]:
        """Return the encoder, with one more layer for mean pooling, and a pooler with tanh."""
        tensors = super().to_classifier(config, state=state, scorer=scorer, pooling=pooling)
        config.pooler_hidden_act, config.pooler_hidden_size = "tanh", config.hidden_size
        return tensors

    def head(self, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the head: the pooler stands beside the encoder, not inside it."""
        return with_bias("pooler.dense", scorer, source="dense") | with_bias("classifier", scorer, source="out_proj")

    def mean_layer(self, config: Any, *, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the layer that passes the mean on; distances add nothing to its scores."""
        layer = super().mean_layer(config, scorer=scorer)
        if getattr(config, "share_att_key", False) or not getattr(config, "relative_attention", False):
            return layer
        prefix = f"encoder.layer.{config.num_hidden_layers}.attention.self"
        query = {part: layer[f"{prefix}.query_proj.{part}"] for part in ("weight", "bias")}
        names = [name for kind, name in _POSITION_PROJECTIONS.items() if kind in (config.pos_att_type or [])]
        return layer | {f"{prefix}.{name}.{part}": tensor for name in names for part, tensor in query.items()}


_POSITION_PROJECTIONS = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
"""Kind of attention to distances -> its own projection, in checkpoints that do not share those of the words."""


def _distance_field(config: Mapping[str, Any]) -> str:
    """Return the field with half the number of distances; transformers takes the first that is above 0."""
    fields = ("position_buckets", "max_relative_positions")
    return next((field for field in fields if config.get(field, -1) > 0), "max_position_embeddings")


def _distance_vectors(encoder: Any) -> Tensor | None:
    """Return the vectors of distances, behind their norm.

    The module is called, where transformers reads its weight: ZeRO stage 3 gathers a weight when its module is called.
    """
    import torch

    if not encoder.relative_attention:
        return None
    vectors = encoder.rel_embeddings
    rows = vectors(torch.arange(vectors.num_embeddings, device=vectors.weight.device))
    return encoder.LayerNorm(rows) if "layer_norm" in encoder.norm_rel_ebd else rows


def _within_reach(layers: Iterable[Any], vectors: Tensor, *, largest: int) -> Tensor:
    """Return the vectors of the distances that occur in a pass, for layers that take as many as they get.

    Every token is multiplied with each vector, in each layer, although a text of S tokens has 2 S - 1 distances.
    mDeBERTa has 512 vectors; a CPU trains 1.7 times as fast without those that do not occur. A GPU would compile its
    layers again for each number.

    Args:
        layers: Layers of the encoder.
        vectors: One for each distance, from the most negative one; half of them are negative.
        largest: The largest distance in the pass, in the unit of the vectors.
    """
    for layer in layers:
        layer.attention.self.__class__ = _attention_class()
    half = vectors.shape[0] // 2
    reach = min(half, largest + 1)
    return vectors[half - reach : half + reach]


@cache
def _attention_class() -> type[nn.Module]:
    """Return transformers' attention, with the number of distances read from the vectors.

    A number that is set in the module would be that of the last pass, when an earlier one is recomputed.
    """
    from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention

    class AttentionWithinReach(DisentangledSelfAttention):
        def disentangled_attention_bias(
            self,
            query_layer: Tensor,
            key_layer: Tensor,
            relative_pos: Tensor,
            rel_embeddings: Tensor,
            scale_factor: int,
        ) -> Tensor | Literal[0]:  # 0 where no kind of attention uses distances
            self.pos_ebd_size = rel_embeddings.shape[0] // 2
            return super().disentangled_attention_bias(
                query_layer, key_layer, relative_pos, rel_embeddings, scale_factor
            )

    return AttentionWithinReach
