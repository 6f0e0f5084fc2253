"""Launches Ray clusters from a file, and submits sweeps to them as jobs: a thin layer on Ray's SDK and job client."""

from search.cluster.cluster_file import ClusterFile, read_cluster_file
from search.cluster.jobs import Jobs, JobState
from search.cluster.launcher import attach, launch, take_down
from search.cluster.ssh_tunnel import reach
from search.cluster.submission import Submission, pack

__all__ = [
    "ClusterFile",
    "JobState",
    "Jobs",
    "Submission",
    "attach",
    "launch",
    "pack",
    "reach",
    "read_cluster_file",
    "take_down",
]
