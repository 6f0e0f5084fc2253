"""Keeps loaded weights between jobs of a process: trials that start from the same stage then load it only once."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

NUM_KEPT = 2
"""Number of modules that are kept: the stage that several trials start from, and the newest result, scored next."""

MAX_BYTES = 4 << 30
"""Largest model that is kept, in bytes: a copy of a larger one would cost a host more than reading it again."""

Module = TypeVar("Module", bound="nn.Module")


class KeptModules:
    """Cache of the last loaded modules; each is returned as a copy. Not safe for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, nn.Module] = OrderedDict()

    @property
    def num_bytes(self) -> int:
        """Size of the kept modules."""
        return sum(_num_bytes(module) for module in self._kept.values())

    def load(self, key: Hashable, *, read: Callable[[], Module]) -> Module:
        """Return a copy of a module, from the cache or after reading it.

        The first call returns a copy too: the memory position of its weights must not depend on earlier jobs, because
        the rounding of matrix products can depend on alignment.

        Args:
            key: Key of the module: everything that decides its weights; see `folder_stamp`.
            read: Reads the module.
        """
        module = self._kept.pop(key, None)
        if module is None:
            module = read()
        if _num_bytes(module) <= MAX_BYTES:
            self._kept[key] = module
            while len(self._kept) > NUM_KEPT:
                self._kept.popitem(last=False)
        return copy.deepcopy(module)  # pyright: ignore[reportReturnType]  (the module that was read under this key)


def folder_stamp(folder: Path) -> tuple[object, ...]:
    """Return a value that changes when a file of a folder changes: names, sizes, times and inodes."""
    if not folder.is_dir():
        return (str(folder),)
    facts = sorted((path.name, path.stat()) for path in folder.iterdir() if path.is_file())
    return (str(folder), *((name, f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for name, f in facts))


def _num_bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
