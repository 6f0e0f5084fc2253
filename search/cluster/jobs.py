"""Submits sweeps as jobs of a cluster with Ray's job client. Jobs run on the head, also after the client has ended."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any  # Ray's job client is untyped

from pydantic import BaseModel

from search.cluster.ray_imports import ray_module
from search.cluster.submission import HEAD_HOME, Submission, pack
from search.errors import ClusterError

_SWEEP = "xstilts_sweep"
"""Key of the sweep's name in the metadata of a job."""
_RUNNING = ("PENDING", "RUNNING")


class HostState(BaseModel):
    """One host of a cluster."""

    address: str
    """Its address."""
    is_head: bool
    """Whether it is the head."""
    cpus: float
    """Number of CPUs."""
    gpus: float
    """Number of GPUs."""


class JobState(BaseModel):
    """One submitted sweep."""

    job: str
    """Ray's submission id."""
    sweep: str
    """Name of the sweep."""
    state: str
    """`pending`, `running`, `stopped`, `succeeded` or `failed`."""
    started: float | None
    """Time of its start, in seconds since 1970; None before the start."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.state.upper() in _RUNNING


class Jobs:
    """The jobs of a cluster. All methods but `follow` raise ClusterError if the cluster cannot be used.

    Args:
        address: Address in the form that Ray's job client accepts.

    Raises:
        ClusterError: The cluster does not answer, or the token is wrong.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        client = ray_module("ray.job_submission").JobSubmissionClient
        with self._translated_errors():
            self._client: Any = client(address)

    def hosts(self) -> list[HostState]:
        """Return the running hosts, the head first."""
        state = ray_module("ray.util.state")
        with self._translated_errors():
            # With a filter for running nodes, Ray takes the answer for incomplete if there are dead nodes (ray 2.60).
            nodes = state.list_nodes(address=self._address, detail=True)
        found = [_host(node) for node in nodes if node.state == "ALIVE"]
        return sorted(found, key=lambda host: (not host.is_head, host.address))

    def list(self) -> list[JobState]:
        """Return the submitted sweeps, the newest first."""
        with self._translated_errors():
            jobs = self._client.list_jobs()
        ours = [job for job in jobs if _SWEEP in (job.metadata or {})]
        return sorted(map(_job, ours), key=lambda job: job.started or 0, reverse=True)

    def submit(self, submission: Submission) -> JobState:
        """Submit a sweep, and return its job; if the sweep already runs on the cluster, return that job.

        Raises:
            InputError: The submission has a password, or a file outside the spec's folder.
        """
        running = next((job for job in self.list() if job.sweep == submission.name and job.is_running), None)
        if running is not None:
            return running
        with tempfile.TemporaryDirectory(prefix="xstilts-submit-") as folder:
            spec = pack(submission, folder=Path(folder))
            environment: dict[str, Any] = {"env_vars": {"XSTILTS_HOME": HEAD_HOME}, "working_dir": folder}
            with self._translated_errors():
                job = self._client.submit_job(
                    entrypoint=submission.entrypoint(spec),
                    runtime_env=environment,
                    metadata={_SWEEP: submission.name},
                )
        return JobState(job=job, sweep=submission.name, state="pending", started=None)

    def last(self, sweep: str | None) -> JobState:
        """Return the last job of a sweep; for None, the last job of all sweeps.

        Raises:
            ClusterError: There is no such job.
        """
        found = next((job for job in self.list() if sweep in {None, job.sweep}), None)
        if found is None:
            what = f"sweep {sweep!r}" if sweep else "a sweep"
            raise ClusterError(f"{what} was not submitted to this cluster; submit it: xstilts cluster submit SPEC")
        return found

    def logs(self, job: str) -> str:
        """Return the output of a job up to now."""
        with self._translated_errors():
            return str(self._client.get_job_logs(job))

    def follow(self, job: str) -> Iterator[str]:
        """Yield the output of a job as it is printed, until the job ends."""
        lines = self._client.tail_job_logs(job)
        loop = asyncio.new_event_loop()
        try:
            while True:
                try:
                    yield str(loop.run_until_complete(anext(lines)))
                except StopAsyncIteration:
                    return
        finally:
            loop.close()

    def state(self, job: str) -> str:
        """Return the state of a job."""
        with self._translated_errors():
            return str(self._client.get_job_status(job).value).lower()

    @contextlib.contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Translate Ray's exceptions into a ClusterError with one message."""
        exceptions = ray_module("ray.exceptions")
        requests = ray_module("requests")
        refused = getattr(exceptions, "AuthenticationError", ConnectionError)
        known = (refused, ConnectionError, RuntimeError, requests.RequestException)
        try:
            yield
        except known as error:
            reason = str(error).strip().partition("\n")[0]
            msg = (
                f"the cluster at {self._address} cannot be used: {reason}; check the address, and the token: it must "
                "be the one in ~/.ray/auth_token of the head"
            )
            raise ClusterError(msg) from error


def _host(node: Any) -> HostState:
    has = node.resources_total or {}
    is_head = bool(node.is_head_node)
    return HostState(address=node.node_ip, is_head=is_head, cpus=has.get("CPU", 0), gpus=has.get("GPU", 0))


def _job(details: Any) -> JobState:
    started = details.start_time / 1000 if details.start_time else None
    state = str(details.status.value).lower()
    return JobState(job=details.submission_id, sweep=details.metadata[_SWEEP], state=state, started=started)
