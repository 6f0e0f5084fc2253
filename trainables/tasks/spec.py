"""What a task is. No torch here: the command line lists tasks in milliseconds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self  # Any: dumped values

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from trainables.config.frozen import FrozenModel
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
]
"""The formats a task can have; `trainables/tasks/<kind>.py` implements each."""

IMAGE_COLUMNS: Mapping[KindName, tuple[str, ...]] = {
    "image_classification": ("image",),
    "image_pair_classification": ("image", "second_image"),
    "image_text_retrieval": ("image",),
    "visual_question_answering": ("image",),
}
"""Kinds whose examples hold images, and the columns that hold them: they need a vision tower."""

_PROSE = {"licence", "citation", "notes", "languages", "num_train_examples"}
_PLACES = frozenset({"files", "folder", "digest"})
"""Fields of a source that say where its rows lie; the rows have identities of their own."""
_CAME_LATER = ("unanswerable", "num_answers", "control", "unlabelled")

SCORED_KINDS: frozenset[KindName] = frozenset(
    {"sentence_pair", "multiple_choice", "span_qa", "tagging", "text_retrieval"}
)
"""Kinds that an evaluation can score."""


class HubSource(FrozenModel):
    """A data set repository on the hub, or its copy in the mirror."""

    type: Literal["hub"] = "hub"
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """`owner/name`."""
    config: str | None = None
    """Configuration; `{language}` in it is replaced by the language asked for, as `language_names` names it."""
    revision: str | None = None
    """Pinned commit; None with a reason in the task's notes."""
    language_names: dict[str, str] = Field(default_factory=dict)
    """Language code -> what the repository calls it, where that is something else."""

    def config_of(self, language: str) -> str | None:
        """Return the configuration of a language."""
        return self.config.format(language=self.language_names.get(language, language)) if self.config else None

    @model_serializer(mode="wrap")
    def _without_idle_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Added later: it enters keys only where it says something (docs/decisions/0006).
        return {name: value for name, value in dump(self).items() if value or name != "language_names"}


class GeneratedSource(FrozenModel):
    """Rows made by `trainables.miniature.rows`."""

    type: Literal["generated"] = "generated"
    generator: str
    """Name of the generated task."""
    version: int = Field(ge=1)
    """Raised by hand when the generator's rows change; enters stage keys."""


FileFormat = Literal["csv", "json", "jsonl", "parquet"]
"""`json` holds one list of rows, `jsonl` a row a line."""


Quoting = Literal["none", "standard"]
"""`none`: quotes are part of the text, and a line is a row. `standard`: RFC 4180, a doubled quote is one."""

_UTF_8 = {"utf-8", "utf-8-sig"}
_NOT_OF_TEXTS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape"}  # of host names, and of Python's source
_SAMPLE = "a,b\n"
_USUAL_NAMES = {"iso8859-1": "latin-1"}


