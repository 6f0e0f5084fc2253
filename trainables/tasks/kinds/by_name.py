"""Looks up a kind by its name. Importing a kind imports torch; `trainables.tasks.registry` does not."""

from __future__ import annotations

import importlib
from functools import cache

from trainables.tasks.kinds.kind import Kind
from trainables.tasks.spec import KindName

_CLASSES: dict[KindName, str] = {
    "sentence_pair": "SentencePair",
    "span_qa": "SpanQa",
    "multiple_choice": "MultipleChoice",
    "tagging": "Tagging",
    "image_classification": "ImageClassification",
    "image_pair_classification": "ImagePairClassification",
    "image_text_retrieval": "ImageTextRetrieval",
    "visual_question_answering": "VisualQuestionAnswering",
    "masked_lm": "MaskedLm",
    "text_retrieval": "TextRetrieval",
    "distillation": "Distillation",
}


@cache
def kind(name: KindName) -> Kind:
    """Return the kind with a name: one stateless instance that all tasks share."""
    module = importlib.import_module(f"trainables.tasks.kinds.{name}")
    return getattr(module, _CLASSES[name])()
