"""What a file is by its first bytes, whatever its name says. Pure.

Sources: the formats' own specifications, and the `magic` files of file(1).
"""

from __future__ import annotations

from typing import NamedTuple


class Signature(NamedTuple):
    """What a file is, and what to do with it."""

    name: str
    """With its article: `an Excel workbook`."""
    step: str
    """What the user does."""


HEAD_BYTES = 4096
"""Bytes of a file's beginning that tell what it is; a tar archive is known by bytes 257 to 261."""

TAIL_BYTES = 65_536
"""Bytes of its end that are looked at as well: a zip archive lists its files there."""

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

_SHEET = "save the sheet as CSV (in Excel: `CSV UTF-8`) and name that file"
_UNPACK = "unpack it, or pack it with gzip, which is read"
_NO_TABLE = "name a csv, tsv, json, jsonl or parquet file"

EXCEL = Signature("an Excel workbook", _SHEET)
GZIPPED_TWICE = Signature("gzip within gzip", "unpack it once")
PARQUET_FILE = Signature("a Parquet file", "set source.format: parquet")
PICKLE = Signature("a pickle", "a pickle can run code and is not read: write the table as Parquet or CSV")
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
    (b"\x89PNG\r\n\x1a\n", Signature("a PNG image", "images stand in a Parquet file, as `datasets` writes it")),
    (b"\xff\xd8\xff", Signature("a JPEG image", "images stand in a Parquet file, as `datasets` writes it")),
    (b"version https://git-lfs", Signature("a pointer of Git LFS, not the file", "fetch the file: `git lfs pull`")),
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
"""Endings of files that are not read -> what they are. The file's own bytes decide once a format is named."""

_PICKLE_PROTOCOLS = range(2, 6)
_WEB_PAGES = (b"<!doctype html", b"<html")
_WEB_PAGE = Signature("a web page", "its download went wrong, or needs a login: fetch the file itself")


def signature(head: bytes, *, tail: bytes = b"") -> Signature | None:
    """Return what a file is by its first bytes, or None for text and what is not known.

    Args:
        head: Its first bytes, up to HEAD_BYTES, unpacked where they were packed with gzip.
        tail: Its last bytes, up to TAIL_BYTES.
    """
    found = next((known for first, known in _SIGNATURES if head.startswith(first)), None)
    if found is ZIP:
        return next((known for name, known in _IN_ZIP if name in head or name in tail), ZIP)
    return found or _by_more_than_a_prefix(head, tail)


def _by_more_than_a_prefix(head: bytes, tail: bytes) -> Signature | None:
    """Return what a file is whose first bytes a text could have too, so that more is looked at."""
    version = int.from_bytes(head[1:2])
    tests: tuple[tuple[bool, Signature], ...] = (
        (head[:2] == GZIP, GZIPPED_TWICE),
        (head[:4] == PARQUET and _is_control(head[4:5]), PARQUET_FILE),
        (head[:3] == tail[-4:-1] == b"ORC", Signature("an ORC file", "write the table as Parquet")),
        (head[:3] == b"BZh" and head[4:10] == b"1AY&SY", Signature("a bzip2 file", _UNPACK)),
        (head[257:262] == b"ustar", Signature("a tar archive", "unpack it and name the file in it")),
        # As cp1252 0x80 is the euro sign; no text goes on with the control character of a protocol.
        (head[:1] == b"\x80" and version in _PICKLE_PROTOCOLS, PICKLE),
        (head.lstrip()[:20].lower().startswith(_WEB_PAGES), _WEB_PAGE),
    )
    return next((known for holds, known in tests if holds), None)


def _is_control(byte: bytes) -> bool:
    return byte != b"" and byte < b" " and byte not in b"\t\r\n"
