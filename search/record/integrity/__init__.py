"""Whether a record's file is what was written: witness, audit, snapshots, and what restores it."""
