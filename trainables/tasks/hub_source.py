"""A source that is a data set repository on the hub. No torch here."""

from __future__ import annotations

from typing import Any, Literal  # Any: dumped values

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from trainables.config.frozen import FrozenModel
from trainables.tasks.row_filter import RowFilter


class JoinedConfig(FrozenModel):
    """Another configuration of the same repository, whose rows complete those of the task.

    GQA's questions and photographs are in two configurations, and many questions have the same photograph. Images are
    looked up when a row is read, so none is copied.
    """

    config: str = Field(min_length=1)
    """The configuration, with `{language}` and `{split}` as in the source's own."""
    on: str = Field(min_length=1)
    """Column of the task's rows that names the row to join."""
    key: str = Field(min_length=1)
    """Column of the joined rows with these names; each name stands once."""
    columns: tuple[str, ...] = Field(min_length=1, strict=False)
    """Columns that the joined rows bring."""


class HubSource(FrozenModel):
    """A data set repository on the hub, or its copy in a mirror."""

    type: Literal["hub"] = "hub"
    repository: str = Field(pattern=r"^[.-]*\w[\w.-]*/[.-]*\w[\w.-]*$", max_length=200)
    """`owner/name`."""
    config: str | None = None
    """Configuration. `{language}` in it is replaced by the requested language, or by its entry in `language_names`, and
    `{split}` by the split of the source, where each split is a configuration."""
    revision: str | None = None
    """Pinned commit; where it is None, the task's notes give the reason."""
    language_names: dict[str, str] = Field(default_factory=dict)
    """Language code -> the repository's name of the language, where the two differ."""
    where: RowFilter | None = None
    """Which rows belong to a language, where a configuration holds several."""
    join: JoinedConfig | None = None
    """Another configuration that holds some of the columns, such as the images."""

    def config_of(self, language: str, *, split: str) -> str | None:
        """Return the configuration of a language and a split of the source."""
        return self._filled(self.config, language=language, split=split) if self.config else None

    def joined_config_of(self, language: str, *, split: str) -> str | None:
        """Return the configuration that is joined for a language and a split of the source; None without one."""
        return self._filled(self.join.config, language=language, split=split) if self.join else None

    def _filled(self, config: str, *, language: str, split: str) -> str:
        return config.format(language=self.language_names.get(language, language), split=split.removesuffix("?"))

    @model_serializer(mode="wrap")
    def _without_unused_later_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # These fields were added later, so they enter keys only where they are used (docs/decisions/0006).
        later = {"language_names", "where", "join"}
        return {name: value for name, value in dump(self).items() if value or name not in later}
