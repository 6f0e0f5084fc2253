"""Models that describe a task. No torch here, so that the command line lists tasks in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self  # Any: dumped values

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from trainables.config.frozen import FrozenModel
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.corpus_source import CorpusSource
from trainables.tasks.file_source import FileSource
from trainables.tasks.hub_source import HubSource
from trainables.tasks.masking_policy import MaskingPolicy
from trainables.tasks.metrics.spans_f1 import has_plain_tags
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.texts_source import TextsSource

KindName = Literal[
    "sentence_pair",
    "span_qa",
    "multiple_choice",
    "tagging",
    "image_classification",
    "image_pair_classification",
    "image_text_retrieval",
    "visual_question_answering",
    "masked_lm",
    "text_retrieval",
    "distillation",
]
"""The formats that a task can have; `trainables/tasks/kinds/<kind>.py` implements each."""

IMAGE_COLUMNS: Mapping[KindName, tuple[str, ...]] = {
    "image_classification": ("image",),
    "image_pair_classification": ("image", "second_image"),
    "image_text_retrieval": ("image",),
    "visual_question_answering": ("image",),
}
"""Kinds whose examples hold images, and the columns with the images. Such kinds need a vision tower."""

_DESCRIPTIVE_FIELDS = {"licence", "citation", "notes", "languages", "num_train_examples"}
_LOCATION_FIELDS = frozenset({"files", "folder", "digest"})
"""Fields of a source that say where its files are; the fingerprint of the rows enters keys separately."""
_LATER_FIELDS = ("unanswerable", "num_answers", "control", "unlabelled", "opens_test")
"""Fields that were added after the first keys; each enters a key only with a value other than its default."""

SCORED_KINDS: frozenset[KindName] = frozenset(
    {
        "sentence_pair",
        "multiple_choice",
        "span_qa",
        "tagging",
        "text_retrieval",
        "image_classification",
        "image_text_retrieval",
    }
)
"""Kinds that an evaluation can score."""


class GeneratedSource(FrozenModel):
    """Rows that `trainables.miniature.rows` generates."""

    type: Literal["generated"] = "generated"
    generator: str
    """Name of the generated task."""
    version: int = Field(ge=1)
    """Increased by hand when the generator's rows change; enters stage keys."""


class CompositeSource(FrozenModel):
    """The rows of other tasks with the same kind and labels, one task after the other."""

    type: Literal["composite"] = "composite"
    parts: tuple[str, ...] = Field(min_length=2)
    """Names of the tasks. Each contributes its split of the same name; a key holds the identity of each."""


ControlName = Literal["shuffled", "captions_only", "captions_mlm", "equal_compute"]
"""What a control removes from its base task; `trainables/tasks/controls.py` describes each."""


class Control(FrozenModel):
    """Marks a task as a control, and names its base task."""

    kind: ControlName
    """What the control removes."""
    of: str
    """Name of the base task."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the permutation; `shuffled` only."""


_NAME = re.compile(r"[a-z0-9_]+(@[a-z0-9_]+)?")


def _checked_name(name: object) -> object:
    if isinstance(name, str) and not _NAME.fullmatch(name):
        short = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:40]
        near = f", such as {short!r}" if re.search("[a-z0-9]", short) else ""
        msg = f"{name[:60]!r} is not a valid task name; use lower-case letters a to z, digits and `_`{near}"
        raise ValueError(msg)
    return name


