"""Opens an ssh tunnel to a cluster's dashboard, which listens only on the loopback interface of the head."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Generator

from search.cluster.cluster_file import ClusterFile
from search.cluster.ray_imports import ray_module, stdout_to_stderr
from search.errors import ClusterError
from trainables.names import expanded

DASHBOARD_PORT = 8265
CONNECT_SECONDS = 30.0
_STEP_SECONDS = 0.1


@contextlib.contextmanager
def reach(*, cluster: ClusterFile | None = None, address: str | None = None) -> Generator[str]:
    """Yield an address for Ray's job client, which can be used while the block runs.

    Args:
        cluster: File of the cluster; a tunnel to its head is opened by ssh.
        address: Address that Ray's job client accepts; if it is given, it is used without a tunnel.

    Raises:
        ClusterError: The head cannot be found or reached.
    """
    if address is not None or cluster is None:
        yield address or "http://127.0.0.1:8265"
        return
    sdk = ray_module("ray.autoscaler.sdk")
    try:
        with stdout_to_stderr():
            head = str(sdk.get_head_node_ip(str(cluster.path)))
    except RuntimeError as error:
        msg = f"cluster {cluster.name!r} has no head ({error}); start it: xstilts cluster up -f {cluster.path}"
        raise ClusterError(msg) from None
    with _tunnel(cluster, head) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _tunnel(cluster: ClusterFile, head: str) -> Generator[int]:
    """Yield a local port that is forwarded to the dashboard's port on the head."""
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
        options += ["-i", str(expanded(key, what="auth.ssh_private_key"))]
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
            reason = process.stderr.read().decode().strip() if process.stderr else ""
            msg = (
                f"the head {head} cannot be reached by ssh ({reason or 'no answer'}); check that the cluster runs, and "
                "the ssh key in its file"
            )
            raise ClusterError(msg)
        time.sleep(_STEP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
