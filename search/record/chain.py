"""The hash that ties each event of a sweep to the one before it. Pure.

SQLite keeps no checksums: a byte that flips inside a text stays a valid database. With the chain, an event that was
changed, lost, added or moved differs from what the next one, or the record's witness, was written after.
"""

from __future__ import annotations

import hashlib

from search.record.rows import JsonObject
from trainables.config.frozen import canonical_json

START = ""
"""What the first event of a sweep continues."""


def link(before: str, *, time: float, sweep: str, trial: int | None, kind: str, payload: str) -> str:
    """Return an event's chain value, 32 hexadecimal digits.

    Args:
        before: Chain value of the sweep's event before it, or START.
        time: Its column, and so on.
        sweep: Name of the sweep.
        trial: Number of the trial.
        kind: What happened.
        payload: Its canonical JSON.
    """
    text = "\x1f".join((before, repr(time), sweep, str(trial), kind, payload))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def canonical_payload(payload: JsonObject) -> str:
    """Return an event's payload as it is stored and hashed."""
    return canonical_json(payload)