class FileSource(FrozenModel):
    """A user's own files, named relative to the folder of the task file."""

    type: Literal["files"] = "files"
    files: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Split -> its files, read in order; `{language}` in a name is replaced by the language asked for."""
    format: FileFormat
    """Format of all files; a task file may leave it to their ending."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What stands between two cells; csv only."""
    quoting: Quoting | None = None
    """Whether quotes may enclose cells; csv only. Where a task file leaves it out, `.tsv` files have none, and in
    others a quoted cell that holds both a line break and the delimiter is refused."""
    encoding: str = "utf-8"
    """Encoding of the text, by any name that Python knows; not for parquet, which has none."""
    folder: str | None = None
    """Where the files lie, absolute; filled in when the task file is read. Never part of a key."""
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the files' content, filled in with `folder`: files that change afterwards are refused."""

    @field_validator("files")
    @classmethod
    def _some_files(cls, files: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for split, names in files.items():
            if not names:
                msg = f"split {split!r} has 0 files; name at least one, or leave the split out"
                raise ValueError(msg)
        return files

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_as_written(cls, delimiter: object) -> object:
        return "\t" if delimiter == r"\t" else delimiter  # what YAML makes of a tab that is not in double quotes

    @field_validator("delimiter")
    @classmethod
    def _no_quote_or_line_end(cls, delimiter: str) -> str:
        if delimiter in '"\r\n\0\ufeff':
            msg = (
                f"{delimiter!r} cannot stand between cells: it is a quote, a line's end, NUL or a mark; choose another"
            )
            raise ValueError(msg)
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            name = codecs.lookup(encoding).name
            is_text = name not in _NOT_OF_TEXTS and _SAMPLE.encode(name).decode(name) == _SAMPLE
        except (LookupError, ValueError):
            is_text, name = False, ""
        if not is_text:
            msg = f"{encoding!r} is no encoding of texts; write it like utf-8 or cp1252"
            raise ValueError(msg)
        return "utf-8" if name in _UTF_8 else _USUAL_NAMES.get(name, name)

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.format != "csv" and self.delimiter != ",":
            msg = f"delimiter has no effect on {self.format} files; leave it out"
            raise ValueError(msg)
        if self.format != "csv" and self.quoting is not None:
            msg = f"quoting has no effect on {self.format} files; leave it out"
            raise ValueError(msg)
        if self.format == "parquet" and self.encoding != "utf-8":
            msg = "encoding has no effect on parquet files; leave it out"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _without_idle_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Added later: it enters keys only where it says something (docs/decisions/0006).
        return {name: value for name, value in dump(self).items() if value is not None or name != "quoting"}


class CompositeSource(FrozenModel):
    """Other tasks of the same kind and labels, one after the other."""

    type: Literal["composite"] = "composite"
    parts: tuple[str, ...] = Field(min_length=2)
    """Names of the tasks. Each gives its split of our name; a key holds the identity of each."""


class CorpusSource(FrozenModel):
    """A licensed corpus in a user's own folder, read by `trainables.tasks.supertags`."""

    type: Literal["corpus"] = "corpus"
    variable: str
    """Environment variable that names the folder. Its path is never part of a key, its content is."""


class MaskingPolicy(FrozenModel):
    """Which tokens a masked-LM task hides."""

    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens of a masked side that is predicted (Devlin et al. 2019: 0.15)."""
    one_side_probability: float = Field(default=0.0, ge=0, le=1)
    """For pairs: chance that only one side, drawn at random, is masked, so that the other answers it."""
    frequency_exponent: float = Field(default=0.0, ge=-2, le=2)
    """A token's chance is proportional to its frequency in the task to this power (-0.5 favours rare words)."""


ControlName = Literal["shuffled", "captions_only", "captions_mlm", "equal_compute"]
"""What a control takes away; `trainables/tasks/controls.py` says how."""


class Control(FrozenModel):
    """That a task is a control, and of which other task."""

    kind: ControlName
    """What it takes away."""
    of: str
    """Name of the task that it derives from."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the permutation; `shuffled` only."""


_NAME = re.compile(r"[a-z0-9_]+(@[a-z0-9_]+)?")


def _well_named(name: object) -> object:
    if isinstance(name, str) and not _NAME.fullmatch(name):
        short = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:40]
        near = f", such as {short!r}" if re.search("[a-z0-9]", short) else ""
        msg = f"{name[:60]!r} is no name of a task; write it with small letters a to z, digits and `_`{near}"
        raise ValueError(msg)
    return name


