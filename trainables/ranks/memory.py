"""Decides when ranks hold too much memory after a job and must be replaced. Pure."""

from __future__ import annotations

from trainables.ranks.jobs import JobResult

HOST_GROWTH_LIMIT_BYTES = 2 << 30
"""Largest growth of a rank's process in host memory since its first job."""

DEVICE_GROWTH_LIMIT_SHARE = 0.05
"""Largest growth of a rank on its GPU since its first job, as a share of the GPU's memory: with more, a micro-batch
that just fits would not fit any more."""


class GrowthGuard:
    """Compares the memory of a group's ranks after each job with that after the first. One for each set of ranks."""

    def __init__(self) -> None:
        self._first: JobResult | None = None

    def complaint(self, result: JobResult) -> str | None:
        """Return why the ranks should be replaced after a job, or None.

        Args:
            result: Rank 0's result.
        """
        if self._first is None:
            self._first = result
        return growth_complaint(result, first=self._first)


def growth_complaint(result: JobResult, *, first: JobResult) -> str | None:
    """Return a text on how ranks have grown beyond the limits, or None.

    Args:
        result: Result of the last job.
        first: Result of the first job of the same ranks.
    """
    host = result.host_memory_bytes - first.host_memory_bytes
    if host > HOST_GROWTH_LIMIT_BYTES:
        return _grown("their processes", host, limit=HOST_GROWTH_LIMIT_BYTES)
    limit = int(result.device_capacity_bytes * DEVICE_GROWTH_LIMIT_SHARE)
    on_device = result.memory_bytes - first.memory_bytes
    if limit and on_device > limit:
        return _grown("their GPU memory", on_device, limit=limit)
    return None


def _grown(what: str, by: int, *, limit: int) -> str:
    return f"{what} grew by {by >> 20} MiB since their first job, more than {limit >> 20} MiB"
