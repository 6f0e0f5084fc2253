"""Starts a cluster and waits for its hosts, opens a shell on its head, and stops the cluster."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Generator

from search.cluster.cluster_file import ClusterFile
from search.cluster.jobs import HostState, Jobs
from search.cluster.ray_imports import make_token, ray_module, stdout_to_stderr
from search.cluster.ssh_tunnel import reach
from search.errors import ClusterError

SECONDS_BETWEEN_LOOKS = 2.0


def launch(cluster: ClusterFile, *, wait_seconds: float) -> list[HostState]:
    """Start a cluster, or update it; wait until its first hosts have joined, and return its hosts.

    A running Ray is not restarted, because that would end the sweeps that run on it.

    Args:
        cluster: Its file.
        wait_seconds: Longest time to wait for the hosts after the start of the head, in seconds.

    Raises:
        ClusterError: Ray failed, or not all hosts joined in time.
    """
    make_token()
    if cluster.is_local:
        # Autoscaler v2 of Ray does not write the head into the state of the `local` provider: it takes the head for a
        # worker, does not find it, and leaves one host out (ray 2.60; autoscaler v1 writes it).
        os.environ["RAY_UP_enable_autoscaler_v2"] = "0"  # noqa: SIM112  (Ray's own spelling)
    sdk = ray_module("ray.autoscaler.sdk")
    with _translated_errors("started", cluster):
        sdk.create_or_update_cluster(str(cluster.path), no_restart=_runs(cluster), no_config_cache=True)
    deadline = time.monotonic() + wait_seconds
    with reach(cluster=cluster) as address:
        jobs = Jobs(address)
        while len(hosts := jobs.hosts()) < cluster.num_hosts:
            if time.monotonic() > deadline:
                msg = (
                    f"cluster {cluster.name!r} runs, but only {len(hosts)} of {cluster.num_hosts} hosts have joined "
                    f"after {wait_seconds:g} s; see the reason in /tmp/ray/session_latest/logs/monitor.out on the head "
                    "(`xstilts cluster attach` opens a shell there), or run the same command to wait again"
                )
                raise ClusterError(msg)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return hosts


def take_down(cluster: ClusterFile) -> None:
    """Stop Ray on every host of a cluster, and terminate rented hosts.

    Raises:
        ClusterError: Ray failed.
    """
    sdk = ray_module("ray.autoscaler.sdk")
    with _translated_errors("stopped", cluster):
        if cluster.is_local:
            # For hosts that are not rented, Ray's teardown only stops the processes of the head.
            sdk.run_on_cluster(str(cluster.path), cmd=_stop_workers(cluster))
        sdk.teardown_cluster(str(cluster.path))


def attach(cluster: ClusterFile) -> None:
    """Open a shell on the head, and return when the user leaves it.

    Raises:
        ClusterError: Ray failed.
    """
    commands = ray_module("ray.autoscaler._private.commands")
    with _translated_errors("reached", cluster, is_quiet=False):
        commands.attach_cluster(
            str(cluster.path), start=False, use_screen=False, use_tmux=False, override_cluster_name=None, new=False
        )


def _runs(cluster: ClusterFile) -> bool:
    """Return whether Ray runs on the cluster's head."""
    try:
        with reach(cluster=cluster) as address:
            return bool(Jobs(address).hosts())
    except ClusterError:
        return False


def _stop_workers(cluster: ClusterFile) -> str:
    """Return a command for the head that stops Ray on all workers that it can reach."""
    user = cluster.config["auth"]["ssh_user"]
    options = "-i ~/ray_bootstrap_key.pem -oBatchMode=yes -oStrictHostKeyChecking=no -oConnectTimeout=5"
    stop = "bash --login -ic '. ~/.bashrc; ray stop --force'"
    workers = cluster.config["provider"]["worker_ips"]
    commands = [f"ssh {options} {shlex.quote(f'{user}@{worker}')} {shlex.quote(stop)}" for worker in workers]
    return "; ".join([*commands, "true"])


@contextlib.contextmanager
def _translated_errors(what: str, cluster: ClusterFile, *, is_quiet: bool = True) -> Generator[None]:
    """Translate Ray's exceptions into a ClusterError with one message."""
    click = ray_module("click")
    try:
        with stdout_to_stderr() if is_quiet else contextlib.nullcontext():
            yield
    except (click.ClickException, RuntimeError, OSError, ValueError, SystemExit) as error:
        msg = f"cluster {cluster.name!r} could not be {what}: {error or 'see above'}; correct {cluster.path.name}"
        raise ClusterError(f"{msg} or the hosts, and run the same command again") from error
