"""The lines of a user's text file: unpacked, decoded, and refused by line where that fails.

A line ends with LF, CR LF or CR, as in Python's text files and its csv.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.data.file_formats.data_file import TextFile, half_a_character
from trainables.data.file_formats.marks import mark_problem, nul_step
from trainables.data.file_formats.signatures import GZIP, HEAD_BYTES, TAIL_BYTES, Signature, signature
from trainables.errors import TaskDataError

BLOCK_BYTES = 65_536
"""Bytes that are looked through at a time."""

GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
"""What Python raises for gzip that is cut off or damaged."""

_BYTE_ORDER_MARK = "\ufeff"
_WHOLE_CHARACTERS = frozenset({"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
"""Encodings that never give half a surrogate pair; UTF-7 does."""


def text_lines(file: TextFile) -> Iterator[str]:
    """Yield the lines of a text file with their ends, without a byte order mark.

    Args:
        file: The file; packed with gzip, whatever its name, it is unpacked.

    Raises:
        TaskDataError: It is no text, cannot be decoded or unpacked, or holds a NUL; names the line.
    """
    encoding = codecs.lookup(file.encoding).name
    try:
        head = _checked_head(file, encoding=encoding)
        with unpacked(file.path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise file.wrong(f"holds a NUL byte; {nul_step(head)}", where=f"line {number}")
                if encoding not in _WHOLE_CHARACTERS:
                    _check_characters(line, file=file, where=f"line {number}")
                yield line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
    except UnicodeError as error:
        raise _not_decodable(file, encoding=encoding, error=error) from None
    except GZIP_ERRORS as error:
        line, _ = _stops(file.path, encoding=encoding)
        problem = f"is packed with gzip, and cut off or damaged in this line ({error}); copy it anew"
        raise file.wrong(problem, where=f"line {line}") from None
    except OSError as error:
        raise file.wrong(f"{error.strerror or error}; correct it") from None


def _check_characters(line: str, *, file: TextFile, where: str) -> None:
    if problem := half_a_character(line):
        raise file.wrong(problem, where=where)


@contextmanager
def unpacked(path: Path) -> Generator[io.BufferedReader | gzip.GzipFile]:
    """Open a file's bytes; those of gzip are unpacked.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as raw:
        is_packed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        if is_packed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield file
        else:
            yield raw


def file_signature(path: Path) -> Signature | None:
    """Return what a file is by its own bytes, packed or not; None for text and what is not known.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return signature(head, tail=file.read())


def _checked_head(file: TextFile, *, encoding: str) -> bytes:
    """Return a text's first bytes after looking at what they say it is."""
    with unpacked(file.path) as raw:
        is_packed = isinstance(raw, gzip.GzipFile)
        head = raw.read(HEAD_BYTES)
        while is_packed and raw.read(BLOCK_BYTES):
            pass  # gzip's checksum stands at its end: damaged, it gives wrong texts before it gives an error
    found = signature(head) if is_packed else file_signature(file.path)
    if found is not None:
        packed = "packed with gzip and " if is_packed else ""
        raise file.wrong(f"is {packed}{found.name}, not {file.what}; {found.step}")
    if problem := mark_problem(head, encoding=encoding):
        raise file.wrong(problem, where="line 1")
    return head


def _not_decodable(file: TextFile, *, encoding: str, error: UnicodeError) -> TaskDataError:
    line, found = _stops(file.path, encoding=encoding)
    why = found or error
    named = f"byte 0x{why.object[why.start]:02x}" if isinstance(why, UnicodeDecodeError) else f"its text ({why})"
    step = "set source.encoding (Excel writes cp1252), or save it as UTF-8"
    return file.wrong(f"{named} is no {encoding}; {step}", where=f"line {line}")


def _stops(path: Path, *, encoding: str) -> tuple[int, UnicodeError | None]:
    """Return the line in which decoding or unpacking a file ends early, and what the decoder said, if it was that.

    The reader decodes blocks ahead of the lines that it gives, so the place is found again. Bytes are decoded one by
    one where a block fails: only the decoder knows where its characters end.
    """
    lines, decoder = _LineCount(), codecs.getincrementaldecoder(encoding)()
    with unpacked(path) as file:
        while True:
            before = decoder.getstate()
            try:
                block = file.read1(BLOCK_BYTES)
            except (*GZIP_ERRORS, OSError):
                return lines.number, None
            try:
                lines.add(decoder.decode(block, final=not block))
            except UnicodeError as found:
                decoder.setstate(before)
                return _line_within(block, decoder=decoder, lines=lines), found
            if not block:
                return lines.number, None


def _line_within(block: bytes, *, decoder: codecs.IncrementalDecoder, lines: _LineCount) -> int:
    try:
        for byte in block:
            lines.add(decoder.decode(bytes([byte])))
    except UnicodeError:
        pass  # that is the place
    return lines.number


class _LineCount:
    """The number of the line in which a text goes on, as its parts are added."""

    def __init__(self) -> None:
        self.number, self._after_return = 1, False

    def add(self, text: str) -> None:
        """Count the line ends of the text's next part."""
        if not text:
            return
        joined = self._after_return and text[0] == "\n"  # a CR LF that two parts share
        self.number += text.count("\n") + text.count("\r") - text.count("\r\n") - joined
        self._after_return = text[-1] == "\r"
