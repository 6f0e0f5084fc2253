"""The stages of a store: lists and verifies them, finds which are needed, and deletes those that are not."""

from search.stages.garbage_collection import Collected, Limits, Removal, collect, leave_note, sweep_note
from search.stages.inventory import StageLine, Verdict, list_stages, verify_cache, verify_stages

__all__ = [
    "Collected",
    "Limits",
    "Removal",
    "StageLine",
    "Verdict",
    "collect",
    "leave_note",
    "list_stages",
    "sweep_note",
    "verify_cache",
    "verify_stages",
]
