"""Checks whether a stage still fits the stages that it was made from: one of them can have been made again since."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainables.stage_store.manifest import Damaged, Manifest

_FIRST_WITH_LINEAGE = 3
"""First version of the manifest that lists every stage that a stage was made from."""

ReadManifest = Callable[[str], Manifest | None]
"""Returns the manifest of a stage, or None if there is none that can be used."""


def damage_of_parents(manifest: Manifest, *, read: ReadManifest) -> Damaged | None:
    """Return why a stage no longer fits the stages that it was made from; removed ones are not checked."""
    if manifest.version < _FIRST_WITH_LINEAGE:
        return _damage_of_parent_chain(manifest, read=read)
    return damage_of_lineage(manifest.lineage, read=read)


def damage_of_lineage(lineage: Mapping[str, str], *, read: ReadManifest) -> Damaged | None:
    """Return why a lineage (key -> digest) does not fit the stages that the store has now."""
    for key, digest in lineage.items():
        ancestor = read(key)
        if ancestor is not None and ancestor.digest != digest:
            return _made_again(ancestor)
    return None


def _damage_of_parent_chain(manifest: Manifest, *, read: ReadManifest) -> Damaged | None:
    while manifest.facts.parent is not None:
        parent = read(manifest.facts.parent)
        if parent is None:
            return None
        if manifest.parent_digest not in {None, parent.digest}:
            return _made_again(parent)
        manifest = parent
    return None


def _made_again(ancestor: Manifest) -> Damaged:
    return Damaged(f"{ancestor.facts.phase} stage {ancestor.key[:12]} in its lineage was since made with other files")
