"""Copies a stage out of a store, with its whole weights, for use without xstilts or as the start of another trial."""

from __future__ import annotations

import shutil
from pathlib import Path

from search.errors import InputError
from search.new_folder import check_new_folder
from trainables.stage_store import MANIFEST, StageStore, StoredStage
from trainables.tensor_files import OWN, WHOLE, whole_pieces, write


def copy_stage(store: StageStore, *, key: str, folder: Path) -> str:
    """Write the files of a stage into a new folder, and return the stage's whole key.

    Args:
        store: The store.
        key: Its key, or the first digits of it.
        folder: Folder to write; created with its parents. It must not hold files.

    Raises:
        InputError: No stage or several stages have this key, the stage is damaged, or the folder cannot be written.
    """
    check_new_folder(folder, what="copy")
    whole_key = _only_key(store, key)
    found = store.find(whole_key)
    if found is None:
        msg = f"stage {key} of the store {store.url!r} is damaged; `xstilts stages verify` says why"
        raise InputError(msg)
    _write(found, folder)
    return whole_key


def _only_key(store: StageStore, key: str) -> str:
    keys = [known for known in store.keys() if known.startswith(key)]  # noqa: SIM118  (a store is not a dict)
    if len(keys) != 1:
        problem = f"{len(keys)} stages have keys that start with it; give more digits" if keys else "no stage has it"
        msg = f"cannot copy stage {key!r} of the store {store.url!r}: {problem}; `xstilts stages list` prints all"
        raise InputError(msg)
    return keys[0]


def _write(stage: StoredStage, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(stage.folder, folder, ignore=shutil.ignore_patterns(MANIFEST, OWN), dirs_exist_ok=True)
    if stage.shared is not None:
        write(whole_pieces(stage.place), folder / WHOLE)
