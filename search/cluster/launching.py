"""Bringing a cluster up, waiting for its hosts, opening a shell on its head, taking it down."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Generator
from pathlib import Path

from search.cluster.cluster_file import ClusterFile
from search.cluster.jobs import HostState, Jobs
from search.cluster.ray_door import chatter_to_stderr, make_token, ray_module
from search.cluster.reaching import reach
from search.errors import ClusterError

SECONDS_BETWEEN_LOOKS = 2.0


def launch(cluster: ClusterFile, *, wait_seconds: float) -> list[HostState]:
    """Bring a cluster up, or up to date, and return its hosts once those that it starts with have joined.

    Ray is not started anew where it runs: that would end the sweeps that run on it.

    Args:
        cluster: Its file.
        wait_seconds: Longest wait for hosts to join after the head is up.

    Raises:
        ClusterError: Ray could not, or not all hosts joined.
    """
    make_token()
    if cluster.is_local:
        # Ray's second autoscaler does not note the head in the `local` provider's state: it takes the head for a
        # worker, finds no such host, and leaves one host out (ray 2.60; the first one notes it).
        os.environ["RAY_UP_enable_autoscaler_v2"] = "0"  # noqa: SIM112  (Ray's own spelling)
    sdk = ray_module("ray.autoscaler.sdk")
    with _told_by_ray("brought up", cluster):
        sdk.create_or_update_cluster(str(cluster.path), no_restart=_runs(cluster), no_config_cache=True)
    deadline = time.monotonic() + wait_seconds
    with reach(cluster=cluster) as address:
        jobs = Jobs(address)
        while len(hosts := jobs.hosts()) < cluster.num_hosts:
            if time.monotonic() > deadline:
                msg = (
                    f"cluster {cluster.name!r} is up, and {len(hosts)} of {cluster.num_hosts} hosts have joined after "
                    f"{wait_seconds:g} s; the head's /tmp/ray/session_latest/logs/monitor.out says why the others have "
                    "not (`xstilts cluster attach` opens a shell there); the same command waits again"
                )
                raise ClusterError(msg)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return hosts


def take_down(cluster: ClusterFile) -> None:
    """End Ray on every host of a cluster, and the hosts themselves where they were started for it.

    Raises:
        ClusterError: Ray could not.
    """
    sdk = ray_module("ray.autoscaler.sdk")
    with _told_by_ray("taken down", cluster):
        if cluster.is_local:
            # Ray ends the head's processes alone there: hosts that are not rented are not taken away.
            sdk.run_on_cluster(str(cluster.path), cmd=_stop_workers(cluster))
        sdk.teardown_cluster(str(cluster.path))


def attach(cluster: ClusterFile) -> None:
    """Open a shell on the head, until the user leaves it.

    Raises:
        ClusterError: Ray could not.
    """
    commands = ray_module("ray.autoscaler._private.commands")
    with _told_by_ray("reached", cluster, is_quiet=False):
        commands.attach_cluster(
            str(cluster.path), start=False, use_screen=False, use_tmux=False, override_cluster_name=None, new=False
        )


def _runs(cluster: ClusterFile) -> bool:
    """Return whether Ray answers on the cluster's head."""
    try:
        with reach(cluster=cluster) as address:
            return bool(Jobs(address).hosts())
    except ClusterError:
        return False


def _stop_workers(cluster: ClusterFile) -> str:
    """Return the command that, run on the head, ends Ray on the workers; one that is gone is passed over."""
    user = cluster.config["auth"]["ssh_user"]
    options = "-i ~/ray_bootstrap_key.pem -oBatchMode=yes -oStrictHostKeyChecking=no -oConnectTimeout=5"
    stop = "bash --login -ic '. ~/.bashrc; ray stop --force'"
    workers = cluster.config["provider"]["worker_ips"]
    commands = [f"ssh {options} {shlex.quote(f'{user}@{worker}')} {shlex.quote(stop)}" for worker in workers]
    return "; ".join([*commands, "true"])


@contextlib.contextmanager
def _told_by_ray(what: str, cluster: ClusterFile, *, is_quiet: bool = True) -> Generator[None]:
    """Turn what Ray raises into one message."""
    click = ray_module("click")
    try:
        with chatter_to_stderr() if is_quiet else contextlib.nullcontext():
            yield
    except (click.ClickException, RuntimeError, OSError, ValueError, SystemExit) as error:
        msg = f"cluster {cluster.name!r} could not be {what}: {error or 'see above'}; correct {_named(cluster.path)}"
        raise ClusterError(f"{msg} or the hosts, and give the same command again") from error


def _named(path: Path) -> str:
    return path.name
