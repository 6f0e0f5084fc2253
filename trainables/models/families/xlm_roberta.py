"""XLM-R (arXiv 1911.02116): XLM-R, XLM-V, Glot500, multilingual-e5, BGE-M3, and text towers of image-text models.

Positions count real tokens from the padding token's id + 1 (2 in every XLM-R). Image tokens stand before the text and
take positions 2 to K + 1; the text's first token has position K + 2. Padding has the padding token's position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainables.models.families.bert_layers import BertLayers
from trainables.models.families.family import with_bias

if TYPE_CHECKING:
    from torch import Tensor


class XlmRoberta(BertLayers):
    """XLM-R's encoder: BERT's layers, other positions, and a head without a pooler."""

    model_type = "xlm-roberta"
    model_class, classifier_class = "XLMRobertaModel", "XLMRobertaForSequenceClassification"
    prefix = "roberta."
    padding = 1
    starts_after_padding = True

    def head(self, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the head of XLM-R: dense layer, tanh and projection are in the classifier."""
        dense = with_bias("classifier.dense", scorer, source="dense")
        return dense | with_bias("classifier.out_proj", scorer, source="out_proj")
