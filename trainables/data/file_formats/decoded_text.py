"""Reads the lines of a user's text file: unpacks and decodes them. An error names the line.

A line ends with LF, CR LF or CR, as in Python's text files and its csv module.
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

from trainables.data.file_formats.data_file import TextFile, surrogate_problem
from trainables.data.file_formats.marks import mark_problem, nul_step
from trainables.data.file_formats.signatures import GZIP, HEAD_BYTES, TAIL_BYTES, Signature, signature
from trainables.errors import TaskDataError

BLOCK_BYTES = 65_536
"""Bytes that are read at a time."""

GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
"""Errors that Python raises for truncated or damaged gzip files."""

_BYTE_ORDER_MARK = "\ufeff"
_WHOLE_CHARACTERS = frozenset({"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
"""Encodings that never decode to half of a surrogate pair; UTF-7, for example, can."""


def text_lines(file: TextFile) -> Iterator[str]:
    """Yield the lines of a text file with their ends, without a byte order mark.

    Args:
        file: The file. A gzip file is unpacked, whatever its name.

    Raises:
        TaskDataError: It is not a text, cannot be decoded or unpacked, or holds a NUL; the message names the line.
    """
    encoding = codecs.lookup(file.encoding).name
    try:
        head = _checked_head(file, encoding=encoding)
        with unpacked(file.path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise file.error(f"holds a NUL byte; {nul_step(head)}", where=f"line {number}")
                if encoding not in _WHOLE_CHARACTERS:
                    _check_characters(line, file=file, where=f"line {number}")
                yield line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
    except UnicodeError as error:
        raise _not_decodable(file, encoding=encoding, error=error) from None
    except GZIP_ERRORS as error:
        line, _ = _find_failure(file.path, encoding=encoding)
        problem = f"the gzip file is truncated or damaged in this line ({error}); copy or download it again"
        raise file.error(problem, where=f"line {line}") from None
    except OSError as error:
        raise file.error(f"cannot be read ({error.strerror or error}); correct its permissions or its name") from None


def _check_characters(line: str, *, file: TextFile, where: str) -> None:
    if problem := surrogate_problem(line):
        raise file.error(problem, where=where)


@contextmanager
def unpacked(path: Path) -> Generator[io.BufferedReader | gzip.GzipFile]:
    """Open the bytes of a file; a gzip file is unpacked.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
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
    """Return the format of a file from its own bytes, without unpacking it; None for text and for unknown formats.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return signature(head, tail=file.read())


def _checked_head(file: TextFile, *, encoding: str) -> bytes:
    """Return the first bytes of a text file, after checking its signature and its byte order mark."""
    with unpacked(file.path) as raw:
        is_packed = isinstance(raw, gzip.GzipFile)
        head = raw.read(HEAD_BYTES)
        while is_packed and raw.read(BLOCK_BYTES):
            pass  # gzip's checksum is at the end: a damaged file gives wrong texts before it gives an error
    found = signature(head) if is_packed else file_signature(file.path)
    if found is not None:
        packed = " (inside gzip)" if is_packed else ""
        raise file.error(f"is {found.name}{packed}, not {file.what}; {found.step}")
    if problem := mark_problem(head, encoding=encoding):
        raise file.error(problem, where="line 1")
    return head


def _not_decodable(file: TextFile, *, encoding: str, error: UnicodeError) -> TaskDataError:
    line, found = _find_failure(file.path, encoding=encoding)
    why = found or error
    bad = f"byte 0x{why.object[why.start]:02x}" if isinstance(why, UnicodeDecodeError) else f"its text ({why})"
    step = "set source.encoding (Excel writes cp1252), or save the file as UTF-8"
    return file.error(f"{bad} is not valid {encoding}; {step}", where=f"line {line}")


def _find_failure(path: Path, *, encoding: str) -> tuple[int, UnicodeError | None]:
    """Return the line in which decoding or unpacking a file fails, and the decoder's error, if there is one.

    The reader decodes blocks ahead of the lines that it yields, so the position must be searched again. In the block
    that fails, bytes are decoded one by one, because only the decoder knows where a character ends.
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
        pass  # this is the position
    return lines.number


class _LineCount:
    """Counts the lines of a text whose parts are added one after the other."""

    def __init__(self) -> None:
        self.number, self._after_return = 1, False

    def add(self, text: str) -> None:
        """Count the line ends of the next part of the text."""
        if not text:
            return
        joined = self._after_return and text[0] == "\n"  # a CR LF that is split between two parts
        self.number += text.count("\n") + text.count("\r") - text.count("\r\n") - joined
        self._after_return = text[-1] == "\r"