class TaskSpec(FrozenModel):
    """A labelled data set with a format, columns, metric, licence and pinned source."""

    name: Annotated[str, BeforeValidator(_well_named)]
    """Name in configurations; `base@control` of a control, and only of one."""
    kind: KindName
    """Format of its examples."""
    source: HubSource | GeneratedSource | FileSource | CompositeSource | CorpusSource | TextsSource = Field(
        discriminator="type"
    )
    """Where its rows come from."""
    splits: dict[str, tuple[str, ...]]
    """Our split (`train`, `validation`, `test`) -> the source's splits, concatenated in order.

    `name?` is left out where the source lacks it, as excerpts do.
    """
    columns: Mapping[str, str | Annotated[tuple[str, ...], Field(min_length=1)]]
    """The kind's column -> the source's column (`a.b` is field b of struct a), or several, which make one list."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers, for kinds with labels."""
    label_values: tuple[str, ...] = ()
    """The source's own label values in class order, where they are text; empty: the source holds class numbers."""
    unlabelled: tuple[str, ...] = ("-", "-1", "")
    """What stands where a row, or a word, has no label: such a row is left out. An empty text stands for null too."""
    languages: tuple[str, ...] = ("en",)
    """Languages that the source offers."""
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
    """Score of the kind, between 0 and 1; `seqeval_f1`: of spans that IOB tags mark; `mlqa_f1`: by MLQA's script."""
    unanswerable: bool = False
    """For `span_qa`: whether some questions have no answer in their context, so that none may be given."""
    masking: MaskingPolicy | None = None
    """For `masked_lm` only."""
    num_answers: int | None = Field(default=None, ge=2)
    """For `visual_question_answering` only: most answers that can be given, the commonest of the train split."""
    control: Control | None = None
    """What the task is a control of; None for a task in its own right."""
    licence: str
    """Licence as the source states it."""
    citation: str
    """Paper that introduced it."""
    num_train_examples: int | None = Field(default=None, ge=1)
    """Examples of the whole train split with a label; a mirror may hold fewer."""
    notes: str = ""
    """What a user should know: size, caveats, why a revision is not pinned."""
    version: int = Field(default=1, ge=1)
    """Raised by hand when the encoding of its examples changes; enters stage keys."""

    def identity(self) -> dict[str, object]:
        """Return, as JSON, what decides its examples and scores: what keys hold of a task.

        Prose is left out: a corrected licence or note must not make every stage anew. So are fields that came later,
        while they have the value that means "as before" (docs/decisions/0006).
        """
        neutral = {name for name in _CAME_LATER if getattr(self, name) == type(self).model_fields[name].default}
        # `standard` reads the rows that no quoting at all reads, and more files: it says nothing about the rows.
        places = _PLACES | ({"quoting"} if getattr(self.source, "quoting", None) != "none" else set[str]())
        excluded: dict[str, Any] = {**dict.fromkeys(_PROSE | neutral, True), "source": set(places)}
        return self.model_dump(mode="json", exclude=excluded)

    @property
    def training_language(self) -> str:
        """The language it is trained in: English where it offers it, else its first."""
        return "en" if "en" in self.languages else self.languages[0]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every column of the source that it names, once."""
        named = [(names,) if isinstance(names, str) else names for names in self.columns.values()]
        return tuple(dict.fromkeys(name for names in named for name in names))

    @property
    def has_images(self) -> bool:
        """Whether its examples hold an image."""
        return self.kind in IMAGE_COLUMNS

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that hold an example's images, in their order; empty for a task without images."""
        return IMAGE_COLUMNS.get(self.kind, ())

    @property
    def is_retrieval(self) -> bool:
        """Whether the encoder is scored on it as it is, by the nearness of its mean states: no head, no training."""
        return self.kind == "text_retrieval"

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _as_texts(cls, values: Any) -> Any:
        """Return values as texts: in YAML `-1` is a number, and nothing is null."""
        if not isinstance(values, list | tuple):
            return values
        return tuple(map(_as_text, values))

    @model_validator(mode="after")
    def _silence_fits_kind(self) -> Self:
        if self.unanswerable and self.kind != "span_qa":
            msg = f"leave out `unanswerable`: kind {self.kind} has no questions without an answer, only span_qa does"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _only_controls_are_named_so(self) -> Self:
        if ("@" in self.name) != (self.control is not None):
            msg = f"name {self.name!r}: `@` stands in the names of controls, and only there; rename the task"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _masking_fits_kind(self) -> Self:
        if (self.masking is not None) != (self.kind == "masked_lm"):
            msg = (
                "give `masking`: kind masked_lm needs to know which words are masked"
                if self.masking is None
                else f"leave out `masking`: kind {self.kind} masks nothing, only masked_lm does"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _answers_fit_kind(self) -> Self:
        if (self.num_answers is not None) != (self.kind == "visual_question_answering"):
            msg = (
                "give `num_answers`: visual question answering needs the size of its answer vocabulary"
                if self.num_answers is None
                else f"leave out `num_answers`: kind {self.kind} has no answer vocabulary"
            )
            raise ValueError(msg)
        return self


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
