"""Checks that the fields of a task fit together. Pure; no torch."""

from __future__ import annotations

import re

from trainables.errors import ConfigError, near_matches
from trainables.tasks.formats import FORMATS, Format
from trainables.tasks.spec import CorpusSource, FileSource, HubSource, TaskSpec

LANGUAGE_PATTERN = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
"""BCP 47 in the form that hub repositories use: `de`, `zh-Hant`."""

RESERVED_NAMES = frozenset({"check"})
"""Subcommands of `xstilts tasks`, which no task can have as its name."""

SPLITS = ("train", "validation", "test")
"""Names that a split of a task can have."""

_IN_ONE_CELL = {
    "texts": "a csv cell holds one text; name a list of columns, one for each text: [a, b, c]",
    "answers": "a csv cell holds one text; name two columns, the answer and its first character: [answer, start]",
    "image": "a csv file cannot hold images; use parquet, as `datasets` writes it",
}


def check_task(spec: TaskSpec) -> None:
    """Check that the fields of a task fit together.

    Raises:
        ConfigError: A field does not fit; `field` is its path in the task.
    """
    form = FORMATS[spec.kind]
    if spec.name in RESERVED_NAMES:
        raise ConfigError("name", f"{spec.name!r} is a subcommand of `xstilts tasks`; choose another name")
    _check_columns(spec, form=form)
    _check_join(spec)
    _check_labels(spec, form=form)
    _check_splits(spec)
    _check_languages(spec)
    if spec.metric not in form.metrics:
        rule = f"cannot score a task of kind {spec.kind}; use {' or '.join(form.metrics)}"
        raise ConfigError("metric", f"{spec.metric!r} {rule}")


def _check_columns(spec: TaskSpec, *, form: Format) -> None:
    for column, named in spec.columns.items():
        if column not in form.columns:
            near = near_matches(column, form.columns)
            known = ", ".join(form.columns)
            message = f"kind {spec.kind} has no column {column!r}{near}; it has {known}; rename the column"
            raise ConfigError(f"columns.{column}", message)
        _check_column(spec, column=column, named=named, content=form.columns[column])
    if {"link", "links"} <= set(spec.columns):
        raise ConfigError("columns.links", "links rows as `link` does; remove one of the two columns")
    missing = [column for column in form.required if column not in spec.columns]
    if missing:
        message = f"{missing[0]!r} is missing; kind {spec.kind} needs {', '.join(form.required)}; add it"
        raise ConfigError("columns", message)


def _check_join(spec: TaskSpec) -> None:
    join = spec.source.join if isinstance(spec.source, HubSource) else None
    if join is not None and set(join.columns).isdisjoint(spec.source_columns):
        rule = f"no column of the task is one of {', '.join(join.columns)}, so {join.config!r} would not be read"
        raise ConfigError("source.join.columns", f"have no effect: {rule}; name one under `columns`, or remove join")


def _check_column(spec: TaskSpec, *, column: str, named: str | tuple[str, ...], content: str) -> None:
    field, is_list = f"columns.{column}", not isinstance(named, str)
    if is_list and content not in {"texts", "some_texts", "answers"}:
        raise ConfigError(field, f"is a list of columns, but {column!r} is read from one column; name one column")
    if content == "answers" and is_list and len(named) != 2:  # noqa: PLR2004  text and start
        raise ConfigError(field, f"is a list of {len(named)} columns; name two: the answer's text and its start")
    if not is_list and isinstance(spec.source, FileSource) and spec.source.format == "csv" and content in _IN_ONE_CELL:
        raise ConfigError(field, _IN_ONE_CELL[content])