class TaskSpec(FrozenModel):
    """A task: a labelled data set with a format, columns, metric, licence and pinned source."""

    name: Annotated[str, BeforeValidator(_checked_name)]
    """Name in configurations. Only a control has a name of the form `base@control`."""
    kind: KindName
    """Format of its examples."""
    source: (
        HubSource
        | GeneratedSource
        | FileSource
        | CompositeSource
        | CorpusSource
        | TextsSource
        | BitextSource
        | SentencePoolSource
        | EntityPoolSource
        | CaptionSource
        | AnnotationSource
    ) = Field(discriminator="type")
    """Where its rows come from."""
    splits: dict[str, tuple[str, ...]]
    """Split of the task (`train`, `validation`, `test`) -> splits of the source, concatenated in order.

    A split that is written `name?` is skipped where the source does not have it, for example in an excerpt.
    """
    columns: Mapping[str, str | Annotated[tuple[str, ...], Field(min_length=1)]]
    """Column of the kind -> column of the source (`a.b` is field b of struct a), or several that make one list."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers, for kinds with labels."""
    label_values: tuple[str, ...] = ()
    """How the source writes the labels, in the order of the classes; empty where it holds class numbers."""
    unlabelled: tuple[str, ...] = ("-", "-1", "")
    """Values that mean "no label" for a row or a word: such a row is left out. The empty text also means null."""
    languages: tuple[str, ...] = ("en",)
    """Languages that the source has."""
    metric: Literal[
        "accuracy",
        "f1",
        "exact_match",
        "seqeval_f1",
        "recall_at_1",
        "masked_accuracy",
        "soft_accuracy",
        "mlqa_f1",
        "mining_f1",
        "map_at_20",
    ] = "accuracy"
    """Metric, between 0 and 1. `seqeval_f1` is the F1 of spans of IOB tags; `mlqa_f1` is the F1 of MLQA's script."""
    unanswerable: bool = False
    """For `span_qa`: whether some questions have no answer in their context, so that a model can give no answer."""
    masking: MaskingPolicy | None = None
    """For `masked_lm` only: which tokens are masked."""
    num_answers: int | None = Field(default=None, ge=2)
    """For `visual_question_answering` only: maximum size of the answer vocabulary, taken from the train split."""
    opens_test: bool = False
    """Whether the task can read a test split that the catalogue locks; its results are marked, and never confirmed."""
    control: Control | None = None
    """Set for a control; None for every other task."""
    licence: str
    """Licence as the source states it."""
    citation: str
    """Paper that introduced the task."""
    num_train_examples: int | None = Field(default=None, ge=1)
    """Labelled examples of the whole train split; a mirror can hold fewer."""
    notes: str = ""
    """Further information for users: size, caveats, why a revision is not pinned."""
    version: int = Field(default=1, ge=1)
    """Increased by hand when the encoding of its examples changes; enters stage keys."""

    def identity(self) -> dict[str, object]:
        """Return, as JSON, the fields that decide the task's examples and scores; keys hold them.

        Descriptive fields are left out: a corrected licence or note must not change a key. Fields that were added
        later are left out while they have their default, which means "as before" (docs/decisions/0006).
        """
        unused = {name for name in _LATER_FIELDS if getattr(self, name) == type(self).model_fields[name].default}
        # Files that are read under both have the same rows with quoting left out and with `standard`.
        locations = _LOCATION_FIELDS | ({"quoting"} if getattr(self.source, "quoting", None) != "none" else set[str]())
        excluded: dict[str, Any] = {**dict.fromkeys(_DESCRIPTIVE_FIELDS | unused, True), "source": set(locations)}
        # Spans of plain tags such as `NOUN`, and mined pairs, were scored otherwise once (among all candidates,
        # not among 4 neighbours); those scores must not be found again.
        is_newer = (self.metric == "seqeval_f1" and has_plain_tags(self.labels)) or self.metric == "mining_f1"
        versions: dict[str, object] = {"metric_version": 2} if is_newer else {}
        identity: dict[str, object] = self.model_dump(mode="json", exclude=excluded)
        return identity | versions

    @property
    def scores_version(self) -> int:
        """Version of an evaluation's scores: 2 where an earlier version computed one of them otherwise."""
        squad = self.kind == "span_qa" and self.metric in {"f1", "exact_match"}
        return 2 if squad or (self.kind == "tagging" and has_plain_tags(self.labels)) else 1

    @property
    def training_language(self) -> str:
        """Language that the task is trained in: English where it has English, else its first language."""
        return "en" if "en" in self.languages else self.languages[0]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every column of the source that the task names, once."""
        named = [(names,) if isinstance(names, str) else names for names in self.columns.values()]
        return tuple(dict.fromkeys(name for names in named for name in names))

    @property
    def has_images(self) -> bool:
        """Whether the examples hold images."""
        return bool(self.image_columns)

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that hold an example's images, in order; empty for a task without images."""
        return tuple(name for name in IMAGE_COLUMNS.get(self.kind, ()) if name in self.columns)

    def without_images(self) -> TaskSpec:
        """Return the task as it is asked without images: the same rows, without their image columns."""
        columns = {name: theirs for name, theirs in self.columns.items() if name not in self.image_columns}
        return self.model_copy(update={"columns": columns})

    @property
    def shares_candidates(self) -> bool:
        """Whether the queries of all languages search the same candidates."""
        return isinstance(self.source, SentencePoolSource | EntityPoolSource)

    @property
    def is_retrieval(self) -> bool:
        """Whether the encoder is scored without training and without a head, by the similarity of its mean states."""
        return self.kind == "text_retrieval"

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _as_texts(cls, values: Any) -> Any:
        """Return values as texts: YAML reads `-1` as a number and an empty value as null."""
        if not isinstance(values, list | tuple):
            return values
        return tuple(map(_as_text, values))

    @model_validator(mode="after")
    def _unanswerable_fits_kind(self) -> Self:
        if self.unanswerable and self.kind != "span_qa":
            msg = f"remove `unanswerable`: only span_qa has questions without an answer; this kind is {self.kind}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _at_sign_only_in_names_of_controls(self) -> Self:
        if ("@" in self.name) != (self.control is not None):
            msg = f"name {self.name!r}: the name of a control has an `@`, and no other name does; rename the task"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _masking_fits_kind(self) -> Self:
        if (self.masking is not None) != (self.kind == "masked_lm"):
            msg = (
                "give `masking`: masked_lm needs to know which tokens it masks"
                if self.masking is None
                else f"remove `masking`: only masked_lm masks tokens; this kind is {self.kind}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _answers_fit_kind(self) -> Self:
        if (self.num_answers is not None) != (self.kind == "visual_question_answering"):
            msg = (
                "give `num_answers`: visual question answering needs the size of its answer vocabulary"
                if self.num_answers is None
                else f"remove `num_answers`: only visual question answering uses it; this kind is {self.kind}"
            )
            raise ValueError(msg)
        return self


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
