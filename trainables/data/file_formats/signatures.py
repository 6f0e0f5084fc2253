"""Recognises the format of a file by its first bytes, whatever its name. Pure.

Sources: the formats' own specifications, and the `magic` files of file(1).
"""

from __future__ import annotations

from typing import NamedTuple


class Signature(NamedTuple):
    """The format of a file, and the next step for its user."""

    name: str
    """Name of the format with its article: `an Excel workbook`."""
    step: str
    """Next step of the user."""


HEAD_BYTES = 4096
"""Bytes at the start of a file that are examined; a tar archive is recognised by bytes 257 to 261."""

TAIL_BYTES = 65_536
"""Bytes at the end of a file that are examined: a zip archive lists its files there."""

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

_SHEET = "save the sheet as CSV (in Excel: `CSV UTF-8`) and name that file"
_UNPACK = "unpack it, or pack it with gzip"
_NO_TABLE = "name a csv, tsv, json, jsonl or parquet file"

EXCEL = Signature("an Excel workbook", _SHEET)
GZIPPED_TWICE = Signature("a gzip file", "unpack it once")
PARQUET_FILE = Signature("a Parquet file", "set source.format: parquet")
PICKLE = Signature("a pickle", "a pickle can run code, so it is never read: write the table as Parquet or CSV")
ZIP = Signature("a zip archive", "unzip it and name the file in it")

_SIGNATURES: tuple[tuple[bytes, Signature], ...] = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", Signature("an empty zip archive", _NO_TABLE)),
    (b"\xfd7zXZ\x00", Signature("an xz file", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Signature("a zstd file", _UNPACK)),
    (b"\x04\x22\x4d\x18", Signature("an lz4 file", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Signature("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Signature("a rar archive", _UNPACK)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Signature("an Excel workbook (xls) or another old Office file", _SHEET)),
    (b"ARROW1\x00\x00", Signature("an Arrow file", "write the table as Parquet")),
    (b"FEA1", Signature("a Feather file", "write the table as Parquet")),
    (b"\xff\xff\xff\xff", Signature("an Arrow stream", "write it as Parquet (`Dataset.to_parquet`)")),
    (b"Obj\x01", Signature("an Avro file", "write the table as Parquet")),
    (b"SQLite format 3\x00", Signature("an SQLite database", "export the table as CSV")),
    (b"\x89HDF\r\n\x1a\n", Signature("an HDF5 file", "write the table as Parquet")),
    (b"\x93NUMPY", Signature("a NumPy array", "write the table as Parquet")),
    (b"%PDF-", Signature("a PDF", _NO_TABLE)),
    (b"\x89PNG\r\n\x1a\n", Signature("a PNG image", "put the images into a Parquet file, as `datasets` writes it")),
    (b"\xff\xd8\xff", Signature("a JPEG image", "put the images into a Parquet file, as `datasets` writes it")),
    (b"version https://git-lfs", Signature("a Git LFS pointer to the file", "fetch the file: `git lfs pull`")),
    (b"(lp0\n", PICKLE),
    (b"(dp0\n", PICKLE),
)

_IN_ZIP: tuple[tuple[bytes, Signature], ...] = (
    (b"xl/workbook", EXCEL),
    (b"xl/worksheets", EXCEL),
    (b"opendocument.spreadsheet", Signature("an OpenDocument sheet", _SHEET)),
    (b"word/document", Signature("a Word document", _NO_TABLE)),
    (b"/data.pkl", PICKLE),
    (b".npy", Signature("a NumPy archive", "write the table as Parquet")),
)

ENDINGS: dict[str, Signature] = {
    "arrow": Signature("an Arrow file", "write the table as Parquet"),
    "bz2": Signature("a bzip2 file", _UNPACK),
    "db": Signature("a database", "export the table as CSV"),
    "feather": Signature("a Feather file", "write the table as Parquet"),
    "ods": Signature("an OpenDocument sheet", _SHEET),
    "pickle": PICKLE,
    "pkl": PICKLE,
    "sqlite": Signature("an SQLite database", "export the table as CSV"),
    "xls": EXCEL,
    "xlsx": EXCEL,
    "xz": Signature("an xz file", _UNPACK),
    "zip": ZIP,
    "zst": Signature("a zstd file", _UNPACK),
}
"""File name ending of formats that are not supported -> the format. If `source.format` is set, the bytes decide."""

_PICKLE_PROTOCOLS = range(2, 6)
_WEB_PAGES = (b"<!doctype html", b"<html")
_WEB_PAGE = Signature("a web page", "the download failed or needs a login: download the file itself")


def signature(head: bytes, *, tail: bytes = b"") -> Signature | None:
    """Return the format of a file from its first bytes, or None for text and for unknown formats.

    Args:
        head: The first bytes, up to HEAD_BYTES; of a gzip file, those of its unpacked content.
        tail: The last bytes, up to TAIL_BYTES.
    """
    found = next((known for first, known in _SIGNATURES if head.startswith(first)), None)
    if found is ZIP:
        return next((known for name, known in _IN_ZIP if name in head or name in tail), ZIP)
    return found or _by_more_than_a_prefix(head, tail)


def _by_more_than_a_prefix(head: bytes, tail: bytes) -> Signature | None:
    """Return the format of a file whose first bytes could also start a text; further bytes decide."""
    version = int.from_bytes(head[1:2])
    tests: tuple[tuple[bool, Signature], ...] = (
        (head[:2] == GZIP, GZIPPED_TWICE),
        (head[:4] == PARQUET and _is_control(head[4:5]), PARQUET_FILE),
        (head[:3] == tail[-4:-1] == b"ORC", Signature("an ORC file", "write the table as Parquet")),
        (head[:3] == b"BZh" and head[4:10] == b"1AY&SY", Signature("a bzip2 file", _UNPACK)),
        (head[257:262] == b"ustar", Signature("a tar archive", "unpack it and name the file in it")),
        # 0x80 is the euro sign in cp1252, but in a text no control character with a protocol's number follows it.
        (head[:1] == b"\x80" and version in _PICKLE_PROTOCOLS, PICKLE),
        (head.lstrip()[:20].lower().startswith(_WEB_PAGES), _WEB_PAGE),
    )
    return next((known for holds, known in tests if holds), None)


def _is_control(byte: bytes) -> bool:
    return byte != b"" and byte < b" " and byte not in b"\t\r\n"
