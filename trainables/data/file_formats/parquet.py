"""Reads the rows of Parquet files. One of the few modules that import pyarrow; it imports it late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any  # Any: a cell holds what the user's file holds, and pyarrow is untyped

from trainables.data.file_formats.data_file import DataFile, Row, top_column
from trainables.data.file_formats.decoded_text import file_signature
from trainables.data.file_formats.signatures import GZIP, PARQUET, PARQUET_FILE
from trainables.errors import TaskDataError
from trainables.number_words import number_of

ROWS_PER_BATCH = 1000
"""Rows that are in memory at the same time."""


def parquet_rows(file: DataFile) -> Iterator[Row]:
    """Yield the rows of a Parquet file, with only the columns that the task names.

    Args:
        file: The file.

    Raises:
        TaskDataError: The file is not Parquet or damaged, a column is missing, or a value cannot be encoded.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        _check_signature(file)
        with pq.ParquetFile(file.path, page_checksum_verification=True) as opened:
            names = opened.schema_arrow.names
            file.check_columns(names, where="its schema")
            columns = list(dict.fromkeys(top_column(name, names) for _, name in file.named_columns()))
            for batch in opened.iter_batches(ROWS_PER_BATCH, columns=columns):
                for row in _rows(batch, file=file, start=number):
                    number += 1
                    yield file.place(f"row {number}"), row
            if number != opened.metadata.num_rows:
                counts = f"its metadata counts {number_of(opened.metadata.num_rows, 'row')}, but it holds {number}"
                raise file.error(f"is damaged ({counts}); write it again")
    except TaskDataError:
        raise  # it is also a ValueError
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        where = f"row {number + 1}" if number else ""
        raise file.error(f"is not valid parquet ({_one_line(error)}); write it again", where=where) from None


def _rows(batch: Any, *, file: DataFile, start: int) -> list[dict[str, Any]]:
    """Return the rows of a batch. If a value cannot be converted to Python, the error names its row and column."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError):
        for number, column in ((n, name) for n in range(batch.num_rows) for name in batch.schema.names):
            _check_cell(batch, number=number, column=column, file=file, where=f"row {start + number + 1}")
        raise


def _check_cell(batch: Any, *, number: int, column: str, file: DataFile, where: str) -> None:
    try:
        batch.column(column)[number].as_py()
    except (ValueError, OverflowError) as error:
        ours = next(ours for ours, theirs in file.named_columns() if top_column(theirs, batch.schema.names) == column)
        problem = f"holds a value that cannot be read ({_one_line(error)}); write the file again"
        raise file.cell_error(problem, where=where, ours=ours, theirs=column) from None


def _check_signature(file: DataFile) -> None:
    """Check that the signature of a file is that of Parquet, or is unknown."""
    with file.path.open("rb") as raw:
        head = raw.read(len(PARQUET))
    if head.startswith(GZIP):
        raise file.error("is packed with gzip, but Parquet files are read only unpacked; unpack it (gunzip)")
    found = file_signature(file.path)
    if found is not None and found is not PARQUET_FILE:
        raise file.error(f"is {found.name}, not parquet; {found.step}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
