"""The stage store: stages and checkpoints that trials, sweeps and hosts share."""

from trainables.stage_store.heartbeat import LeaseTimes
from trainables.stage_store.leases import Holder, Lease
from trainables.stage_store.manifest import MANIFEST, Manifest, StageFacts, StoredCheckpoint, StoredStage
from trainables.stage_store.space import ListedStage, Space, bytes_of
from trainables.stage_store.store import StageStore
from trainables.stage_store.store_check import check_store, is_there
from trainables.stage_store.sweep_notes import SweepNote
from trainables.storage import why_not_writable
from trainables.tensor_files import Place

__all__ = [
    "MANIFEST",
    "Holder",
    "Lease",
    "LeaseTimes",
    "ListedStage",
    "Manifest",
    "Place",
    "Space",
    "StageFacts",
    "StageStore",
    "StoredCheckpoint",
    "StoredStage",
    "SweepNote",
    "bytes_of",
    "check_store",
    "is_there",
    "why_not_writable",
]
