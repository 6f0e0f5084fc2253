"""Makes a folder with safetensors from a checkpoint whose weights are pickled.

Each pickle is opened in a process of its own (`unpickling.py`). This process reads only what that one wrote, and checks
it tensor by tensor. The folder appears under its name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.errors import CheckpointError
from trainables.models.families.family import EncoderFamily
from trainables.models.pretrained.documents import read_object
from trainables.models.pretrained.encoder_folder import check_encoder_folder, family_in
from trainables.models.pretrained.header import FILE, INDEX, read_header

MANIFEST = "conversion.manifest"
"""Where the weights came from. Its suffix keeps it out of the identity of the checkpoint."""

PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
"""Names of pickled weights, and of the index of weights in several files."""

_COPIED = ("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "*.model", "vocab.txt")
_VERSION = 1
_MAX_REASON = 300


def convert_folder(source: Path, *, folder: Path, repository: str, revision: str | None = None) -> Path:
    """Return a new folder with the encoder of a checkpoint, its weights as safetensors.

    Args:
        source: Folder with config.json, a tokenizer and pickled weights.
        folder: Folder to write. It must not exist.
        repository: Name of the checkpoint, for the manifest.
        revision: Commit of the repository, for the manifest.

    Raises:
        CheckpointError: The folder exists, the source has no pickled weights, a pickle holds anything but tensors, a
            tensor is not what was in the pickle, or the result is no encoder.
    """
    if folder.exists():
        raise _refused(source, f"{str(folder)!r} exists already", "use it, or give another folder with --to")
    family, pickles = family_in(source), _pickles(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
        new = Path(scratch) / "encoder"
        new.mkdir()
        files = _names(len(pickles))
        hashes = {
            file: _convert(pickle, target=new / file, family=family)
            for pickle, file in zip(pickles, files, strict=True)
        }
        if len(files) > 1:
            index = {"metadata": {}, "weight_map": {name: file for file in files for name in hashes[file]}}
            (new / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
        _copy_the_rest(source, new=new)
        manifest = {
            "version": _VERSION,
            "repository": repository,
            "revision": revision,
            "pickles": {pickle.name: _sha256(pickle) for pickle in pickles},
            "tensors": {name: sha256 for found in hashes.values() for name, sha256 in found.items()},
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        check_encoder_folder(new)
        new.rename(folder)
    return folder


def _pickles(source: Path) -> list[Path]:
    if (source / PICKLE).is_file():
        return [source / PICKLE]
    if (source / PICKLE_INDEX).is_file():
        named = cast("dict[str, str]", read_object(source / PICKLE_INDEX).get("weight_map", {}))
        files = sorted({Path(file).name for file in named.values()})
        missing = next((file for file in files if not (source / file).is_file()), None)
        if missing is not None:
            raise _refused(source, f"{PICKLE_INDEX} names {missing}, which does not exist", "copy it again")
        return [source / file for file in files]
    if any((source / name).is_file() for name in (FILE, INDEX)):
        raise _refused(source, "its weights are safetensors already", "use the checkpoint as it is")
    raise _refused(source, f"it has neither {PICKLE} nor {PICKLE_INDEX}", "give a checkpoint with pickled weights")


def _names(num_files: int) -> list[str]:
    if num_files == 1:
        return [FILE]
    return [f"model-{number:05}-of-{num_files:05}.safetensors" for number in range(1, num_files + 1)]


def _convert(pickle: Path, *, target: Path, family: EncoderFamily) -> Mapping[str, str]:
    """Return tensor -> SHA-256 of its bytes in the pickle, after they were found in the new file too."""
    report = target.with_suffix(".report")
    command = [sys.executable, "-P", "-m", "trainables.models.conversion.unpickling"]
    arguments = [str(pickle), str(target), str(report), family.prefix, ",".join(family.parts)]
    done = subprocess.run(  # noqa: S603  our own module, on a file that the user named
        [*command, *arguments], capture_output=True, text=True, check=False, env=_environment()
    )
    said: dict[str, Any] = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    report.unlink(missing_ok=True)
    if "failed" in said or done.returncode < 0:
        reason = " ".join(str(said.get("failed") or f"signal {-done.returncode}; was there memory for it?").split())
        remedy = "free memory and disk space, and convert it again"
        raise _refused(pickle.parent, f"{pickle.name} was not converted ({reason[:_MAX_REASON]})", remedy)
    if done.returncode or "tensors" not in said:
        reason = " ".join(str(said.get("refused") or done.stderr or f"exit code {done.returncode}").split())
        remedy = "nothing of it was run; use a checkpoint with safetensors"
        raise _refused(pickle.parent, f"{pickle.name} is not plain weights ({reason[:_MAX_REASON]})", remedy)
    hashes = cast("dict[str, str]", said["tensors"])
    differing = sorted(hashes.items() ^ _hashes(target).items())
    if differing:
        raise _refused(pickle.parent, f"{differing[0][0]!r} is not what the pickle holds", "convert it again")
    return hashes


def _environment() -> dict[str, str]:
    """Return the environment of the process: enough to find the packages, no credentials."""
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"HF_HUB_OFFLINE": "1"}


def _hashes(path: Path) -> dict[str, str]:
    """Return tensor -> SHA-256 of its bytes in a safetensors file."""
    found: dict[str, str] = {}
    with path.open("rb") as file:
        for name, tensor in read_header(path).items():
            file.seek(tensor.start)
            found[name] = hashlib.sha256(file.read(tensor.end - tensor.start)).hexdigest()
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_the_rest(source: Path, *, new: Path) -> None:
    """Copy configuration and tokenizer; a tokenizer that has only its vocabulary gets a tokenizer.json."""
    for path in sorted({path for pattern in _COPIED for path in source.glob(pattern)}):
        shutil.copyfile(path, new / path.name)
    if not (new / "tokenizer.json").is_file():
        from trainables.models.encoder import load_tokenizer

        load_tokenizer(new).save_pretrained(new)


def _refused(source: Path, problem: str, remedy: str) -> CheckpointError:
    return CheckpointError(f"cannot convert {str(source)!r}: {problem}; {remedy}", folder=source)
