"""The stages of a store: lists and verifies them, finds which are needed, and deletes those that are not."""

from search.stages.garbage_collection import (
    Collected,
    Limits,
    Removal,
    collect,
    leave_note,
    raise_if_shared,
    sweep_note,
)
from search.stages.inventory import StageLine, Verdict, list_stages, verify_cache, verify_stages
from search.stages.stage_copy import copy_stage
from search.stages.store_keeper import StoreKeeper

__all__ = [
    "Collected",
    "Limits",
    "Removal",
    "StageLine",
    "StoreKeeper",
    "Verdict",
    "collect",
    "copy_stage",
    "leave_note",
    "list_stages",
    "raise_if_shared",
    "sweep_note",
    "verify_cache",
    "verify_stages",
]
