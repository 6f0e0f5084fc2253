"""BERT (arXiv 1810.04805): mBERT, LaBSE.

Image tokens stand before the text and take positions 0 to K - 1; the text's first token has position K. Padding counts:
positions are places in the batch's row, as in transformers.
"""

from __future__ import annotations

from trainables.models.families.bert_layers import BertLayers


class Bert(BertLayers):
    """BERT's encoder."""

    model_type = "bert"
    model_class, classifier_class = "BertModel", "BertForSequenceClassification"
    prefix = "bert."
    padding = 0
