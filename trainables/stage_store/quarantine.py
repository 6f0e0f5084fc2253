"""Moves a damaged stage aside, and never one that another process has made since.

A process can be suspended for minutes between judging a stage and moving it (a laptop, a batch system). Its lease has
then expired, and another process has made the stage again. So what is moved is what was judged: the manifest is
compared just before the move, and what was moved is judged once more after it, and put back if it is whole.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from trainables.stage_store.contents import Contents
from trainables.stage_store.manifest import MANIFEST, Damaged, Manifest, StoredStage
from trainables.stage_store.space import stage_folder
from trainables.storage import Storage

log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """A stage that cannot be used, as it was seen."""

    damage: Damaged
    """What is wrong with it."""
    manifest: bytes | None
    """Its manifest; None when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The folder `damaged/` of a store."""

    storage: Storage
    """Holds the stages."""
    contents: Contents
    """The local copies."""
    look: Callable[[str, str], StoredStage | Damaged | None]
    """Judges the stage of a key in a folder of the storage."""

    def move(self, key: str, judged: Judged) -> bool:
        """Move a stage aside; return whether what was judged is gone.

        Args:
            key: The stage's key; the caller holds its lease, or believes so.
            judged: What was seen.
        """
        source, folder = stage_folder(key), f"damaged/{key}-{uuid.uuid4().hex[:8]}"
        if self.storage.read(f"{source}/{MANIFEST}") != judged.manifest:
            log.warning("stage %s was made again while it was judged; it stays", key[:12])
            return False
        self.storage.move(source, to=folder, first=MANIFEST)
        self.contents.drop(source)
        if self._is_put_back(key, folder=folder, judged=judged.manifest):
            return False
        log.warning("stage %s is damaged (%s); moved to %s, it is made again", key[:12], judged.damage.reason, folder)
        return True

    def _is_put_back(self, key: str, *, folder: str, judged: bytes | None) -> bool:
        """Put a whole stage back that another process had made meanwhile; return whether it was one."""
        data = self.storage.read(f"{folder}/{MANIFEST}")
        if data == judged and self.storage.local(folder) is None:
            return False  # no second download: each publication in a bucket has its own part, so this was judged
        found = self.look(key, folder) if data is not None else None
        if data is None or not isinstance(found, StoredStage):
            return False
        manifest = Manifest.read(data, key=key)
        if isinstance(manifest, Damaged):
            return False
        whole = self.storage.local(folder) or found.folder
        log.warning("stage %s was made again while it was moved aside; it is put back", key[:12])
        self.storage.publish(whole, to=stage_folder(key), part=manifest.part, last=MANIFEST)  # False: there is one
        self.contents.drop(folder)
        self.storage.remove_folder(folder)
        return True
