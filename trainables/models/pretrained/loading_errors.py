"""Turns the errors of libraries that load a checkpoint's folder into one error about the folder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from trainables.errors import CheckpointError, TrainablesError
from trainables.failures import is_disk_unusable, is_out_of_memory

_MAX_SHOWN_CHARACTERS = 300
"""Longest part of a library's message that is shown, in characters."""


@contextmanager
def loading(folder: Path, *, what: str, needs: str) -> Generator[None]:
    """Convert errors of transformers, tokenizers and safetensors to one error about the folder.

    tokenizers raises plain Exception, and transformers any error that a configuration can cause, so no list of classes
    would be complete.

    Args:
        folder: The folder.
        what: What is loaded, for example `an encoder`.
        needs: What the folder must hold.

    Raises:
        CheckpointError: It cannot be loaded. Errors of memory or of a disk have another cause and are not converted.
    """
    try:
        yield
    except TrainablesError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_disk_unusable(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        reason = reason if len(reason) <= _MAX_SHOWN_CHARACTERS else f"{reason[:_MAX_SHOWN_CHARACTERS]}..."
        rule = f"the folder must hold {needs}"
        msg = f"cannot load {what} from {str(folder)!r}: {reason.rstrip('.')}; {rule}; copy the checkpoint again"
        raise CheckpointError(msg, folder=folder) from error
