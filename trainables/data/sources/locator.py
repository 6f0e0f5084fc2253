"""Finds a repository in a mirror, the Hugging Face cache or the hub. No torch, datasets or transformers here."""

from __future__ import annotations

import importlib.resources
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from trainables.errors import UnavailableError
from trainables.names import expanded

MINIATURE = "miniature"
"""Name of the encoder and the vision tower that ship with the package."""

PROBE_SECONDS = 1.0
"""Maximum time that the hub has to accept a connection."""

PROBE_KEPT_SECONDS = 60.0
"""How long the result of a connection test is used; after it, the network is tested again."""

_TRUE = {"1", "ON", "YES", "TRUE"}
_probed: dict[str, tuple[float, bool]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a repository was found.

    Args:
        kind: `mirror`, `folder` (the user gave a path), `packaged`, `cache` (Hugging Face's) or `hub`.
        repository: The requested name.
        path: The folder; for a cached model, its newest snapshot; None for a cached data set and for the hub.
    """

    kind: Literal["mirror", "folder", "packaged", "cache", "hub"]
    repository: str
    path: Path | None

    @property
    def target(self) -> str:
        """Argument of Hugging Face's loaders: the folder, or the name of the repository."""
        return self.repository if self.path is None else str(self.path)


def locate_dataset(repository: str) -> Location:
    """Return where a data set repository is.

    Args:
        repository: `owner/name`.

    Raises:
        UnavailableError: The repository is not in the mirror, the cache or on the hub.
    """
    return _locate(repository, folder="datasets")


def dataset_place(repository: str) -> Literal["mirror", "cache", "hub", "missing"]:
    """Return where a data set repository would be read from. For `hub`, no connection is tested.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` does not name a folder.
    """
    return _place(repository, folder="datasets")


def model_place(repository: str) -> Literal["mirror", "cache", "hub", "missing"]:
    """Return where a model repository would be read from. For `hub`, no connection is tested.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` does not name a folder.
    """
    return _place(repository, folder="models")


def _place(repository: str, *, folder: Literal["datasets", "models"]) -> Literal["mirror", "cache", "hub", "missing"]:
    mirror = mirror_folder()
    if mirror is not None and (mirror / folder / repository).is_dir():
        return "mirror"
    if _cached(repository, folder) is not None:
        return "cache"
    return "missing" if _offline() else "hub"


def locate_model(name: str) -> Location:
    """Return where an encoder is: packaged (`miniature`), a folder, or a model repository.

    Args:
        name: `miniature`, a path, or `owner/name`.

    Raises:
        UnavailableError: It is found nowhere.
    """
    return _packaged(name, "encoder") or _folder(name) or _locate(name, folder="models")


def locate_vision(name: str) -> Location:
    """Return where a vision tower is; names as in `locate_model`.

    Raises:
        UnavailableError: It is found nowhere.
    """
    return _packaged(name, "vision") or _folder(name) or _locate(name, folder="models")


def locate_teacher(name: str) -> Location:
    """Return where a CLIP text model is: a folder, or a model repository.

    Raises:
        UnavailableError: It is found nowhere.
    """
    return _folder(name) or _locate(name, folder="models")


def mirror_folder() -> Path | None:
    """Return the mirror that `XSTILTS_MIRROR` names, or None if the variable is not set.

    Raises:
        UnavailableError: The variable does not name a folder.
    """
    value = os.environ.get("XSTILTS_MIRROR", "")
    if not value:
        return None
    mirror = expanded(value, what="XSTILTS_MIRROR").absolute()
    if not mirror.is_dir():
        msg = f"cannot read the mirror: XSTILTS_MIRROR is {value!r}, which is not a folder; correct or unset it"
        raise UnavailableError(msg)
    return mirror


def hub_is_reachable() -> bool:
    """Return whether the hub accepts a connection. It is tested at most once a minute, for at most a second."""
    if _offline():
        return False
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    now = time.monotonic()
    kept = _probed.get(endpoint)
    if kept is None or now - kept[0] > PROBE_KEPT_SECONDS:
        kept = (now, _accepts_connection(endpoint))
        _probed[endpoint] = kept
    return kept[1]


def _packaged(name: str, asset: str) -> Location | None:
    if name != MINIATURE:
        return None
    path = Path(str(importlib.resources.files("trainables"))) / "miniature" / "assets" / asset
    return Location(kind="packaged", repository=name, path=path)


def _folder(name: str) -> Location | None:
    try:
        path = Path(name).expanduser()
        path.is_dir()
    except (OSError, RuntimeError) as error:  # the name is too long, a folder is not readable, ~user is unknown
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"cannot load {_shortened(name)!r}: {reason}; give the folder of a checkpoint, or a name on the hub"
        raise UnavailableError(msg) from None
    if not path.is_dir() and (path.is_absolute() or name.startswith(".")):
        what = "it is a file" if path.exists() else "the folder does not exist"
        msg = f"cannot load {name!r}: {what}; give the folder of a checkpoint, or a name on the hub"
        raise UnavailableError(msg)
    return Location(kind="folder", repository=name, path=path.absolute()) if path.is_dir() else None


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_SHOWN_CHARACTERS else f"{name[:_MAX_SHOWN_CHARACTERS]}..."


_MAX_SHOWN_CHARACTERS = 200


def _locate(repository: str, *, folder: Literal["datasets", "models"]) -> Location:
    mirror = mirror_folder()
    if mirror is not None and (mirror / folder / repository).is_dir():
        return Location(kind="mirror", repository=repository, path=mirror / folder / repository)
    reachable = hub_is_reachable()
    cached = _cached(repository, folder)
    # A reachable hub knows the newest or pinned revision; Hugging Face's loader reads its cache before it downloads.
    if reachable:
        return Location(kind="hub", repository=repository, path=None)
    if cached is not None:
        return cached
    searched = f"the mirror {str(mirror)!r} and the Hugging Face cache do not have it"
    unset = "the Hugging Face cache does not have it, XSTILTS_MIRROR is not set"
    why = "HF_HUB_OFFLINE is set" if _offline() else "the hub does not answer"
    msg = (
        f"cannot find {folder[:-1]} {repository!r}: {searched if mirror else unset}, and {why}; "
        f"set XSTILTS_MIRROR to a folder that holds {folder}/{repository}, or go online"
    )
    raise UnavailableError(msg)


def _cached(repository: str, folder: Literal["datasets", "models"]) -> Location | None:
    root = Path(os.environ.get("HF_HUB_CACHE", _hf_home() / "hub"))
    snapshots = root / f"{folder}--{repository.replace('/', '--')}" / "snapshots"
    if folder == "models":
        found = sorted(snapshots.glob("*/config.json"), key=lambda path: path.stat().st_mtime)
        return Location(kind="cache", repository=repository, path=found[-1].parent) if found else None
    prepared = Path(os.environ.get("HF_DATASETS_CACHE", _hf_home() / "datasets")) / repository.replace("/", "___")
    if any(snapshots.glob("*")) or prepared.is_dir():
        return Location(kind="cache", repository=repository, path=None)
    return None


def _hf_home() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"
    return expanded(os.environ.get("HF_HOME", default), what="HF_HOME")


def _offline() -> bool:
    return any(os.environ.get(name, "").upper() in _TRUE for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"))


def _accepts_connection(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    address = (parts.hostname or "huggingface.co", parts.port or (80 if parts.scheme == "http" else 443))
    try:
        with socket.create_connection(address, timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False
