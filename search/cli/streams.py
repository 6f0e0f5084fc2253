"""Standard output and error that end a command well: a reader that has enough, a full disk, a stream that is closed.

Answers go to standard output. Where its reader has gone (`| head`) the command is done; where it cannot be written,
the command says so in one line and fails. What goes to standard error, progress and warnings, may get lost and ends
nothing.
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
    """Standard output cannot be written. No OSError: what is raised for one in the middle of work means a disk.

    Args:
        error: Why.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the answer could not be written to standard output ({error.strerror}); nothing else is wrong: write it "
            "to another place, and ask again"
        )
        self.is_reader_gone = error.errno in _READER_GONE
        """Whether whoever read it wants no more."""


class _Stream(io.FileIO):
    """One of the two, without a buffer.

    Args:
        descriptor: Its number.
        is_answer: Whether it is standard output.
        was_closed: Whether it was closed when the process started.
    """

    def __init__(self, descriptor: int, *, is_answer: bool, was_closed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_answer, self._was_closed, self._is_lost = is_answer, was_closed, False

    def write(self, data: object, /) -> int | None:
        """Write; what is lost once is lost until the end, so that the interpreter's own last flush is quiet."""
        size = memoryview(data).nbytes  # pyright: ignore[reportArgumentType]  the buffer above gives bytes
        if self._is_lost:
            return size
        try:
            self._refuse_if_closed()
            return super().write(data)  # pyright: ignore[reportArgumentType]
        except OSError as error:
            self._is_lost = True
            if self._is_answer:
                raise OutputError(error) from error
            return size

    def _refuse_if_closed(self) -> None:
        if self._was_closed:
            raise OSError(errno.EBADF, "it is closed")


@contextlib.contextmanager
def standard_streams() -> Generator[None]:
    """Make standard output and error what the module says, for this process.

    Raises:
        OutputError: What is left in the buffer at the end cannot be written.
    """
    closed = [descriptor for descriptor in (_INPUT, _OUTPUT, _ERROR) if not _is_open(descriptor)]
    for descriptor in closed:
        # The next file that is opened would have this number, and take what is printed: a record, for example.
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    sys.stdout = _text(_OUTPUT, like=sys.stdout, was_closed=_OUTPUT in closed)
    sys.stderr = _text(_ERROR, like=sys.stderr, was_closed=_ERROR in closed)
    yield
    sys.stdout.flush()


def _text(descriptor: int, *, like: TextIO | None, was_closed: bool) -> TextIO:
    raw = _Stream(descriptor, is_answer=descriptor == _OUTPUT, was_closed=was_closed)
    if isinstance(like, io.TextIOWrapper):
        like.flush()
        lines = like.line_buffering
        encoding, errors = like.encoding, like.errors or "strict"
    else:
        lines, encoding, errors = False, "utf-8", "strict"
    # A letter that an old encoding lacks is spelt out, rather than ending the command.
    errors = "backslashreplace" if errors == "strict" else errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=lines)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
