"""RemBERT (arXiv 2010.12821): word embeddings (256 wide) that are smaller than the layers (1152 wide).

Image tokens have the size of word embeddings. They stand before the text and take positions 0 to K - 1; the text's
first token has position K. Padding counts, as in BERT. The mapping from embeddings to layers is frozen with the
embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any  # Any: transformers and JSON are untyped

from trainables.models.families.bert_layers import BertLayers
from trainables.models.families.family import Named, additive_mask, weight_and_bias

if TYPE_CHECKING:
    from torch import Tensor, nn

_MAPPING = "encoder.embedding_hidden_mapping_in"

_SIZES = {
    "vocab_size": 250300,
    "hidden_size": 1152,
    "num_hidden_layers": 32,
    "num_attention_heads": 18,
    "input_embedding_size": 256,
    "intermediate_size": 4608,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
"""Defaults of transformers."""


class RemBert(BertLayers):
    """RemBERT's encoder: BERT's layers behind a mapping; they have their own attention."""

    model_type = "rembert"
    model_class, classifier_class = "RemBertModel", "RemBertForSequenceClassification"
    prefix = "rembert."
    padding = 0
    attention = "eager"
    word_field = "input_embedding_size"
    defaults = _SIZES

    def tensors(self, config: Mapping[str, Any]) -> Iterator[Named]:
        """Yield the embeddings, the mapping and the layers."""
        yield from super().tensors(config)
        yield from weight_and_bias(_MAPPING, "hidden_size", "input_embedding_size")

    def embed(self, model: Any, words_BSE: Tensor, *, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Add positions and types, normalise, and map the result to the hidden size."""
        embedded_BSE = super().embed(model, words_BSE, mask_BS=mask_BS, positions_BS=positions_BS)
        return model.encoder.embedding_hidden_mapping_in(embedded_BSE)

    def run_layers(
        self,
        model: Any,
        hidden_BSD: Tensor,
        *,
        mask_BS: Tensor | None,
        num_layers: int | None,
        num_below: int = 0,
    ) -> Tensor:
        """Run the layers; each returns a tuple, and adds the mask to its scores."""
        mask_B11S = additive_mask(mask_BS, like=hidden_BSD)
        for layer in islice(model.encoder.layer, num_below, num_layers):
            hidden_BSD = layer(hidden_BSD, mask_B11S)[0]
        return hidden_BSD

    def embedding_modules(self, model: Any) -> Sequence[nn.Module]:
        """Return the embeddings and their mapping."""
        return [model.embeddings, model.encoder.embedding_hidden_mapping_in]
