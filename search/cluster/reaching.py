"""Reaching a cluster's dashboard, which listens on the head's loopback alone: through ssh."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

from search.cluster.cluster_file import ClusterFile
from search.cluster.ray_door import chatter_to_stderr, ray_module
from search.errors import ClusterError

DASHBOARD_PORT = 8265
CONNECT_SECONDS = 30.0
_STEP_SECONDS = 0.1


@contextlib.contextmanager
def reach(*, cluster: ClusterFile | None = None, address: str | None = None) -> Generator[str]:
    """Yield an address for Ray's job client.

    Args:
        cluster: The file of a cluster, whose head is reached by ssh.
        address: What Ray's own client accepts, taken as it is; goes before the file.

    Raises:
        ClusterError: The head cannot be found or reached.
    """
    if address is not None or cluster is None:
        yield address or "http://127.0.0.1:8265"
        return
    sdk = ray_module("ray.autoscaler.sdk")
    try:
        with chatter_to_stderr():
            head = str(sdk.get_head_node_ip(str(cluster.path)))
    except RuntimeError as error:
        msg = f"cluster {cluster.name!r} has no head ({error}); bring it up with: xstilts cluster up {cluster.path}"
        raise ClusterError(msg) from None
    with _tunnel(cluster, head) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _tunnel(cluster: ClusterFile, head: str) -> Generator[int]:
    """Yield a loopback port that leads to the dashboard's on the head."""
    port = _free_port()
    process = subprocess.Popen(  # noqa: S603  (ssh, to the host that the user's file names)
        [*_ssh(cluster), "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:{DASHBOARD_PORT}", head],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(port, process=process, head=head)
        yield port
    finally:
        process.terminate()
        process.wait()


def _ssh(cluster: ClusterFile) -> list[str]:
    auth = cluster.config.get("auth", {})
    options = ["-oBatchMode=yes", "-oExitOnForwardFailure=yes", "-oStrictHostKeyChecking=no", "-oLogLevel=ERROR"]
    options += [f"-oUserKnownHostsFile={os.devnull}", f"-oConnectTimeout={CONNECT_SECONDS:g}"]  # as Ray's own ssh
    if key := auth.get("ssh_private_key"):
        options += ["-i", str(Path(key).expanduser())]
    if proxy := auth.get("ssh_proxy_command"):
        options += [f"-oProxyCommand={proxy}"]
    return ["ssh", *options, "-l", str(auth.get("ssh_user", "ubuntu"))]


def _wait_for(port: int, *, process: subprocess.Popen[bytes], head: str) -> None:
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            said = process.stderr.read().decode().strip() if process.stderr else ""
            raise ClusterError(f"the head {head} cannot be reached by ssh ({said or 'no answer'}); is the cluster up?")
        time.sleep(_STEP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
