"""The format of each kind's rows: columns, labels, metrics. No torch, so that a task file is checked in milliseconds.

The classes of the kinds define the same in code; a test checks that the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trainables.tasks.spec import KindName

Content = Literal[
    "text", "maybe_text", "texts", "some_texts", "words", "class", "classes", "choice", "answers", "image", "id"
]
"""Content of a cell.

`text`: a text. `maybe_text`: a text or nothing. `texts`: several texts. `some_texts`: one text or several. `words`: a
sentence as a list of words. `class`: a class. `classes`: a class for each word. `choice`: the number of a choice.
`answers`: SQuAD's object of texts and their first characters. `image`: an image file. `id`: the name of an item.
"""


ID = "id"
"""Optional column of every kind: the name of an item in predictions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The rows of one kind."""

    columns: Mapping[str, Content]
    """Column -> content of its cells."""
    metrics: tuple[str, ...]
    """Metrics that can score the kind; the first is the default of a task file."""
    optional: frozenset[str] = frozenset()
    """Columns that a task can leave out."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a task must name."""
        return tuple(column for column in self.columns if column not in {*self.optional, ID})

    @property
    def has_classes(self) -> bool:
        """Whether tasks of this kind need `labels`."""
        return not {"class", "classes"}.isdisjoint(self.columns.values())


_FORMATS: dict[KindName, Format] = {
    "sentence_pair": Format(columns={"premise": "text", "hypothesis": "text", "label": "class"}, metrics=("accuracy",)),
    "span_qa": Format(
        columns={"context": "text", "question": "text", "answers": "answers"},
        metrics=("f1", "exact_match", "mlqa_f1"),
    ),
    "multiple_choice": Format(
        columns={"context": "text", "question": "text", "choices": "texts", "label": "choice"},
        metrics=("accuracy",),
        optional=frozenset({"context"}),
    ),
    "tagging": Format(columns={"tokens": "words", "tags": "classes"}, metrics=("accuracy", "seqeval_f1")),
    "image_classification": Format(
        columns={"image": "image", "hypothesis": "text", "label": "class"}, metrics=("accuracy",)
    ),
    "image_pair_classification": Format(
        columns={"image": "image", "second_image": "image", "hypothesis": "text", "label": "class"},
        metrics=("accuracy",),
    ),
    "image_text_retrieval": Format(columns={"image": "image", "caption": "some_texts"}, metrics=("recall_at_1",)),
    "visual_question_answering": Format(
        columns={"image": "image", "question": "text", "answers": "some_texts"}, metrics=("soft_accuracy", "accuracy")
    ),
    "masked_lm": Format(
        columns={"text": "text", "text_pair": "text"},
        metrics=("masked_accuracy",),
        optional=frozenset({"text_pair"}),
    ),
    "distillation": Format(
        columns={"text": "some_texts", "translation": "some_texts"},
        metrics=("recall_at_1",),
        optional=frozenset({"translation"}),
    ),
    "text_retrieval": Format(
        columns={"query": "maybe_text", "candidate": "maybe_text", "link": "text", "links": "some_texts"},
        metrics=("accuracy", "mining_f1", "map_at_20"),
        optional=frozenset({"link", "links"}),
    ),
}

FORMATS: Mapping[KindName, Format] = MappingProxyType(
    {name: replace(form, columns={**form.columns, ID: "id"}) for name, form in _FORMATS.items()}
)
"""Every kind's format."""
