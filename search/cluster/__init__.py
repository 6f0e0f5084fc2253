"""Ray clusters: launched from a cluster file, given sweeps as jobs. Thin over Ray's autoscaler SDK and job client."""

from search.cluster.cluster_file import ClusterFile, read_cluster_file
from search.cluster.jobs import Jobs, JobState
from search.cluster.launching import attach, launch, take_down
from search.cluster.packing import Submission, pack
from search.cluster.reaching import reach

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