def _check_labels(spec: TaskSpec, *, form: Format) -> None:
    for field, values in (
        ("labels", spec.labels),
        ("label_values", spec.label_values),
        ("unlabelled", spec.unlabelled),
    ):
        twins = [value for value in values if values.count(value) > 1]
        if twins:
            raise ConfigError(field, f"{twins[0]!r} is listed twice; list each value once")
    _check_unlabelled(spec, form=form)
    if not form.has_classes:
        if spec.labels:
            raise ConfigError("labels", f"has no effect on kind {spec.kind}, which has no classes; remove it")
        if spec.label_values and "label" not in form.columns:
            raise ConfigError("label_values", f"has no effect on kind {spec.kind}, which has no labels; remove it")
        return
    if isinstance(spec.source, CorpusSource) and not spec.labels:
        return  # they are read from the corpus
    if len(spec.labels) < 2:  # noqa: PLR2004  one class is nothing to learn
        written = ", ".join(spec.label_values or ("entailment", "neutral", "contradiction"))
        rule = f"has {len(spec.labels)} classes, but kind {spec.kind} needs at least 2"
        step = f"list their names in the order of their numbers, such as labels: [{written}]"
        raise ConfigError("labels", f"{rule}; {step}")
    if spec.label_values and len(spec.label_values) != len(spec.labels):
        counts = f"lists {len(spec.label_values)} values for {len(spec.labels)} labels"
        raise ConfigError("label_values", f"{counts}; give one value for each label, in the same order, or remove it")


def _check_unlabelled(spec: TaskSpec, *, form: Format) -> None:
    if spec.unlabelled == TaskSpec.model_fields["unlabelled"].default:
        return  # a class with one of the default names, such as `-`, is allowed
    if {"label", "tags", "answers"}.isdisjoint(form.columns):
        raise ConfigError("unlabelled", f"has no effect on kind {spec.kind}, which has no labels; remove it")
    clash = [value for value in spec.unlabelled if value in (spec.label_values or spec.labels)]
    if clash:
        raise ConfigError("unlabelled", f"{clash[0]!r} is also a class of the task; remove it from one of the two")


def _check_splits(spec: TaskSpec) -> None:
    for split, sources in spec.splits.items():
        if split not in SPLITS:
            near = near_matches(split, SPLITS)
            message = f"{split!r} is not a split{near}; splits are {', '.join(SPLITS)}; rename it"
            raise ConfigError(f"splits.{split}", message)
        if not sources:
            raise ConfigError(f"splits.{split}", "names 0 splits of the source; name at least one")
        files = spec.source.files if isinstance(spec.source, FileSource) else None
        unknown = [source for source in sources if files is not None and source not in files]
        if files is not None and unknown:
            near = near_matches(unknown[0], files)
            known = ", ".join(files)
            raise ConfigError(
                f"splits.{split}", f"source.files has no split {unknown[0]!r}{near}; it has {known}; correct the name"
            )
    if not spec.splits:
        raise ConfigError("splits", f"is empty; name at least one of {', '.join(SPLITS)}")


def _check_languages(spec: TaskSpec) -> None:
    if not spec.languages:
        raise ConfigError("languages", "is empty; name at least one language, such as de")
    for language in spec.languages:
        if not LANGUAGE_PATTERN.match(language):
            raise ConfigError("languages", f"{language!r} is not a language code; write one such as de or zh-Hant")
        if spec.languages.count(language) > 1:
            raise ConfigError("languages", f"{language!r} is listed twice; list each language once")
    if len(spec.languages) > 1 and not _has_language_placeholder(spec):
        field = "source.config" if isinstance(spec.source, HubSource) else "source.files"
        rule = f"{field} does not contain {{language}}, so every language would have the same rows"
        message = (
            f"lists {len(spec.languages)} languages, but {rule}; add {{language}} to {field}, or to the prefix of "
            "source.where, or list one language"
        )
        raise ConfigError("languages", message)


def _has_language_placeholder(spec: TaskSpec) -> bool:
    where = spec.source.where if isinstance(spec.source, FileSource | HubSource) else None
    if where is not None and "{language}" in where.prefix:
        return True
    if isinstance(spec.source, FileSource):
        return all("{language}" in name for names in spec.source.files.values() for name in names)
    return not isinstance(spec.source, HubSource) or "{language}" in (spec.source.config or "")
