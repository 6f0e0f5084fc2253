"""Finds the folder of starting weights by their name, and computes their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # Any: JSON

from trainables.config import FurtherTarget, PhaseConfig, TrialConfig
from trainables.data.sources.locator import MINIATURE, Location, locate_model, locate_teacher, locate_vision
from trainables.errors import CheckpointError, UnavailableError
from trainables.models.pretrained.encoder_folder import (
    CONFIGS,
    check_architecture,
    check_encoder_folder,
    encoder_shape,
)
from trainables.models.pretrained.finiteness import file_facts
from trainables.models.pretrained.teacher_folder import check_teacher_folder
from trainables.models.pretrained.vision_folder import check_vision_folder
from trainables.plan.stage_plan import TRAINING_PHASES

_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "sentencepiece.bpe.model", "*.txt")
"""Files that are downloaded from a repository: never a pickle, never code."""
_PICKLED = ("pytorch_model*.bin", "pytorch_model.bin.index.json", "*.model")
"""Files that are downloaded in addition to be converted."""


def encoder_folder(name: str, *, revision: str | None) -> Path:
    """Return a folder with the encoder; it is downloaded from the hub if necessary.

    Args:
        name: `miniature`, a folder, or a hub name.
        revision: Commit on the hub, or None for the newest.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
        CheckpointError: It lacks configuration, safetensors weights or a tokenizer.
    """
    location = locate_model(name)
    if location.path is None:
        # Its configuration first: gigabytes of an architecture that cannot be used must not be downloaded.
        check_architecture(_on_disk(location, revision=revision, files=CONFIGS))
    folder = _on_disk(location, revision=revision)
    check_encoder_folder(folder)
    return folder


def encoder_config_of(name: str, *, revision: str | None) -> Mapping[str, Any]:
    """Return the configuration of an encoder; of one that is on the hub, only this file is downloaded.

    Args:
        name: `miniature`, a folder, or a hub name.
        revision: Commit on the hub, or None for the newest.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
        CheckpointError: It has no configuration, or one of an architecture that is no family.
    """
    folder = _on_disk(locate_model(name), revision=revision, files=CONFIGS)
    check_architecture(folder)
    return encoder_shape(folder)


def pickled_folder(name: str, *, revision: str | None) -> Path:
    """Return a folder with a checkpoint whose weights are pickled, for `xstilts encoders convert`; opens no pickle.

    Args:
        name: A folder, or a hub name.
        revision: Commit on the hub, or None for the newest.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
        CheckpointError: It is of an architecture that is no family.
    """
    location = locate_model(name)
    check_architecture(_on_disk(location, revision=revision, files=CONFIGS))
    return _on_disk(location, revision=revision, files=(*_FILES, *_PICKLED))


def vision_folder(tower: str) -> Path | None:
    """Return a folder with a vision tower, or None for `small`, which starts from random weights.

    Raises:
        UnavailableError: Neither mirror, nor cache, nor hub has it.
        CheckpointError: It lacks configuration or safetensors weights, or one is damaged.
    """
    if tower == "small":
        return None
    folder = _on_disk(locate_vision(tower), revision=None)
    check_vision_folder(folder)
    return folder


def teacher_folder(name: str) -> Path:
    """Return a folder with a teacher; it is downloaded from the hub if necessary.

    Raises:
        InputError: It cannot be found or downloaded, or holds no CLIP text model.
    """
    folder = _on_disk(locate_teacher(name), revision=None)
    check_teacher_folder(folder)
    return folder


def with_absolute_folders(config: TrialConfig) -> TrialConfig:
    """Return a trial with absolute paths for encoder, vision towers, teachers and texts that are folders.

    Ray runs a trial in another working directory, and a sweep can be continued from any directory.
    """
    encoder = config.encoder.model_copy(update={"name": _absolute(config.encoder.name)})
    works: dict[str, PhaseConfig | None] = {phase: getattr(config, phase) for phase in TRAINING_PHASES}
    phases = {phase: _with_absolute_phase(work) if work else None for phase, work in works.items()}
    further = {name: _with_absolute_target(target) for name, target in config.further.items()}
    return config.model_copy(update={"encoder": encoder, "further": further, **phases})


def _with_absolute_target(further: FurtherTarget) -> FurtherTarget:
    return further.model_copy(update={"target": tuple(_with_absolute_phase(work) for work in further.target)})


def _with_absolute_phase(work: PhaseConfig) -> PhaseConfig:
    if work.teacher is not None:
        work = work.model_copy(update={"teacher": _absolute(work.teacher)})
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
    except (OSError, RuntimeError):  # not a folder; `locate_model` raises the error
        return name


def folder_identity(folder: Path) -> str:
    """Return a hash of a checkpoint's files: the same on every machine, at any path and time.

    Raises:
        CheckpointError: A weight is NaN or infinite; hashing checks each.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".model", ".txt"}:
            facts = file_facts(path)
            if facts.not_finite is not None:
                raise _not_finite(path, tensor=facts.not_finite)
            digest.update(f"{path.name} {facts.sha256}\n".encode())
    return digest.hexdigest()


def check_finite(config: TrialConfig) -> None:
    """Check that a trial's starting weights on this machine are finite.

    It hashes them once in a process; the keys of the trial's stages need the hash too.

    Raises:
        CheckpointError: A weight is NaN or infinite.
    """
    works = [getattr(config, phase) for phase in TRAINING_PHASES]
    works += [work for further in config.further.values() for work in further.target]
    towers = {work.vision.tower for work in works if work is not None and work.vision is not None} - {"small"}
    teachers = {work.teacher for work in works if work is not None and work.teacher is not None}
    places = [locate_model(config.encoder.name), *map(locate_vision, sorted(towers))]
    for location in (*places, *map(locate_teacher, sorted(teachers))):
        if location.path is not None:
            folder_identity(location.path)


def _not_finite(path: Path, *, tensor: str) -> CheckpointError:
    msg = (
        f"cannot load weights from {str(path.parent)!r}: {tensor!r} in {path.name} holds numbers that are not finite "
        "(NaN or infinite), and every score would be NaN; use a checkpoint from before its training broke down"
    )
    return CheckpointError(msg, folder=path.parent, field=tensor)


def _on_disk(location: Location, *, revision: str | None, files: tuple[str, ...] = _FILES) -> Path:
    if location.kind == "cache" and location.path is not None and revision is not None:
        return _cached_revision(location.path.parent, revision=revision)
    if location.path is not None:
        return location.path
    from trainables.data.sources.hub import download_model

    return download_model(location.repository, revision=revision, files=files)


def _cached_revision(snapshots: Path, *, revision: str) -> Path:
    if not (snapshots / revision).is_dir():
        known = ", ".join(sorted(path.name for path in snapshots.iterdir()))
        msg = f"the Hugging Face cache has no revision {revision!r} in {snapshots}, only {known}; use one or go online"
        raise UnavailableError(msg)
    return snapshots / revision
