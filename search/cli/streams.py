"""Standard output and standard error that handle a closed pipe, a full disk and a closed stream.

Results go to standard output. If its reader has closed the pipe (`| head`), the command ends without an error. If it
cannot be written for another reason, the command prints one line and fails. Progress and warnings go to standard error;
an error of writing there is ignored.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Generator
from typing import TextIO

_READER_GONE = (errno.EPIPE, errno.ECONNRESET)
_INPUT, _OUTPUT, _ERROR = 0, 1, 2


class OutputError(Exception):
    """Standard output cannot be written.

    It is not an OSError, because code that catches OSError takes it for an error of a disk.

    Args:
        error: The error of the write.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the result cannot be written to standard output ({error.strerror}); the command itself did not fail: "
            "redirect the output to another place, and run the command again"
        )
        self.is_reader_gone = error.errno in _READER_GONE
        """Whether the reader has closed the pipe."""


class _Stream(io.FileIO):
    """Standard output or standard error, without a buffer.

    Args:
        descriptor: File descriptor.
        is_output: Whether it is standard output.
        was_closed: Whether it was closed when the process started.
    """

    def __init__(self, descriptor: int, *, is_output: bool, was_closed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_output, self._was_closed, self._is_lost = is_output, was_closed, False

    def write(self, data: object, /) -> int | None:
        """Write bytes; after the first error drop all bytes, so that the interpreter's flush at exit raises nothing."""
        size = memoryview(data).nbytes  # pyright: ignore[reportArgumentType]  the buffered writer passes bytes
        if self._is_lost:
            return size
        try:
            self._raise_if_closed()
            return super().write(data)  # pyright: ignore[reportArgumentType]
        except OSError as error:
            self._is_lost = True
            if self._is_output:
                raise OutputError(error) from error
            return size

    def _raise_if_closed(self) -> None:
        if self._was_closed:
            raise OSError(errno.EBADF, "it is closed")


@contextlib.contextmanager
def standard_streams() -> Generator[None]:
    """Replace standard output and standard error of this process by streams that handle errors as the module says.

    Raises:
        OutputError: The rest of the buffer cannot be written at the end.
    """
    closed = [descriptor for descriptor in (_INPUT, _OUTPUT, _ERROR) if not _is_open(descriptor)]
    for descriptor in closed:
        # Otherwise the next file that is opened, such as a record, gets this descriptor and receives printed text.
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    sys.stdout = _text(_OUTPUT, like=sys.stdout, was_closed=_OUTPUT in closed)
    sys.stderr = _text(_ERROR, like=sys.stderr, was_closed=_ERROR in closed)
    yield
    sys.stdout.flush()


def _text(descriptor: int, *, like: TextIO | None, was_closed: bool) -> TextIO:
    raw = _Stream(descriptor, is_output=descriptor == _OUTPUT, was_closed=was_closed)
    if isinstance(like, io.TextIOWrapper):
        like.flush()
        lines = like.line_buffering
        encoding, errors = like.encoding, like.errors or "strict"
    else:
        lines, encoding, errors = False, "utf-8", "strict"
    # Escape a character that the terminal's encoding lacks, instead of raising an error.
    errors = "backslashreplace" if errors == "strict" else errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=lines)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
