"""Turns DeepSpeed's errors about the engine's settings into one ConfigError."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from trainables.config import EngineConfig
from trainables.errors import ConfigError, TrainablesError
from trainables.failures import is_disk_unusable, is_out_of_memory

_LONGEST = 300
"""Longest part of DeepSpeed's message that is shown, in characters."""


@contextmanager
def translated_errors(config: EngineConfig) -> Generator[None]:
    """Raise ConfigError for DeepSpeed's errors about settings: assertions, pydantic's errors, bare ValueErrors.

    Errors of memory or of a disk are raised as they are.

    Raises:
        ConfigError: DeepSpeed rejects the settings.
    """
    try:
        yield
    except TrainablesError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_disk_unusable(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        given = f"zero_stage {config.stage}, offload {config.offloaded!r}, precision {config.arithmetic!r}"
        message = f"DeepSpeed cannot train with {given} ({reason}); choose other values, or read the trial's log"
        raise ConfigError("engine", message) from error
