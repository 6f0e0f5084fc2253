"""Frees the disk of a store that is full: everything that no trial needs, and what the next phase makes again."""

from __future__ import annotations

import logging

from search.errors import StoreSharedError
from search.record import Record
from search.stages.garbage_collection import Limits, collect
from trainables.data.cache_room import PREFIX, remove_unused
from trainables.errors import TrainablesError
from trainables.stage_store import StageStore

log = logging.getLogger(__name__)


def free_disk(record: Record, *, store: StageStore) -> int:
    """Delete what no trial needs and the vectors that no rank reads, and return the bytes that this freed.

    Args:
        record: Record with all sweeps that use the store. In a store that other records' sweeps use, only leftovers
            and vectors are deleted.
        store: The store.
    """
    num_bytes = _free_vectors(store)
    try:
        return num_bytes + _free_stages(record, store=store)
    except TrainablesError as error:
        log.warning("no stage could be removed from the store: %s", error)
        return num_bytes


def _free_vectors(store: StageStore) -> int:
    try:
        return remove_unused(store.root / "cache" / PREFIX)
    except OSError as error:  # the disk that is full can have failed, too
        log.warning("no vectors above frozen layers could be removed from the store's cache: %s", error)
        return 0


def _free_stages(record: Record, *, store: StageStore) -> int:
    try:
        return collect(record, store=store, limits=Limits()).freed_bytes
    except StoreSharedError:
        return collect(record, store=store, limits=Limits(only_leftovers=True)).freed_bytes
