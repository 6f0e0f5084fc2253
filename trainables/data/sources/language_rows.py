"""Chooses the rows of one language from a source that holds several in one configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # Any: pyarrow is untyped

from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.spec import HubSource, TaskSpec

if TYPE_CHECKING:
    import datasets


def rows_of_language(rows: datasets.Dataset, *, spec: TaskSpec, language: str) -> datasets.Dataset:
    """Return the rows that `source.where` keeps; all rows where the source has no such filter.

    Args:
        rows: Rows of one split, with the columns of the source.
        spec: The task.
        language: One of its languages.

    Raises:
        TaskDataError: There is no such column, or no row of this language.
    """
    import pyarrow.compute as pc

    source = spec.source
    if not isinstance(source, HubSource) or source.where is None:
        return rows
    column, start = source.where.column, source.where.start(language, names=source.language_names)
    if column not in rows.column_names:
        msg = (
            f"cannot load task {spec.name!r}: source.where names the column {column!r}, which the source does not "
            f"have; it has {', '.join(rows.column_names)}; correct `source.where.column`"
        )
        raise TaskDataError(msg)
    texts: Any = rows.with_format("arrow")[:][column]
    kept: list[int] = pc.indices_nonzero(starts_with(texts, start)).to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
    if not kept:
        raise no_rows_error(spec, language=language, num_rows=len(rows))
    return rows.select(kept)


def starts_with(texts: Any, start: str) -> Any:
    """Return for each value of an Arrow column whether its text starts with a prefix; null for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.starts_with(pc.cast(texts, pa.string()), pattern=start)  # pyright: ignore[reportAttributeAccessIssue]


def no_rows_error(spec: TaskSpec, *, language: str, num_rows: int) -> TaskDataError:
    """Return the error for a language that a split does not have.

    Args:
        spec: A task whose source has a filter.
        language: The language.
        num_rows: Rows of the split in all languages.
    """
    source = spec.source
    assert isinstance(source, HubSource) and source.where is not None  # noqa: S101, PT018  (the caller has a filter)
    column, start = source.where.column, source.where.start(language, names=source.language_names)
    none = f"none of {number_of(num_rows, 'row')}"
    return TaskDataError(
        f"cannot load task {spec.name!r} in {language!r}: {none} has a text in {column!r} that "
        f"starts with {start!r}; choose languages that the source has (`languages`), or complete the mirror"
    )
