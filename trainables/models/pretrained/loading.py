"""The door through which a vendor loads a folder: whatever it raises there is about the folder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from trainables.errors import CheckpointError, TrainablesError
from trainables.failures import is_disk_unusable, is_out_of_memory

_LONGEST = 300
"""Characters of what the vendor said that are shown."""


@contextmanager
def loading(folder: Path, *, what: str, needs: str) -> Generator[None]:
    """Turn what transformers, tokenizers or safetensors raise into one message about the folder.

    tokenizers raises Exception itself, transformers whatever a field of a configuration leads to: a list of classes
    would not end.

    Args:
        folder: The folder.
        what: What is loaded, for example `an encoder`.
        needs: What the folder must hold.

    Raises:
        CheckpointError: It cannot be loaded. A lack of memory or a failing disk is no fault of the folder, and stays.
    """
    try:
        yield
    except TrainablesError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_disk_unusable(error):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
        msg = f"cannot load {what} from {str(folder)!r}: {said.rstrip('.')}; it must hold {needs}"
        raise CheckpointError(msg, folder=folder) from error
