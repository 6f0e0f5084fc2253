"""Checks that a record's file is what was written, and restores it: witness, audit, snapshots and recovery."""
