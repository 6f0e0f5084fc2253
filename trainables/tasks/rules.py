"""What a task's fields must satisfy together. Pure; no torch."""

from __future__ import annotations

import re

from trainables.errors import ConfigError, near_matches
from trainables.tasks.formats import FORMATS, Format
from trainables.tasks.spec import CorpusSource, FileSource, HubSource, TaskSpec

LANGUAGE_PATTERN = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
"""BCP 47 in the form that hub repositories use: `de`, `zh-Hant`."""

RESERVED_NAMES = frozenset({"check"})
"""Words of `xstilts tasks`."""

SPLITS = ("train", "validation", "test")
"""Our names of splits."""

_IN_ONE_CELL = {
    "texts": "a csv cell holds one text; name a column for each: [a, b, c]",
    "answers": "a csv cell holds one text; name the answer's text and its first character: [answer, start]",
    "image": "a csv cell holds no image; take parquet, as `datasets` writes it",
}


def check_task(spec: TaskSpec) -> None:
    """Return when a task's fields fit together.

    Raises:
        ConfigError: A field does not fit; `field` is its path in the task.
    """
    form = FORMATS[spec.kind]
    if spec.name in RESERVED_NAMES:
        raise ConfigError("name", f"{spec.name!r} is a word of `xstilts tasks`; choose another")
    _check_columns(spec, form=form)
    _check_labels(spec, form=form)
    _check_splits(spec)
    _check_languages(spec)
    if spec.metric not in form.metrics:
        rule = f"scores no {spec.kind} task; it takes {' or '.join(form.metrics)}"
        raise ConfigError("metric", f"{spec.metric!r} {rule}")


def _check_columns(spec: TaskSpec, *, form: Format) -> None:
    for column, named in spec.columns.items():
        if column not in form.columns:
            near = near_matches(column, form.columns)
            known = ", ".join(form.columns)
            raise ConfigError(f"columns.{column}", f"{spec.kind} has no such column{near}; it has {known}; rename it")
        _check_column(spec, column=column, named=named, content=form.columns[column])
    missing = [column for column in form.required if column not in spec.columns]
    if missing:
        raise ConfigError("columns", f"{missing[0]!r} is missing; {spec.kind} needs {', '.join(form.required)}; add it")


def _check_column(spec: TaskSpec, *, column: str, named: str | tuple[str, ...], content: str) -> None:
    field, joins = f"columns.{column}", not isinstance(named, str)
    if joins and content not in {"texts", "some_texts", "answers"}:
        raise ConfigError(field, f"is a list of columns, and {column!r} is one; name one column")
    if content == "answers" and joins and len(named) != 2:  # noqa: PLR2004  text and start
        raise ConfigError(field, f"is a list of {len(named)} columns; name two: the answer's text and its start")
    if not joins and isinstance(spec.source, FileSource) and spec.source.format == "csv" and content in _IN_ONE_CELL:
        raise ConfigError(field, _IN_ONE_CELL[content])


def _check_labels(spec: TaskSpec, *, form: Format) -> None:
    for field, values in (
        ("labels", spec.labels),
        ("label_values", spec.label_values),
        ("unlabelled", spec.unlabelled),
    ):
        twins = [value for value in values if values.count(value) > 1]
        if twins:
            raise ConfigError(field, f"{twins[0]!r} stands twice; name each class once")
    _check_unlabelled(spec, form=form)
    if not form.has_classes:
        if spec.labels:
            raise ConfigError("labels", f"has no effect on kind {spec.kind}, which has no classes; leave it out")
        if spec.label_values and "label" not in form.columns:
            raise ConfigError("label_values", f"has no effect on kind {spec.kind}, which has no labels; leave it out")
        return
    if isinstance(spec.source, CorpusSource) and not spec.labels:
        return  # they are read from the corpus
    if len(spec.labels) < 2:  # noqa: PLR2004  one class is nothing to learn
        rule = (
            f"names {len(spec.labels)} classes, {spec.kind} needs at least 2; list them in the order of their numbers"
        )
        raise ConfigError("labels", rule)
    if spec.label_values and len(spec.label_values) != len(spec.labels):
        counts = f"{len(spec.label_values)} values for {len(spec.labels)} labels"
        raise ConfigError("label_values", f"{counts}; give one for each label, in the same order, or leave it out")


def _check_unlabelled(spec: TaskSpec, *, form: Format) -> None:
    if spec.unlabelled == TaskSpec.model_fields["unlabelled"].default:
        return  # a class that is called so, such as `-`, is a class
    if {"label", "tags", "answers"}.isdisjoint(form.columns):
        raise ConfigError("unlabelled", f"has no effect on kind {spec.kind}, which has no labels; leave it out")
    clash = [value for value in spec.unlabelled if value in (spec.label_values or spec.labels)]
    if clash:
        raise ConfigError("unlabelled", f"{clash[0]!r} is a class of the task too; take it out of one of the two")


def _check_splits(spec: TaskSpec) -> None:
    for split, sources in spec.splits.items():
        if split not in SPLITS:
            near = near_matches(split, SPLITS)
            raise ConfigError(f"splits.{split}", f"is no split{near}; splits are {', '.join(SPLITS)}; rename it")
        if not sources:
            raise ConfigError(f"splits.{split}", "names 0 of the source's splits; name at least one")
        files = spec.source.files if isinstance(spec.source, FileSource) else None
        unknown = [source for source in sources if files is not None and source not in files]
        if files is not None and unknown:
            near = near_matches(unknown[0], files)
            known = ", ".join(files)
            raise ConfigError(
                f"splits.{split}", f"source.files has no {unknown[0]!r}{near}; it has {known}; correct it"
            )
    if not spec.splits:
        raise ConfigError("splits", f"is empty; name at least one of {', '.join(SPLITS)}")


def _check_languages(spec: TaskSpec) -> None:
    if not spec.languages:
        raise ConfigError("languages", "is empty; name at least one, such as de")
    for language in spec.languages:
        if not LANGUAGE_PATTERN.match(language):
            raise ConfigError("languages", f"{language!r} is no language code; write it like de or zh-Hant")
        if spec.languages.count(language) > 1:
            raise ConfigError("languages", f"{language!r} stands twice; name each once")
    if len(spec.languages) > 1 and not _names_its_language(spec):
        place = "source.config" if isinstance(spec.source, HubSource) else "source.files"
        rule = "has no {language} in it, so every language would have the same rows"
        raise ConfigError("languages", f"there are {len(spec.languages)}, and {place} {rule}; put it in, or name one")


def _names_its_language(spec: TaskSpec) -> bool:
    if isinstance(spec.source, FileSource):
        return all("{language}" in name for names in spec.source.files.values() for name in names)
    return not isinstance(spec.source, HubSource) or "{language}" in (spec.source.config or "")
