"""Data on its way from a repository to batches: locating, loading, encoding once, batching."""
