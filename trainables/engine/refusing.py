"""What DeepSpeed raises when it is given a phase to train: about the engine's settings, in one message."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from trainables.config import EngineConfig
from trainables.errors import ConfigError, TrainablesError
from trainables.failures import is_disk_unusable, is_out_of_memory

_LONGEST = 300
"""Characters of what DeepSpeed said that are shown."""


@contextmanager
def telling_refusals(config: EngineConfig) -> Generator[None]:
    """Turn what DeepSpeed raises for its settings (assertions, pydantic's errors, bare ValueErrors) into one of ours.

    Raises:
        ConfigError: It refuses them. A lack of memory, or a disk that fails, is no refusal and stays.
    """
    try:
        yield
    except TrainablesError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_disk_unusable(error):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        given = f"zero_stage {config.zero_stage}, offload {config.offload!r}, precision {config.precision!r}"
        message = f"DeepSpeed cannot train with {given} ({said}); choose others, or see the trial's log"
        raise ConfigError("engine", message) from error
