"""The families by the `model_type` of their checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

from trainables.models.families.bert import Bert
from trainables.models.families.deberta_v2 import DebertaV2
from trainables.models.families.eurobert import EuroBert
from trainables.models.families.family import EncoderFamily
from trainables.models.families.modernbert import ModernBert
from trainables.models.families.rembert import RemBert
from trainables.models.families.xlm_roberta import XlmRoberta
from trainables.models.families.xlm_roberta_xl import XlmRobertaXl

_ALL = (XlmRoberta(), Bert(), DebertaV2(), ModernBert(), XlmRobertaXl(), RemBert(), EuroBert())

FAMILIES: Mapping[str, EncoderFamily] = {family.model_type: family for family in _ALL}
"""Model type -> family."""

PAGE = "docs/contributing/encoder.md"
"""The page on adding a family."""


def family_of(model_type: str) -> EncoderFamily:
    """Return the family of a model type that a check has accepted."""
    return FAMILIES[model_type]
