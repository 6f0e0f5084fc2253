"""Starting weights: from a name to a folder on this machine, and to what identifies them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from trainables.config import FurtherTarget, PhaseConfig, TrialConfig
from trainables.data.locate import MINIATURE, Location, check_encoder_folder, locate_model, locate_vision
from trainables.errors import UnavailableError
from trainables.stages import TRAINING_PHASES

_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "sentencepiece.bpe.model", "*.txt")
"""What is fetched of a repository: never a pickle, never code."""


def encoder_folder(name: str, *, revision: str | None) -> Path:
    """Return a folder that holds the encoder, fetching it from the hub where it has to be.

    Args:
        name: `miniature`, a folder, or a hub name.
        revision: Commit on the hub, or None for the newest.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
        CheckpointError: It lacks configuration, safetensors weights or a tokenizer.
    """
    folder = _on_disk(locate_model(name), revision=revision)
    check_encoder_folder(folder)
    return folder


def vision_folder(tower: str) -> Path | None:
    """Return a folder that holds a vision tower, or None for `small`, which is made anew.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
    """
    return None if tower == "small" else _on_disk(locate_vision(tower), revision=None)


def with_absolute_folders(config: TrialConfig) -> TrialConfig:
    """Return a trial whose encoder, vision towers and texts, where they are folders, are named by absolute paths.

    Ray runs a trial in another working directory, and a sweep may be continued from anywhere.
    """
    encoder = config.encoder.model_copy(update={"name": _absolute(config.encoder.name)})
    works: dict[str, PhaseConfig | None] = {phase: getattr(config, phase) for phase in TRAINING_PHASES}
    phases = {phase: _with_absolute_phase(work) if work else None for phase, work in works.items()}
    further = {name: _with_absolute_target(one) for name, one in config.further.items()}
    return config.model_copy(update={"encoder": encoder, "further": further, **phases})


def _with_absolute_target(further: FurtherTarget) -> FurtherTarget:
    return further.model_copy(update={"target": tuple(_with_absolute_phase(work) for work in further.target)})


def _with_absolute_phase(work: PhaseConfig) -> PhaseConfig:
    return _with_absolute_texts(_with_absolute_tower(work))


def _with_absolute_tower(work: PhaseConfig) -> PhaseConfig:
    if work.vision is None or work.vision.tower == "small":
        return work
    vision = work.vision.model_copy(update={"tower": _absolute(work.vision.tower)})
    return work.model_copy(update={"vision": vision})


def _with_absolute_texts(work: PhaseConfig) -> PhaseConfig:
    if work.beside is None or work.beside.masked_lm is None:
        return work
    masked_lm = work.beside.masked_lm
    masked_lm = masked_lm.model_copy(update={"texts": _absolute(masked_lm.texts)})
    return work.model_copy(update={"beside": work.beside.model_copy(update={"masked_lm": masked_lm})})


def _absolute(name: str) -> str:
    try:
        folder = Path(name).expanduser()
        return name if name == MINIATURE or not folder.is_dir() else str(folder.absolute())
    except (OSError, RuntimeError):  # no folder; `locate_model` says why
        return name


def folder_identity(folder: Path) -> str:
    """Return a hash of a checkpoint's files: the same on every machine, whatever their place and time."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".model", ".txt"}:
            facts = path.stat()
            digest.update(f"{path.name} {_file_hash(path, facts.st_size, facts.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def _on_disk(location: Location, *, revision: str | None) -> Path:
    if location.kind == "cache" and location.path is not None and revision is not None:
        return _cached_revision(location.path.parent, revision=revision)
    if location.path is not None:
        return location.path
    from trainables.data.hub import download_model

    return download_model(location.repository, revision=revision, files=_FILES)


def _cached_revision(snapshots: Path, *, revision: str) -> Path:
    if not (snapshots / revision).is_dir():
        known = ", ".join(sorted(path.name for path in snapshots.iterdir()))
        msg = f"the Hugging Face cache has no revision {revision!r} in {snapshots}, only {known}; take one or go online"
        raise UnavailableError(msg)
    return snapshots / revision


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
