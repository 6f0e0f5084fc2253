"""Reads a task's rows from their source: files, a mirror, the hub, or the miniature."""
