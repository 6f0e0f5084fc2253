"""Weights that a process keeps between jobs: trials that start from one stage follow each other, and load it once."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

NUM_KEPT = 2
"""The stage that siblings start from, and what was made of it last, which is scored next."""

MAX_BYTES = 4 << 30
"""A larger model is not kept: its copy would cost a host more than reading it again."""

Module = TypeVar("Module", bound="nn.Module")


class KeptModules:
    """The last modules that were loaded, each handed out as a copy. Not for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, nn.Module] = OrderedDict()

    @property
    def num_bytes(self) -> int:
        """Size of what is kept."""
        return sum(_num_bytes(module) for module in self._kept.values())

    def load(self, key: Hashable, *, read: Callable[[], Module]) -> Module:
        """Return a module of one's own.

        It is a copy on the first call too: where its weights lie in memory must not depend on who was here before, for
        matrix products may round by alignment.

        Args:
            key: What decides its weights; see `folder_stamp`.
            read: Reads it.
        """
        module = self._kept.pop(key, None)
        if module is None:
            module = read()
        if _num_bytes(module) <= MAX_BYTES:
            self._kept[key] = module
            while len(self._kept) > NUM_KEPT:
                self._kept.popitem(last=False)
        return copy.deepcopy(module)  # pyright: ignore[reportReturnType]  (what was read under this key)


def folder_stamp(folder: Path) -> tuple[object, ...]:
    """Return what changes when any file of a folder does: names, sizes, times and places on the disk."""
    if not folder.is_dir():
        return (str(folder),)
    facts = sorted((path.name, path.stat()) for path in folder.iterdir() if path.is_file())
    return (str(folder), *((name, f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for name, f in facts))


def _num_bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
