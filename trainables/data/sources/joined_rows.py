"""Joins rows with another configuration of their repository, without copying images that many rows share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any  # Any: a raw row's values are the data set's own

from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.spec import HubSource, TaskSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import datasets

    from trainables.tasks.hub_source import JoinedConfig


def joined_columns(spec: TaskSpec) -> tuple[str, ...]:
    """Return the source's columns that the task reads from a joined configuration; none without one."""
    join = spec.source.join if isinstance(spec.source, HubSource) else None
    return tuple(name for name in spec.source_columns if name in join.columns) if join else ()


def own_columns(spec: TaskSpec) -> tuple[str, ...]:
    """Return the source's columns that the task's own configuration must have."""
    joined = joined_columns(spec)
    on = (spec.source.join.on,) if joined and isinstance(spec.source, HubSource) and spec.source.join else ()
    return tuple(dict.fromkeys((*(name for name in spec.source_columns if name not in joined), *on)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedImages:
    """A transform of rows: replaces the number of an image by the image, when a row is read."""

    images: datasets.Dataset
    """The distinct images, under the names of the source's columns."""
    columns: tuple[tuple[str, str], ...]
    """Column of the rows, and column of the images."""

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return a batch with images; columns that the batch lacks stay away."""
        found = dict(batch)
        for ours, theirs in self.columns:
            if ours in batch:
                found[ours] = self._images(batch[ours], column=theirs)
        return found

    def _images(self, numbers: list[int], *, column: str) -> list[Any]:
        distinct = sorted(set(numbers))
        files = dict(zip(distinct, self.images.select(distinct).select_columns([column])[:][column], strict=True))
        return [files[number] for number in numbers]


def with_joined(
    rows: datasets.Dataset, others: datasets.Dataset, *, spec: TaskSpec, join: JoinedConfig, own: str, first: int
) -> datasets.Dataset:
    """Return rows with the joined columns that the task reads. An image is the number of its row, from `first`.

    Args:
        rows: Rows of the task's own configuration.
        others: Rows of the joined configuration.
        spec: The task.
        join: How the two are joined; its `config` is the one that was read.
        own: The task's own configuration.
        first: Number of the first joined row among those of all splits that are read together.

    Raises:
        TaskDataError: A column is missing, a key stands twice, or a row names a key that is not there, or none.
    """
    import datasets

    columns = joined_columns(spec)
    for found, needed in ((rows, (join.on,)), (others, (join.key, *columns))):
        if missing := [name for name in needed if name not in found.column_names]:
            has = ", ".join(found.column_names)
            raise _error(spec, f"the source has no column {missing[0]!r} to join; it has {has}; correct source.join")
    if doubled := [name for name in columns if name in rows.column_names]:
        raise _error(spec, f"both configurations have a column {doubled[0]!r}; read it without source.join")
    numbers = _numbers(others, spec=spec, join=join)
    wanted = list(rows[join.on])
    lost = [key for key in wanted if key is None or str(key) not in numbers]
    if lost:
        raise _error(spec, _unmatched(lost, num_rows=len(wanted), numbers=numbers, join=join, own=own))
    places = [numbers[str(key)] for key in wanted]
    for column in columns:
        feature: Any = others.features[column]
        if is_image(feature):
            values, feature = [first + place for place in places], datasets.Value("int64")
        else:
            of_others = others[column]
            values = [of_others[place] for place in places]
        rows = rows.add_column(column, values, feature=feature)  # pyright: ignore[reportCallIssue]  (fingerprints are optional)
    return rows


def _numbers(others: datasets.Dataset, *, spec: TaskSpec, join: JoinedConfig) -> dict[str, int]:
    """Return key -> number of the joined row that has it; a row without a key is joined to nothing."""
    keys = [None if key is None else str(key) for key in others[join.key]]
    numbers = {key: number for number, key in enumerate(keys) if key is not None}
    twice = next((key for number, key in enumerate(keys) if key is not None and numbers[key] != number), None)
    if twice is not None:
        raise _error(spec, f"{join.key!r} of {join.config!r} has {twice!r} twice; complete rows need one of each")
    return numbers


def _unmatched(lost: list[Any], *, num_rows: int, numbers: Mapping[str, int], join: JoinedConfig, own: str) -> str:
    """Return the problem of rows that no joined row completes."""
    ours, theirs = f"{join.on!r} of {own!r}", f"{join.key!r} of {join.config!r}"
    num_lost = f"{len(lost):,} of {number_of(num_rows, 'row', form=',')}"
    if len(lost) == num_rows:
        seen = f"such as {next(iter(numbers))!r}" if numbers else "none at all"
        values = f"{ours} holds values such as {str(lost[0])!r}, and {theirs} values {seen}"
        return f"source.join matches no row: {values}; correct source.join.on, key or config, or complete the copy"
    return (
        f"{num_lost} are not joined: {ours} names {lost[0]!r}, which {theirs} lacks; complete the copy, or leave "
        "these rows out of it"
    )


def with_shared_images(rows: datasets.Dataset, others: list[datasets.Dataset], *, spec: TaskSpec) -> datasets.Dataset:
    """Return rows, under the task's names of columns, that read their images from the joined rows.

    Args:
        rows: Rows of all splits, with the numbers of their images.
        others: The joined rows of these splits, in the same order.
        spec: The task.
    """
    import datasets

    theirs = {name: ours for ours, name in spec.columns.items() if isinstance(name, str)}
    images = [name for name in joined_columns(spec) if is_image(others[0].features[name])]
    if not images:
        return rows
    kept = [other.select_columns(images) for other in others]
    for name in images:
        if isinstance(others[0].features[name], datasets.Image):
            kept = [one.cast_column(name, datasets.Image(decode=False)) for one in kept]
    columns = tuple((theirs[name], name) for name in images)
    return rows.with_transform(SharedImages(images=datasets.concatenate_datasets(kept), columns=columns))


def is_image(feature: Any) -> bool:
    """Return whether a feature of `datasets` holds images: encoded files, or structs of bytes and path."""
    import datasets

    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and set(feature) == {"bytes", "path"})


def _error(spec: TaskSpec, problem: str) -> TaskDataError:
    return TaskDataError(f"cannot load task {spec.name!r}: {problem}")
