"""A source of a user's own files. No torch here."""

from __future__ import annotations

import codecs
from typing import Any, Literal, Self  # Any: dumped values

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from trainables.config.frozen import FrozenModel
from trainables.tasks.row_filter import RowFilter

FileFormat = Literal["csv", "json", "jsonl", "parquet"]
"""`json`: a file is one list of rows. `jsonl`: each line is a row."""


Quoting = Literal["none", "standard"]
"""`none`: quotes are part of the text, and each line is a row. `standard`: RFC 4180; a doubled quote is one quote."""

_UTF_8 = {"utf-8", "utf-8-sig"}
_NON_TEXT_ENCODINGS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape"}  # for host names and Python source
_SAMPLE = "a,b\n"
_USUAL_NAMES = {"iso8859-1": "latin-1"}


class FileSource(FrozenModel):
    """A user's own files. Their names are relative to the folder of the task file."""

    type: Literal["files"] = "files"
    files: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Split -> its files, read in order; `{language}` in a name is replaced by the requested language."""
    format: FileFormat
    """Format of all files. A task file can leave it out where the file names end in it."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Character between two cells; csv only."""
    quoting: Quoting | None = None
    """Whether quotes can enclose cells; csv only. Where a task file leaves it out, `.tsv` files are read without
    quoting. In other files, a quoted cell that holds both a line break and the delimiter is an error."""
    encoding: str = "utf-8"
    """Encoding of the text, by any name that Python knows; not for parquet, which has none."""
    where: RowFilter | None = None
    """Which rows belong to a language, where a file holds several."""
    folder: str | None = None
    """Absolute path of the files' folder; xstilts sets it when it reads the task file. Never part of a key."""
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the files' content; xstilts sets it with `folder`. Files that change afterwards are an error."""

    @field_validator("files")
    @classmethod
    def _at_least_one_file(cls, files: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for split, names in files.items():
            if not names:
                msg = f"split {split!r} has 0 files; name at least one file, or remove the split"
                raise ValueError(msg)
        return files

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_from_escape(cls, delimiter: object) -> object:
        return "\t" if delimiter == r"\t" else delimiter  # YAML reads `\t` outside double quotes as two characters

    @field_validator("delimiter")
    @classmethod
    def _no_quote_or_line_end(cls, delimiter: str) -> str:
        if delimiter in '"\r\n\0\ufeff':
            rule = "a quote, a line end, NUL or a byte order mark cannot separate cells"
            msg = f"{delimiter!r} cannot be the delimiter: {rule}; choose another character"
            raise ValueError(msg)
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            name = codecs.lookup(encoding).name
            is_text = name not in _NON_TEXT_ENCODINGS and _SAMPLE.encode(name).decode(name) == _SAMPLE
        except (LookupError, ValueError):
            is_text, name = False, ""
        if not is_text:
            msg = f"{encoding!r} is not a text encoding that Python knows; write one such as utf-8 or cp1252"
            raise ValueError(msg)
        return "utf-8" if name in _UTF_8 else _USUAL_NAMES.get(name, name)

    @model_validator(mode="after")
    def _every_setting_has_an_effect(self) -> Self:
        if self.format != "csv" and self.delimiter != ",":
            msg = f"delimiter has no effect on {self.format} files; remove it"
            raise ValueError(msg)
        if self.format != "csv" and self.quoting is not None:
            msg = f"quoting has no effect on {self.format} files; remove it"
            raise ValueError(msg)
        if self.format == "parquet" and self.encoding != "utf-8":
            msg = "encoding has no effect on parquet files; remove it"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _without_unused_later_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # These fields were added later, so they enter keys only where they are used (docs/decisions/0006).
        return {
            name: value for name, value in dump(self).items() if value is not None or name not in {"quoting", "where"}
        }
