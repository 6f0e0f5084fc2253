"""Computes the hash that links each event of a sweep to the event before it. Pure.

SQLite keeps no checksums: if a byte inside a text flips, the database is still valid. With the chain of hashes, an
event that was changed, lost, added or moved no longer matches the hash of the next event, or the one in the record's
witness.
"""

from __future__ import annotations

import hashlib

from search.record.rows import JsonObject
from trainables.config.frozen import canonical_json

START = ""
"""Chain value before the first event of a sweep."""


def link(before: str, *, time: float, sweep: str, trial: int | None, kind: str, payload: str) -> str:
    """Return an event's chain value, 32 hexadecimal digits.

    Args:
        before: Chain value of the sweep's previous event, or START.
        time: Time of the event, seconds since 1970.
        sweep: Name of the sweep.
        trial: Number of the trial; None for an event of the sweep.
        kind: Kind of the event.
        payload: Its canonical JSON.
    """
    text = "\x1f".join((before, repr(time), sweep, str(trial), kind, payload))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def canonical_payload(payload: JsonObject) -> str:
    """Return an event's payload as the JSON text that is stored and hashed."""
    return canonical_json(payload)
